"""What samplers make of a generator of 25 Gaussians: modes, the share of good points, evenness.

  python benchmarks/samplers.py --seeds=0,1,2          # some two CPU minutes a seed
  python benchmarks/samplers.py --seeds=0 --only=mh

Trains configs/r1_gan.py:grid25 for 3,000 steps a seed and draws 2,500 points by each sampler, through
the command line as a user would. `D on` lets the discriminator learn 1,500 steps on first, the generator
frozen (for collaborative sampling 300, against refined points). Runs stay in --output, and what is there
already is not trained again.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {
  'rejection, exact': '--sampler=rejection --percentile=-1',
  'rejection, 80th percentile': '--sampler=rejection',
  'MH-GAN': '--sampler=mh',
  'Langevin': '--sampler=langevin --rate=0.001',
  'collaborative': '--sampler=collaborative',
  'rejection, exact, D on': '--sampler=rejection --percentile=-1 --shape_steps=1500',
  'rejection, 80th percentile, D on': '--sampler=rejection --shape_steps=1500',
  'MH-GAN, D on': '--sampler=mh --shape_steps=1500',
  'Langevin, D on': '--sampler=langevin --rate=0.001 --shape_steps=1500',
  'collaborative, shaped': '--sampler=collaborative --shape_steps=300',
}
LINE = re.compile(r'(\w+): modes (\S+), high_quality_share (\S+), mode_kl (\S+)')


def call(*words: str) -> str:
  command = [sys.executable, str(ROOT / 'main.py'), *words]
  return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def trained(folder: Path, seed: int) -> Path:
  workdir = folder / f'seed{seed}'
  if not (workdir / 'checkpoints/3000').exists():
    steps = ('num_steps', 'sample_every_steps', 'checkpoint_every_steps')
    call(
      'train', f'--config={ROOT}/configs/r1_gan.py:grid25', f'--workdir={workdir}',
      f'--config.seed={seed}', '--config.steps_per_call=50',
      *(f'--config.{name}=3000' for name in steps),
    )  # fmt: skip
  return workdir


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seeds', default='0,1,2')
  parser.add_argument('--only', default='', help='settings whose name has this')
  parser.add_argument('--output', default='runs/samplers', type=Path)
  arguments = parser.parse_args()
  print(f'{"":36}{"seed":>5}{"modes":>7}{"good":>8}{"KL":>8}')
  for seed in map(int, arguments.seeds.split(',')):
    workdir, shown = trained(arguments.output, seed), False
    for name, flags in SETTINGS.items():
      if arguments.only.lower() not in name.lower():
        continue
      out = call('generate', f'--workdir={workdir}', '--seeds=0-2499', *flags.split())
      found = {who: numbers for who, *numbers in LINE.findall(out)}
      rows = [] if shown else [('generator', found['generator'])]
      for title, numbers in [*rows, (name, found['sampler'])]:
        modes, good, kl = map(float, numbers)
        print(f'{title:36}{seed:5}{modes:7.0f}{good:8.3f}{kl:8.3f}', flush=True)
      shown = True


if __name__ == '__main__':
  main()
