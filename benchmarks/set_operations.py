"""What S2M makes of a generator of classes that overlap: intersections and differences of digits.

  python benchmarks/set_operations.py --seeds=0                  # some three CPU minutes a seed
  python benchmarks/set_operations.py --seeds=0 --conditional

Trains configs/r1_gan.py:digits7to3 for 3,000 steps a seed, whose labels name one of up to three classes
that a digit is of, and draws 200 images of each set by --sampler=s2m, through the command line as a user
would. Told by a support vector machine of the training digits: the share of images of the set, and that
of each of its digits; and the share of the set among 600 images of the generator (with --conditional
under the first class, which is what its labels can ask for). Runs stay in --output, and what is there
already is not trained again.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from configs import r1_gan  # noqa: E402
from decoupled_gan.data.sources import digits  # noqa: E402

COUNT = 200
ASKED = ('A', 'AB', 'ABC', 'A-B', 'A-BC', 'AB-C')
"""Classes that samples are of, and behind the minus those that they are not of."""


def call(*words: str):
  subprocess.run([sys.executable, str(ROOT / 'main.py'), *words], capture_output=True, check=True)


def digits_of(asked: str) -> list[int]:
  of, _, without = asked.partition('-')
  fits = [set(of) <= set(name) and not set(without) & set(name) for name in digits.SETS]
  return np.flatnonzero(fits).tolist()


def drawn(folder: Path) -> np.ndarray:
  return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob('seed*.png'))])


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seeds', default='0,1')
  parser.add_argument('--output', default='runs/set_operations', type=Path)
  parser.add_argument('--flags', default='', help='further flags of the sampler, with blanks between')
  parser.add_argument('--conditional', action='store_true', help='the generator is told a class')
  arguments = parser.parse_args()
  config = r1_gan.get_config('digits7to3')
  (images, labels), _ = digits.halves(config)
  judge = digits.Triples(images.array[..., 0], labels[:, 0])
  print(f'{"":6}{"seed":>5}{"generator":>11}{"s2m":>8}  each digit')
  for seed in map(int, arguments.seeds.split(',')):
    workdir = arguments.output / f'seed{seed}{"-conditional" * arguments.conditional}'
    if not (workdir / 'checkpoints/3000').exists():
      told = (
        ()
        if arguments.conditional
        else ('--config.model.conditional=False', '--config.model.head=linear')
      )
      steps = [f'--config.{name}_every_steps=3000' for name in ('sample', 'checkpoint')]
      call(
        'train', f'--config={ROOT}/configs/r1_gan.py:digits7to3', f'--workdir={workdir}', *steps, *told,
        f'--config.seed={seed}', '--config.steps_per_call=50',
      )  # fmt: skip
    call('generate', f'--workdir={workdir}', f'--output={workdir}/plain', f'--seeds=0-{3 * COUNT - 1}')
    plain = judge.digits(drawn(workdir / 'plain'))
    for asked in ASKED:
      (of, _, without), folder, right = asked.partition('-'), workdir / asked, digits_of(asked)
      call(
        'generate', f'--workdir={workdir}', f'--output={folder}', f'--seeds=0-{COUNT - 1}',
        '--sampler=s2m', f'--classes={",".join(of)}', f'--without={",".join(without)}',
        *filter(None, arguments.flags.split()),
      )  # fmt: skip
      shares = np.bincount(judge.digits(drawn(folder)), minlength=10) / COUNT
      before = plain['ABC'.index(of[0]) :: 3] if arguments.conditional else plain
      each = ', '.join(f'{digit}: {shares[digit]:.3f}' for digit in right)
      given = f'{asked:6}{seed:5}{np.isin(before, right).mean():11.3f}'
      print(f'{given}{shares[right].sum():8.3f}  {each}', flush=True)


if __name__ == '__main__':
  main()
