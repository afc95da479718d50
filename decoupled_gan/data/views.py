"""Datasets seen otherwise: cropped, mirrored. Nothing is copied; images change as they are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

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


def cropped(dataset: Dataset) -> Dataset:
  """All images cropped to the square in their middle."""

  def change(field):
    return field if isinstance(field, np.ndarray) else Changed(field, center_crop)

  return replace(
    dataset,
    train=dataset.kind(*map(change, dataset.train)),
    test=dataset.kind(*map(change, dataset.test)),
  )


def mirrored(dataset: Dataset) -> Dataset:
  """The training images followed by their mirror images, with the same labels."""

  def double(field):
    if isinstance(field, np.ndarray):
      return np.concatenate([field, field])
    return Joined((field, Changed(field, mirror)))

  notes = (*dataset.notes, 'half of the training images are mirror images of the other half')
  return replace(dataset, train=dataset.kind(*map(double, dataset.train)), notes=notes)
