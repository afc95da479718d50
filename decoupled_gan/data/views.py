"""Datasets seen otherwise: cropped, mirrored, some of the classes. Images change as they are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from decoupled_gan.core.types import Batch, image_shape, present
from decoupled_gan.data.dataset import Dataset, Images
from decoupled_gan.data.transforms import center_crop, mirror
from decoupled_gan.errors import UserError, listing


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


def as_trained(images: Images, config) -> Images:
  """`images` cropped as those that were trained on, where data.center_crop says so."""
  if not config.data.center_crop:
    return images
  return Changed(images, partial(center_crop, aspect=image_shape(config)))


def changed(batch: Batch, images: Callable, arrays: Callable = lambda x: x) -> Batch:
  """`batch` of a dataset with functions applied to its fields: sets of images, and arrays."""
  fields = {
    name: arrays(x) if isinstance(x, np.ndarray) else images(x) for name, x in present(batch).items()
  }
  return batch._replace(**fields)


def cropped(dataset: Dataset, aspect: tuple[int, int] = (1, 1)) -> Dataset:
  """All images cropped to the largest part in their middle whose sides are as those of `aspect`."""

  def crop(images):
    return Changed(images, partial(center_crop, aspect=aspect))

  return replace(dataset, train=changed(dataset.train, crop), test=changed(dataset.test, crop))


def forgotten(dataset: Dataset, count: int, seed: int) -> Dataset:
  """Only `count` training examples of each value of the first attribute keep labels; others have -1.

  Which ones is drawn by the seed. Raises UserError where there are no labels, or no numbers of values.
  """
  labels = _labels_of(dataset.train)
  if labels is None or labels.dtype != np.int32:
    raise UserError(f'data.labels_per_class={count}: {dataset.name} has no labels of classes.')
  order = np.random.default_rng(seed).permutation(len(labels))
  kept = [order[labels[order, 0] == value][:count] for value in np.unique(labels[:, 0])]
  known = np.full_like(labels, -1)
  for which in kept:
    known[which] = labels[which]
  notes = (*dataset.notes, f'{sum(map(len, kept))} training examples have labels')
  return replace(dataset, train=dataset.train._replace(labels=known), notes=notes)


def repeated(dataset: Dataset, times: int) -> Dataset:
  """Training examples with labels come `times` times for each time that others do; at least once.

  Raises UserError where there are no labels, or none is unknown.
  """
  labels = _labels_of(dataset.train)
  known = None if labels is None else labels[:, 0] >= 0
  if times < 1 or known is None or known.all():
    raise UserError(
      f'data.labelled_repeats={times}: labelled examples come a number of times, from 1, for each time '
      'that others do; data.labels_per_class leaves few of them.'
    )
  which = np.repeat(np.arange(len(known)), np.where(known, times, 1))
  notes = (*dataset.notes, f'each of them comes {times} times')
  return replace(dataset, train=some(dataset.train, which), notes=notes)


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


def column(labels: np.ndarray | None, field: str) -> np.ndarray:
  """The labels [N] of the only attribute, for what `field` asks; UserError if they are no classes."""
  if labels is None or labels.shape[1] != 1 or np.issubdtype(labels.dtype, np.floating):
    count = 0 if labels is None else labels.shape[1]
    found = f'{count} attributes' if count != 1 else 'one that is a quantity'
    raise UserError(
      f'{field} goes by the classes of one attribute, and examples have {found}: name one of the '
      'data, with its values, in config.attributes.'
    )
  return labels[:, 0]


def _labels_of(batch: Batch) -> np.ndarray | None:
  return getattr(batch, 'labels', None)


def some(batch: Batch, which: np.ndarray) -> Batch:
  """The examples `which` of a dataset's `batch`."""
  return changed(batch, lambda images: Some(images, which), lambda array: array[which])


def thinned(dataset: Dataset, counts: Sequence[int]) -> Dataset:
  """The first counts[k] training examples of each class k."""
  labels = column(_labels_of(dataset.train), 'data.class_counts')
  found = np.bincount(labels, minlength=len(counts))
  if len(found) != len(counts) or (found < counts).any() or min(counts) < 1:
    raise UserError(
      f'data.class_counts={tuple(counts)} has to have a number for each class, from 1 to how many '
      f'training examples there are: {tuple(found.tolist())}.'
    )
  kept = [np.flatnonzero(labels == k)[:count] for k, count in enumerate(counts)]
  notes = (*dataset.notes, f'training examples a class: {", ".join(map(str, counts))}')
  return replace(dataset, train=some(dataset.train, np.sort(np.concatenate(kept))), notes=notes)


def normal(dataset: Dataset, names: str, attributes: Mapping[str, Sequence[str]]) -> Dataset:
  """Training on the classes `names` (with commas) of the one attribute only; testing on all."""
  kept = normal_examples(_labels_of(dataset.train), names, attributes)
  notes = (*dataset.notes, f'trained on {names} only ({kept.sum():,} examples), tested on all')
  return replace(dataset, train=some(dataset.train, np.flatnonzero(kept)), notes=notes)


def normal_examples(
  labels: np.ndarray | None, names: str, attributes: Mapping[str, Sequence[str]]
) -> np.ndarray:
  """Whether each of the labels [N, 1] is of the classes `names`, [N]; raises UserError if none is."""
  found = column(labels, 'data.normal')
  ((attribute, values),) = attributes.items()
  unknown = [name for name in names.split(',') if name not in values]
  if unknown:
    raise UserError(
      f'data.normal={names!r}: {attribute} has no value {unknown[0]!r}; it has {listing(values, 40)}.'
    )
  kept = np.isin(found, [values.index(name) for name in names.split(',')])
  if not kept.any():
    raise UserError(f'data.normal={names!r}: no example is of it.')
  return kept


def held_out(dataset: Dataset, count: int, classes: int) -> Dataset:
  """Training without the last `count` of the `classes`, testing on all that there is of them."""
  labels = [column(_labels_of(x), 'data.held_out') for x in (dataset.train, dataset.test)]
  if not 0 < count < classes - 1:
    raise UserError(f'data.held_out={count}: of {classes} classes at least two have to be trained on.')
  sides = [x < classes - count for x in labels]
  parts = [
    some(batch, np.flatnonzero(~side))
    for batch, side in zip((dataset.train, dataset.test), sides, strict=True)
  ]
  test = type(dataset.train)(*[_joined(*both) for both in zip(*parts, strict=True)])
  notes = (*dataset.notes, f'the last {count} of {classes} classes are for testing only')
  return replace(dataset, train=some(dataset.train, np.flatnonzero(sides[0])), test=test, notes=notes)


def _joined(a, b):
  if a is None:
    return None
  return np.concatenate([a, b]) if isinstance(a, np.ndarray) else Joined((a, b))


def mirrored(dataset: Dataset) -> Dataset:
  """The training images followed by their mirror images, with the same labels."""

  def double(images):
    return Joined((images, Changed(images, mirror)))

  notes = (*dataset.notes, 'half of the training images are mirror images of the other half')
  train = changed(dataset.train, double, lambda x: np.concatenate([x, x]))
  return replace(dataset, train=train, notes=notes)
