"""Scores of a trained ED//GAN on held-out examples whose truth is known, beside doing nothing.

  python benchmarks/edgan_scores.py --workdir=runs/avatars
  python benchmarks/edgan_scores.py --workdir=runs/terrain_pairs

Labelled runs: for each value of each attribute, the test images that lack it are edited to have it, and
compared with the truth; 'changed' is the mean absolute error over those pixels alone in which the truth
differs from the image. Aligned runs: the test pairs. Baselines: the image as it is, and for pairs the
image with the target's mean and variance of each channel. Also for the reconstruction without residual.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from decoupled_gan import data, edit, inference, sharding
from decoupled_gan.images import to_float, to_uint8
from decoupled_gan.metrics import paired
from decoupled_gan.report import grid, save_image
from decoupled_gan.types import Aligned, Labelled
from decoupled_gan.workdir import Workdir


def rebuilder(trained):
  """(images, labels) -> what the reconstructing networks alone make, uint8."""

  @sharding.jit
  def forward(variables, images, labels):
    batch = Labelled(to_float(images), labels)
    return trained.run.gan.apply(variables, batch, method='rebuild')[0]

  return lambda images, labels: to_uint8(forward(trained.variables, images, labels))


def score_edits(trained, dataset, table: Table) -> dict[str, np.ndarray]:
  """Rows of all edits; gives columns of a picture: each edit of the first test images."""
  config = trained.run.config
  methods = {
    'identity': lambda images, labels: images,
    'rebuilt': rebuilder(trained),
    config.method: edit.editor(trained),
  }
  scored = {name: edit.against_truth(f, dataset, config) for name, f in methods.items()}
  shown = {}
  for key, (images, truth) in scored['identity'].items():
    changed = (images != truth).any(-1)
    for name, pairs in scored.items():
      edited = pairs[key][0]
      error = np.abs(edited.astype(np.float32) - truth)[changed].mean() / 255
      table.add_row(key, name, *_scores(edited, truth), f'{error:.4f}')
    shown |= {f'{key}?': images[:5], key: scored[config.method][key][0][:5], 'truth ' + key: truth[:5]}
  return shown


def score_pairs(trained, dataset, table: Table) -> dict[str, np.ndarray]:
  """Rows of the translation and its baselines; gives columns of a picture."""
  config = trained.run.config
  test = Aligned(*[data.test_images(images, None, config) for images in dataset.test])
  which = np.linspace(0, len(dataset.train.input) - 1, 500).astype(int).tolist()
  train = Aligned(*[data.test_images(images, which, config) for images in dataset.train])

  @sharding.jit
  def rebuild(variables, images):
    batch = Aligned(to_float(images), to_float(images))
    return trained.run.gan.apply(variables, batch, method='rebuild')[0]

  made = {
    'identity': test.input,
    'mean and variance': paired.matched(test.input, train.input, train.target),
    'rebuilt': inference.batched(lambda x: to_uint8(rebuild(trained.variables, x)), test.input),
    config.method: inference.batched(trained.translator('a_to_b'), test.input),
  }
  for name, images in made.items():
    table.add_row('pairs', name, *_scores(images, test.target))
  chosen = np.linspace(0, len(test.input) - 1, 8).astype(int)
  return {name: images[chosen] for name, images in {**made, 'truth': test.target}.items()}


def _scores(images, truth) -> list[str]:
  return [
    f'{len(truth)}',
    f'{paired.mae(images, truth):.4f}',
    f'{paired.psnr(images, truth):.2f}',
    f'{paired.ssim(images, truth):.4f}',
  ]


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--workdir', required=True)
  parser.add_argument('--checkpoint', type=int)
  args = parser.parse_args()
  workdir = Workdir(args.workdir)
  trained = inference.load(workdir, args.checkpoint)
  dataset = data.load(trained.run.config, trained.run.method.BATCH)
  table = Table('what', 'images from', 'images', 'mae', 'psnr dB', 'ssim', 'changed')
  score = score_edits if dataset.kind is Labelled else score_pairs
  picture = grid(score(trained, dataset, table))
  Console(width=110).print(table)
  save_image(picture, workdir.path / 'scores.png')


if __name__ == '__main__':
  main()
