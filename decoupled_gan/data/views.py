"""Datasets seen otherwise: cropped, mirrored. Nothing is copied; images change as they are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from decoupled_gan.core.types import Batch, present
from decoupled_gan.data.dataset import Dataset, Images
from decoupled_gan.data.transforms import center_crop, mirror


@dataclass(frozen=True)
class Changed:
  """`images` with a function applied to each."""

  images: Images
  function: Callable[[np.ndarray], np.ndarray]

  @property
  def names(self) -> Sequence[str]:
    return self.images.names

  def __len__(self) -> int:
    return len(self.images)

  def __getitem__(self, index: int) -> np.ndarray:
    return self.function(self.images[index])


@dataclass(frozen=True)
class Joined:
  """The images of several sets, one set after the other."""

  sets: tuple[Images, ...]

  @property
  def names(self) -> list[str]:
    return [name for images in self.sets for name in images.names]

  def __len__(self) -> int:
    return sum(map(len, self.sets))

  def __getitem__(self, index: int) -> np.ndarray:
    for images in self.sets:
      if index < len(images):
        return images[index]
      index -= len(images)
    raise IndexError(index)


@dataclass(frozen=True, eq=False)
class Some:
  """Some of a set of images."""

  images: Images
  which: np.ndarray

  @property
  def names(self) -> list[str]:
    return [self.images.names[i] for i in self.which]

  def __len__(self) -> int:
    return len(self.which)

  @property
  def resident(self) -> bool:
    return getattr(self.images, 'resident', False)

  def __getitem__(self, index: int) -> np.ndarray:
    return self.images[self.which[index]]


def changed(batch: Batch, images: Callable, arrays: Callable = lambda x: x) -> Batch:
  """`batch` of a dataset with functions applied to its fields: sets of images, and arrays."""
  fields = {
    name: arrays(x) if isinstance(x, np.ndarray) else images(x) for name, x in present(batch).items()
  }
  return batch._replace(**fields)


def cropped(dataset: Dataset) -> Dataset:
  """All images cropped to the square in their middle."""

  def crop(images):
    return Changed(images, center_crop)

  return replace(dataset, train=changed(dataset.train, crop), test=changed(dataset.test, crop))


def exchanged(dataset: Dataset) -> Dataset:
  """A dataset of a Pair with its domains exchanged."""
  domains = dataset.domains and dataset.domains.swapped
  return replace(
    dataset, train=dataset.train.swapped, test=dataset.test.swapped, domains=domains
  )  # fmt: skip


def limited(dataset: Dataset, count: int) -> Dataset:
  """The first `count` training examples only (of a Pair: of each domain)."""
  train = changed(
    dataset.train,
    lambda images: Some(images, np.arange(min(count, len(images)))),
    lambda array: array[:count],
  )
  return replace(dataset, train=train)


def mirrored(dataset: Dataset) -> Dataset:
  """The training images followed by their mirror images, with the same labels."""

  def double(images):
    return Joined((images, Changed(images, mirror)))

  notes = (*dataset.notes, 'half of the training images are mirror images of the other half')
  train = changed(dataset.train, double, lambda x: np.concatenate([x, x]))
  return replace(dataset, train=train, notes=notes)
