"""How well Dual-encoder BiGAN tells digits of one class from all others: the area under the ROC curve.

  python benchmarks/anomalies.py --seeds=0                  # twenty runs, some two CPU minutes
  python benchmarks/anomalies.py --classes=0,1,8 --seeds=0,1

Trains configs/dual_bigan.py:labelled_digits, and `one_encoder` of it, on one class after the other, and
scores all test digits as `--mode=evaluate --metrics=anomaly_auc` does; beside it the distance to the
nearest training image. Chance is 0.5. Runs stay in --output, and what is there already is not trained
again.
"""

import argparse
import contextlib
import io
import sys
from pathlib import Path

import jax
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from configs import dual_bigan  # noqa: E402
from decoupled_gan import data  # noqa: E402
from decoupled_gan.evaluation.metrics.classification import area  # noqa: E402
from decoupled_gan.evaluation.tasks import of_detector  # noqa: E402
from decoupled_gan.machine import compilation  # noqa: E402
from decoupled_gan.modes import train  # noqa: E402
from decoupled_gan.run import inference  # noqa: E402
from decoupled_gan.run.workdir import Workdir  # noqa: E402

WORDS = {'dual': 'labelled_digits', 'one encoder': 'labelled_digits,one_encoder'}


def trained(workdir: Path, words: str, seed: int, normal: str, steps: int) -> inference.Trained:
  if not (workdir / f'checkpoints/{steps}').exists():
    config = dual_bigan.get_config(words)
    config.seed, config.data.normal, config.steps_per_call = seed, normal, 50
    config.num_steps = config.sample_every_steps = config.checkpoint_every_steps = steps
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
      train.train(config, Workdir(workdir))
  return inference.load(Workdir(workdir))


def areas(found: inference.Trained) -> tuple[float, float]:
  """(of the run's score, of the distance to the nearest training image), on all test digits."""
  (task,) = of_detector(found.run, data.load(found.run.config, found.run.method.batch))
  indices, answers = np.arange(task.count), []
  for part in np.array_split(indices, -(-task.count // task.size)):
    filled = np.concatenate([part, np.repeat(part[-1:], task.size - len(part))])
    answers += task.generate(found.variables, filled)[: len(part)]
  nearest = task.baselines['nearest training example'](indices)
  labels = np.array([x.label for x in answers])
  return tuple(area(np.array([x.features[0] for x in side]), labels) for side in (answers, nearest))


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seeds', default='0')
  parser.add_argument('--classes', default='0,1,2,3,4,5,6,7,8,9')
  parser.add_argument('--steps', default=1500, type=int)
  parser.add_argument('--output', default='runs/anomalies', type=Path)
  arguments = parser.parse_args()
  compilation.keep('.jax_cache', arguments.output / 'run')
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
  for seed in map(int, arguments.seeds.split(',')):
    found: dict[str, list[float]] = {name: [] for name in (*WORDS, 'nearest image')}
    for normal in arguments.classes.split(','):
      for name, words in WORDS.items():
        workdir = arguments.output / f'{name.replace(" ", "-")}-{normal}-seed{seed}'
        own, nearest = areas(trained(workdir, words, seed, normal, arguments.steps))
        found[name].append(own)
      found['nearest image'].append(nearest)
      row = ', '.join(f'{name} {values[-1]:.3f}' for name, values in found.items())
      print(f'seed {seed}, {normal} is normal: {row}', flush=True)
    print('means: ' + ', '.join(f'{name} {np.mean(x):.3f}' for name, x in found.items()), flush=True)


if __name__ == '__main__':
  main()
