"""What GAN-EM makes of digits that nobody labelled: accuracy of its clusters, round by round.

  python benchmarks/gan_em.py --seeds=0             # some three CPU minutes a seed
  python benchmarks/gan_em.py --seeds=0 --rounds=5

Trains configs/gan_em.py:labelled_digits and prints the accuracy of the assigner on the 359 test digits
after each round, clusters matched with digits one to one, and in the end the mutual information; and
what k-means and a mixture of Gaussians (diagonal) have on the same digits, fitted on the training ones.
Runs stay in --output, and what is there already is not trained again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sklearn.cluster import KMeans  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402

from configs import gan_em  # noqa: E402
from decoupled_gan.data.sources import digits  # noqa: E402
from decoupled_gan.evaluation.metrics.untold import matched_share  # noqa: E402

ASKED = '--metrics=cluster_accuracy,cluster_nmi'


def call(*words: str):
  subprocess.run([sys.executable, str(ROOT / 'main.py'), *words], capture_output=True, check=True)


def by_round(workdir: Path, seed: int, rounds: int) -> dict[str, list[float]]:
  """{metric: its number after each round} of a run, which is trained first where it is not there."""
  whole = gan_em.get_config('labelled_digits').round_steps
  if not (workdir / f'checkpoints/{whole * rounds}').exists():
    call(
      'train', f'--config={ROOT}/configs/gan_em.py:labelled_digits', f'--workdir={workdir}',
      f'--config.seed={seed}', f'--config.num_steps={whole * rounds}', '--config.steps_per_call=50',
      f'--config.sample_every_steps={whole * rounds}', f'--config.checkpoint_every_steps={whole}',
      f'--config.checkpoints_to_keep={rounds}',
    )  # fmt: skip
  numbers = workdir / 'evaluations.jsonl'
  if not numbers.exists():
    call('evaluate', f'--workdir={workdir}', '--checkpoint=all', ASKED)
  found = {}
  for row in map(json.loads, numbers.read_text().splitlines()):
    found.setdefault(row['metric'], {})[row['checkpoint']] = row['value']
  return {name: [values[step] for step in sorted(values)] for name, values in found.items()}


def baselines() -> dict[str, float]:
  """{what finds clusters of pixels: accuracy}."""
  config = gan_em.get_config('labelled_digits')
  (train, _), (test, labels) = digits.halves(config)
  train, test = (x.array[..., 0].reshape(len(x), -1) / 255 for x in (train, test))
  means = KMeans(10, n_init=10, random_state=0).fit(train)
  law = GaussianMixture(10, covariance_type='diag', random_state=0, reg_covar=1e-3).fit(train)
  return {
    'k-means': matched_share(means.predict(test), labels[:, 0]),
    'Gaussians': matched_share(law.predict(test), labels[:, 0]),
  }


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seeds', default='0')
  parser.add_argument('--rounds', default=15, type=int)
  parser.add_argument('--output', default='runs/gan_em', type=Path)
  arguments = parser.parse_args()
  print('  '.join(f'{name} {share:.3f}' for name, share in baselines().items()), flush=True)
  for seed in arguments.seeds.split(','):
    workdir = arguments.output / f'seed{seed}-{arguments.rounds}'
    found = by_round(workdir, int(seed), arguments.rounds)
    shown = ' '.join(f'{x:.3f}' for x in found['cluster_accuracy'])
    print(f'seed {seed}: {shown}; NMI {np.array(found["cluster_nmi"])[-1]:.3f}', flush=True)


if __name__ == '__main__':
  main()
