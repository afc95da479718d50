"""What BAGAN's images of a rare class are worth to a classifier, against none and against copies.

  python benchmarks/bagan.py --seeds=0               # some four CPU minutes a seed
  python benchmarks/bagan.py --seeds=0 --scratch     # and of a BAGAN without the autoencoder's start

Trains configs/bagan.py:labelled_digits, whose data have 13 eights and 130 of each other digit, draws 150
eights and teaches classifiers (three, configs/classifier.py:labelled_digits) by: the data; the data and
150 copies of eights; the data and the drawn ones. Printed: their accuracy on the 47 test eights, and on
all test digits; and the share of the drawn ones that classifiers of all 1,438 training digits tell for
eights. Runs stay in --output, and what is there already is not trained again.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from configs import bagan, classifier  # noqa: E402
from decoupled_gan import data  # noqa: E402
from decoupled_gan.core.images import to_uint8  # noqa: E402
from decoupled_gan.core.types import Examples  # noqa: E402
from decoupled_gan.evaluation import retraining  # noqa: E402
from decoupled_gan.run import inference  # noqa: E402
from decoupled_gan.run.workdir import Workdir  # noqa: E402

RARE, EXTRA = 8, 150


def trained(words: str, seed: int, output: Path) -> inference.Trained:
  config = bagan.get_config(words)
  workdir = output / f'seed{seed}{"-scratch" * ("scratch" in words)}'
  if not (workdir / f'checkpoints/{config.num_steps}').exists():
    command = [
      sys.executable,
      str(ROOT / 'main.py'),
      'train',
      f'--config={ROOT}/configs/bagan.py:{words}',
    ]
    every = [f'--config.{name}_every_steps={config.num_steps}' for name in ('sample', 'checkpoint')]
    given = (f'--workdir={workdir}', f'--config.seed={seed}', *every)
    subprocess.run([*command, *given], check=True, capture_output=True)
  return inference.load(Workdir(workdir))


def eights(run: inference.Trained) -> np.ndarray:
  """EXTRA images of the rare class, uint8."""
  method = run.run.method
  z = np.random.default_rng(0).normal(size=(EXTRA, run.run.gan.z_dim)).astype(np.float32)
  paint = run.compiled(lambda gan, z, labels: method.draw(gan, method.style(gan, z, 1.0), '', labels))
  return to_uint8(paint(z, np.full((EXTRA, 1), RARE, np.int32)))


def taught(name: str, seed: int, images: np.ndarray, labels: np.ndarray, examined, truth):
  config = classifier.get_config('labelled_digits')
  config.seed = 1000 * seed
  told = retraining.answers(config, 'digit', images, labels, examined).argmax(-1)
  right = told == truth[None]
  each = [f'{x[truth == RARE].mean():.3f}' for x in right]
  rare, whole = right[:, truth == RARE].mean(), right.mean()
  print(f'{name:24}{seed:5}{rare:9.3f} ({", ".join(each)}){whole:9.3f}', flush=True)
  return told


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seeds', default='0')
  parser.add_argument('--scratch', action='store_true')
  parser.add_argument('--output', default='runs/bagan', type=Path)
  arguments = parser.parse_args()
  config = bagan.get_config('labelled_digits')
  dataset, all_digits = data.load(config, Examples), classifier.get_config('labelled_digits')
  whole = data.load(all_digits, Examples)
  images, labels = data.test_images(dataset.train.x, None, config), dataset.train.labels[:, 0]
  examined, truth = data.test_images(dataset.test.x, None, config), dataset.test.labels[:, 0]
  copies = np.resize(np.flatnonzero(labels == RARE), EXTRA)
  more = np.append(labels, np.full(EXTRA, RARE))
  print(f'{"classifiers of":24}{"seed":>5}{"eights":>9}{"":23}{"all":>9}')
  for seed in map(int, arguments.seeds.split(',')):
    taught('the data', seed, images, labels, examined, truth)
    taught('and copies', seed, np.append(images, images[copies], 0), more, examined, truth)
    for words in ('labelled_digits', *['labelled_digits,scratch'] * arguments.scratch):
      drawn = eights(trained(words, seed, arguments.output))
      name = 'and BAGAN' + ' from scratch' * ('scratch' in words)
      taught(name, seed, np.append(images, drawn, 0), more, examined, truth)
      known = data.test_images(whole.train.x, None, config), whole.train.labels[:, 0]
      told = retraining.answers(all_digits, 'digit', *known, drawn).argmax(-1)
      print(f'  told for eights: {(told == RARE).mean():.3f}', flush=True)


if __name__ == '__main__':
  main()
