"""--mode=evaluate: translations of held-out images against their ground truth, beside baselines."""

import json

import numpy as np
from rich.console import Console
from rich.table import Table

from decoupled_gan import data, inference
from decoupled_gan.errors import UserError
from decoupled_gan.metrics import paired
from decoupled_gan.types import Pair
from decoupled_gan.workdir import Workdir

TRAIN_IMAGES = 500  # of each domain, for the means and variances of the matching baseline


def evaluate(workdir: Workdir, step: int | None = None):
  """Prints a table of scores and appends them to evaluations.jsonl in the workdir."""
  trained = inference.load(workdir, step)
  config = trained.run.config
  dataset = data.load(config, trained.run.method.BATCH)
  if not dataset.aligned_test:
    raise UserError(
      f'The test images of data.source={config.data.source!r} have no ground truth to compare with; '
      "'terrain' has. Look at the grids in samples/."
    )
  test = Pair(*(data.test_images(images, None, config) for images in dataset.test))
  train = Pair(*(_some(images, config) for images in dataset.train))
  title = f'{dataset.name}: {len(test.a)} held-out images'
  table = Table('direction', 'images from', 'mae', 'psnr', title=title)
  with (workdir.path / 'evaluations.jsonl').open('a', encoding='utf-8') as file:
    for direction in inference.DIRECTIONS:
      for name, images, truth in _contestants(trained, direction, test, train):
        scores = {'mae': paired.mae(images, truth), 'psnr': paired.psnr(images, truth)}
        table.add_row(direction, name, f'{scores["mae"]:.4f}', f'{scores["psnr"]:.2f} dB')
        row = {'step': trained.step, 'direction': direction, 'images': name, 'count': len(truth)}
        file.write(json.dumps(row | scores) + '\n')
  Console(width=100).print(table)


def _contestants(trained, direction: str, test: Pair, train: Pair):
  """(name, translated images, truth) of the translator and of two baselines that do not learn."""
  if inference.DIRECTIONS[direction] == 'a':
    test, train = test.swapped, train.swapped
  yield 'identity', test.a, test.b
  yield 'mean and variance', paired.matched(test.a, train.a, train.b), test.b
  translate = trained.translator(direction)
  yield trained.run.config.method, inference.batched(translate, test.a), test.b


def _some(images, config) -> np.ndarray:
  indices = np.linspace(0, len(images) - 1, min(len(images), TRAIN_IMAGES)).astype(int)
  return data.test_images(images, indices.tolist(), config)
