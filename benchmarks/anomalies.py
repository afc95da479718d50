"""How well Dual-encoder BiGAN tells digits of one class from all others: the area under the ROC curve.

  python benchmarks/anomalies.py --seeds=0                  # twenty runs, some five CPU minutes
  python benchmarks/anomalies.py --classes=0,1,8 --seeds=0,1

Trains configs/dual_bigan.py:labelled_digits, and `one_encoder` of it, on one class after the other, and
scores all test digits, through `--mode=evaluate` as a user would; beside it the distance to the nearest
training image. Chance is 0.5. Runs stay in --output, and what is there already is not trained again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
WORDS = ('labelled_digits', 'labelled_digits,one_encoder')


def call(*words: str):
  subprocess.run([sys.executable, str(ROOT / 'main.py'), *words], capture_output=True, check=True)


def areas(workdir: Path, words: str, seed: int, normal: int, steps: int) -> dict[str, float]:
  """{what scores: area} of a run, which is trained first where it is not there."""
  if not (workdir / f'checkpoints/{steps}').exists():
    fields = ('num_steps', 'sample_every_steps', 'checkpoint_every_steps')
    call(
      'train', f'--config={ROOT}/configs/dual_bigan.py:{words}', f'--workdir={workdir}',
      f'--config.seed={seed}', f'--config.data.normal={normal}', '--config.steps_per_call=50',
      *(f'--config.{field}={steps}' for field in fields),
    )  # fmt: skip
  numbers = workdir / 'evaluations.jsonl'
  if not numbers.exists():
    call('evaluate', f'--workdir={workdir}', '--metrics=anomaly_auc')
  return {row['images']: row['value'] for row in map(json.loads, numbers.read_text().splitlines())}


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seeds', default='0')
  parser.add_argument('--classes', default='0,1,2,3,4,5,6,7,8,9')
  parser.add_argument('--steps', default=1500, type=int)
  parser.add_argument('--output', default='runs/anomalies', type=Path)
  arguments = parser.parse_args()
  for seed in arguments.seeds.split(','):
    found = {}
    for normal in arguments.classes.split(','):
      for words in WORDS:
        workdir = arguments.output / f'{words.replace(",", "-")}{normal}-seed{seed}'
        for name, area in areas(workdir, words, seed, normal, arguments.steps).items():
          name = words.removeprefix('labelled_digits,') if name == 'dual_bigan' else name
          found.setdefault(name.replace('labelled_digits', 'dual'), {})[normal] = area
    for name, by_class in found.items():
      shown = ' '.join(f'{area:.3f}' for area in by_class.values())
      print(f'{name:28} seed {seed}: {shown}; mean {np.mean([*by_class.values()]):.3f}', flush=True)


if __name__ == '__main__':
  main()
