"""What encoders of BiGAN and BigBiGAN know of digits: linear probes and reconstructions.

  python benchmarks/encoders.py --seeds=0,1,2       # a CPU minute a seed

Trains configs/bigan.py:digits and configs/bigbigan.py:digits, without labels, and prints, of the trained
and of the untrained encoder, the accuracy on test digits of a logistic regression of E(x) fitted on
training digits; and how far reconstructions are from their digits, as a share of the distance to a
shuffled one. Runs stay in --output, and what is there already is not trained again.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


from configs import datasets  # noqa: E402
from decoupled_gan import data  # noqa: E402
from decoupled_gan.core import state  # noqa: E402
from decoupled_gan.core.types import Examples  # noqa: E402
from decoupled_gan.evaluation import probes  # noqa: E402
from decoupled_gan.run import inference  # noqa: E402
from decoupled_gan.run.workdir import Workdir  # noqa: E402

METHODS = ('bigan', 'bigbigan')


def trained(folder: Path, name: str, seed: int) -> inference.Trained:
  workdir = folder / f'{name}{seed}'
  if not (workdir / 'checkpoints/4000').exists():
    command = [
      sys.executable, str(ROOT / 'main.py'), f'--config={ROOT}/configs/{name}.py:digits',
      f'--workdir={workdir}', f'--config.seed={seed}', '--config.steps_per_call=50',
      '--config.sample_every_steps=4000', '--config.checkpoint_every_steps=4000',
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
  return inference.load(Workdir(workdir))


def digits(config):
  """[(images, labels)] of training and of test digits."""
  config = config.copy_and_resolve_references()
  config.update_from_flattened_dict(datasets.DATASETS['labelled_digits'])
  found = data.load(config, Examples)
  return [(data.test_images(x.x, None, config), x.labels[:, 0]) for x in (found.train, found.test)]


def measure(run, variables, halves) -> tuple[float, float]:
  """(accuracy of the probe, distance of reconstructions over that to shuffled ones)."""
  look = run.compiled(lambda gan, x: (gan.encoder(x).mean, run.method.reconstruct(gan, x), x))
  (train, train_labels), (test, test_labels) = halves
  codes = np.asarray(look(variables, train)[0])
  own, rebuilt, given = map(np.asarray, look(variables, test))
  probe = probes.linear(codes, train_labels, 10)
  other = np.random.default_rng(0).permutation(len(given))
  differences = [(rebuilt - x).reshape(len(x), -1) for x in (given, given[other])]
  away = [np.linalg.norm(x, axis=1).mean() for x in differences]
  return (probe(own).argmax(1) == test_labels).mean(), away[0] / away[1]


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seeds', default='0,1,2')
  parser.add_argument('--output', default='runs/encoders', type=Path)
  arguments = parser.parse_args()
  print(f'{"":12}{"seed":>5}{"probe":>8}{"untrained":>11}{"ratio":>8}')
  for name in METHODS:
    for seed in map(int, arguments.seeds.split(',')):
      found = trained(arguments.output, name, seed)
      halves = digits(found.run.config)
      probe, ratio = measure(found.run, found.variables, halves)
      untrained = state.inference_variables(found.run.create_state())
      before, _ = measure(found.run, jax.device_get(untrained), halves)
      print(f'{name:12}{seed:5}{probe:8.3f}{before:11.3f}{ratio:8.3f}', flush=True)


if __name__ == '__main__':
  main()
