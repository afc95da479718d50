"""A deterministic make-believe set for tests and dry runs: no files, no downloads.

Scene i has one shape at a place of its own. Domain a draws it as a warm disc on a light ground, b
as a cool square on a dark ground: a translation that a small network can learn in minutes.
"""

from dataclasses import dataclass

import numpy as np

from decoupled_gan.core.types import Aligned, Examples, Pair, image_shape
from decoupled_gan.data.dataset import Dataset, with_channels

TRAIN, TEST = 64, 16


@dataclass(frozen=True)
class FakeImages:
  """Scenes first, first + 1, ... of one domain, drawn when asked for."""

  domain: str
  first: int
  count: int
  size: int
  channels: int

  @property
  def names(self):
    return [f'scene{self.first + index:04d}' for index in range(self.count)]

  def __len__(self) -> int:
    return self.count

  def __getitem__(self, index: int) -> np.ndarray:
    if not 0 <= index < self.count:
      raise IndexError(index)
    return with_channels(draw(self.domain, self.first + index, self.size), self.channels)


def draw(domain: str, scene: int, size: int) -> np.ndarray:
  """Scene number `scene` as uint8 [size, size, 3]; domain is 'disc' or 'square'."""
  rng = np.random.default_rng(scene)
  y, x, radius = rng.uniform([0.3, 0.3, 0.12], [0.7, 0.7, 0.28]) * size
  tint = rng.uniform(0, 60)
  rows, columns = np.mgrid[:size, :size] + 0.5
  down, right = np.abs(rows - y), np.abs(columns - x)
  if domain == 'disc':
    inside = down**2 + right**2 < radius**2
    shape, ground = (230, 60 + tint, 40), (235, 230, 215)
  else:
    inside = np.maximum(down, right) < radius
    shape, ground = (40, 90 + tint, 220), (25, 30, 45)
  return np.where(inside[..., None], shape, ground).astype(np.uint8)


def load(config) -> Dataset:
  """64 + 64 unpaired training scenes and 16 aligned test scenes of [S, S, C]."""
  first = 2 * TRAIN
  return Dataset(
    name='fake',
    train=Pair(_images(config, 'disc', 0, TRAIN), _images(config, 'square', TRAIN, TRAIN)),
    test=Pair(_images(config, 'disc', first, TEST), _images(config, 'square', first, TEST)),
    domains=Pair('disc', 'square'),
    aligned_test=True,
  )


def load_aligned(config) -> Dataset:
  """64 training and 16 test scenes as discs, to become squares."""

  def examples(first, count):
    return Aligned(*[_images(config, domain, first, count) for domain in ('disc', 'square')])

  domains = Aligned('disc', 'square')
  return Dataset('fake', examples(0, TRAIN), examples(TRAIN, TEST), domains)


def load_labelled(config) -> Dataset:
  """64 training and 16 test discs, with labels that go round and that nothing shows.

  Quantities, if there are any, go from 0 to 1.
  """
  counts = np.array([len(values) for _, values in sorted(config.attributes.items())])

  def examples(first, count):
    number = np.arange(first, first + count)[:, None]
    labels = np.where(counts[None] == 0, number / TRAIN % 1, number % np.maximum(counts, 1)[None])
    dtype = np.int32 if counts.all() else np.float32
    return Examples(_images(config, 'disc', first, count), labels.astype(dtype))

  return Dataset('fake', examples(0, TRAIN), examples(TRAIN, TEST))


def load_plain(config) -> Dataset:
  """64 training and 16 test discs."""
  train, test = _images(config, 'disc', 0, TRAIN), _images(config, 'disc', TRAIN, TEST)
  return Dataset('fake', Examples(train), Examples(test))


def _images(config, domain: str, first: int, count: int) -> FakeImages:
  return FakeImages(domain, first, count, max(image_shape(config)), config.image_channels)
