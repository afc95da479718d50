"""Examples for training and testing, by source.

A source is one function from the config to a `Dataset` and one word in `SOURCES`, below the kind of
batch that it gives: what a method's `batch` names. The same word may give several kinds; Examples come
from LABELLED where config.attributes names any. A source is imported when it is asked for. Batches are
made by `train_batches`, and are a function of (seed, step, batch_size) alone.
"""

import importlib
from collections.abc import Mapping

import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.core.types import DIRECTIONS, Aligned, Batch, Examples, Pair, image_shape
from decoupled_gan.data.dataset import ArrayImages, Dataset, Images
from decoupled_gan.data.pipeline import take, test_batch, test_examples, test_images, train_batches
from decoupled_gan.data.transforms import FITS
from decoupled_gan.data.views import (
  cropped,
  exchanged,
  forgotten,
  held_out,
  limited,
  mirrored,
  normal,
  repeated,
  thinned,
)
from decoupled_gan.errors import UserError, listing

__all__ = [
  'LABELLED', 'SOURCES', 'ArrayImages', 'Dataset', 'Images', 'load', 'take', 'test_batch',
  'test_examples', 'test_images', 'train_batches',
]  # fmt: skip

SOURCES: dict[type[Batch], Mapping[str, str]] = {
  Pair: {
    'folder': 'folder:load',
    'tfds': 'tfds:load',
    'terrain': 'terrain:load',
    'emoji': 'emoji:load',
    'inverted_digits': 'digits:load_inverted',
    'fake': 'fake:load',
  },
  Aligned: {
    'folder': 'aligned:load',
    'terrain': 'terrain:load_aligned',
    'fake': 'fake:load_aligned',
  },
  Examples: {
    'folder': 'folder:load_plain',
    'tfds': 'tfds:load_plain',
    'terrain': 'terrain:load_plain',
    'emoji': 'emoji:load_plain',
    'avatars': 'avatars:load_plain',
    'digits': 'digits:load',
    'stacked_digits': 'digits:load_stacked',
    'toy': 'toy:load',
    'polygons': 'polygons:load',
    'fake': 'fake:load_plain',
  },
}
LABELLED: Mapping[str, str] = {
  'folder': 'labelled:load',
  'utkface': 'labelled:load_utkface',
  'tfds': 'tfds:load_labelled',
  'avatars': 'avatars:load',
  'digits': 'digits:load_labelled',
  'digits7to3': 'digits:load_sets',
  'fake': 'fake:load_labelled',
  'digit_spaces': 'classes:load_digit_spaces',
  'modular': 'classes:load_modular',
  'sphere': 'classes:load_sphere',
  'overlapping': 'classes:load_overlapping',
  'circle': 'classes:load_circle',
}
"""Word -> 'module below sources:function'."""
WITH_FILES = ('folder', 'utkface', 'tfds')
"""Sources that read files: from data.path, whose values may have a range of their own, data.range."""


def load(config: ConfigDict, kind: type[Batch] = Pair) -> Dataset:
  """The dataset of `kind` that config.data.source names: a word of SOURCES, or 'tfds:<name>'.

  Raises:
    UserError: no such source, or the source cannot give what is asked.
  """
  source = config.data.source
  labelled = kind is Examples and len(config.attributes) > 0
  sources = LABELLED if labelled else SOURCES[kind]
  word, colon, _ = source.partition(':')
  if word not in sources or (colon and word != 'tfds'):
    naming = '; tfds takes a name, as in tfds:cycle_gan/horse2zebra' if 'tfds' in sources else ''
    wanted = 'Examples with labels' if labelled else kind.__name__
    raise UserError(
      f'data.source={source!r} does not exist for batches of {wanted}, which the method wants: there '
      f'are {listing(sources, 40)}{naming}.'
    )
  if config.data.direction not in DIRECTIONS:
    raise UserError(f'data.direction={config.data.direction!r} is unknown; there are a_to_b and b_to_a.')
  if config.data.fit not in FITS:
    raise UserError(f'data.fit={config.data.fit!r} is unknown; there are {listing(FITS)}.')
  if word not in WITH_FILES:
    _check_no_files(config)
  module, _, function = sources[word].partition(':')
  dataset = getattr(importlib.import_module(f'{__name__}.sources.{module}'), function)(config)
  if config.data.normal:
    dataset = normal(dataset, config.data.normal, config.attributes)
  if config.data.held_out:
    classes = max(map(len, config.attributes.values()), default=0)
    dataset = held_out(dataset, config.data.held_out, classes)
  if config.data.class_counts:
    dataset = thinned(dataset, config.data.class_counts)
  if kind is Pair and config.data.direction == 'b_to_a':
    dataset = exchanged(dataset)
  _check_shape(dataset, config)
  if config.data.limit:
    dataset = limited(dataset, config.data.limit)
  if config.data.labels_per_class:
    dataset = forgotten(dataset, config.data.labels_per_class, config.seed)
  if config.data.labelled_repeats != 1:
    dataset = repeated(dataset, config.data.labelled_repeats)
  if config.data.center_crop:
    dataset = cropped(dataset, image_shape(config))
  return mirrored(dataset) if config.data.mirror else dataset


def _check_no_files(config: ConfigDict):
  """Raises UserError where fields about files are set, and the source reads none."""
  source, path, values = config.data.source, config.data.path, tuple(config.data.range)
  if path:
    raise UserError(
      f'data.path={path!r} is not read by data.source={source!r}, which makes its own examples: say '
      'data.source=folder for your own images (--config.data.source=folder), or data.path= (nothing).'
    )
  if values:
    raise UserError(
      f'data.range={values}: data.source={source!r} makes its own pictures, of 8 bits; a range is for '
      f'files ({listing(WITH_FILES)}).'
    )


def _check_shape(dataset: Dataset, config: ConfigDict):
  """Raises UserError where a source gives points and the run wants images, or the reverse."""
  first, size = dataset.train[0], config.vector_size
  given = first.shape[-1] if isinstance(first, np.ndarray) else 0
  if given != size:
    told = f'points of {given} numbers' if given else 'images'
    wanted = f'points of {size} numbers (vector_size={size})' if size else 'images (vector_size=0)'
    raise UserError(
      f'data.source={config.data.source!r} gives {told}, and the config asks for {wanted}: change one '
      'of them.'
    )
