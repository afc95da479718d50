"""What CAS and fake_top1 say of generators of digits that are known: whole, young, and without variety.

  python benchmarks/cas.py --seeds=0,1          # some two CPU minutes

Trains configs/classifier.py:labelled_digits, which both numbers are made with, and for each seed the
projection GAN configs/gan.py:labelled_digits, of which checkpoints are measured by 1,438 images, as many
as there are real ones to train on. Beside them: those real ones, and one real image of each class again
and again. Runs stay in --output, and what is there already is not trained again.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from configs import gan  # noqa: E402
from decoupled_gan import data  # noqa: E402
from decoupled_gan.core.types import Examples  # noqa: E402
from decoupled_gan.evaluation import own, requests, scoring, tasks  # noqa: E402
from decoupled_gan.evaluation.metrics import parse, protocols  # noqa: E402
from decoupled_gan.pretrained import features  # noqa: E402
from decoupled_gan.run import inference  # noqa: E402
from decoupled_gan.run.workdir import Workdir  # noqa: E402

COUNT = 1438
NAMES = ('cas', 'fake_top1')
STEPS = (250, 1000, 3000)


def train(recipe: str, workdir: Path, steps: int, *words: str) -> Path:
  if not (workdir / f'checkpoints/{steps}').exists():
    command = [sys.executable, str(ROOT / 'main.py'), 'train', f'--config={ROOT}/configs/{recipe}']
    words = (f'--workdir={workdir}', '--config.steps_per_call=50', *words)
    subprocess.run([*command, *words], check=True, capture_output=True)
  return workdir


def measured(title: str, fake: scoring.ImageSet, task: tasks.Task, config):
  asked = [parse(f'{name}_{COUNT}@own') for name in NAMES]
  protocol = protocols.get(config.evaluation.protocol)
  real, test = (
    requests.real_images(task, protocol, config),
    requests.examined_images(asked, task, config),
  )
  scores = scoring.score(asked, real, fake, protocol, 0, test=test)
  told = (f'{s.estimate.value:.3f} ({s.estimate.low:.3f} to {s.estimate.high:.3f})' for s in scores)
  print(f'{title:28}' + ''.join(f'{text:>26}' for text in told), flush=True)


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seeds', default='0,1')
  parser.add_argument('--output', default='runs/cas', type=Path)
  arguments = parser.parse_args()
  features.provide(
    own.network_of(str(train('classifier.py:labelled_digits', arguments.output / 'own', 700)))
  )
  config = gan.get_config('labelled_digits')
  dataset = data.load(config, Examples)
  (x, labels, _), rng = dataset.train, np.random.default_rng(0)
  print(f'{"":28}' + ''.join(f'{name:>26}' for name in NAMES))
  first = [np.flatnonzero(labels[:, 0] == k)[0] for k in range(10)]
  for seed in map(int, arguments.seeds.split(',')):
    every = ('--config.sample_every_steps=3000', '--config.checkpoint_every_steps=250')
    kept = ('--config.checkpoints_to_keep=12', f'--config.seed={seed}')
    workdir = Workdir(
      train('gan.py:labelled_digits', arguments.output / f'gan{seed}', 3000, *every, *kept)
    )
    for step in STEPS:
      trained = inference.load(workdir, step)
      (task,) = tasks.tasks_of(trained.run, dataset)
      fake = requests.generated_images(task, trained.variables, config)
      measured(f'GAN, {step:,} steps, seed {seed}', fake, task, config)
    if seed == int(arguments.seeds.split(',')[0]):
      measured('training images', scoring.of_images('real', x, labels=labels[:, 0]), task, config)
      drawn = rng.permutation(np.arange(COUNT) % 10)
      one = [x[int(first[k])] for k in drawn]
      measured('one image of each class', scoring.of_images('one', one, labels=drawn), task, config)


if __name__ == '__main__':
  main()
