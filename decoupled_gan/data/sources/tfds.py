"""Sets of tensorflow_datasets by name: `tfds:cycle_gan/horse2zebra`, `tfds:cifar10`.

Any dataset with one image feature fits: with the splits trainA and trainB (testA, testB) as two unpaired
domains, with the split train (and test) as images, told by `config.attributes.<feature>` as labelled
ones: a feature of classes is an attribute, and its values go by their names or numbers. It is
read by random access, without TensorFlow, from files in the array_record format. Only preparing it,
once, needs TensorFlow (the extra `tf`). config.data.path is the data_dir, '' the one of tfds; an
archive that was fetched by hand goes to <data_dir>/downloads/manual.
"""

import dataclasses
import difflib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from decoupled_gan.core.types import Examples, Pair
from decoupled_gan.data.dataset import Dataset
from decoupled_gan.data.decode import decode
from decoupled_gan.data.files import check_values
from decoupled_gan.errors import UserError, how_to_install, installed, listing
from decoupled_gan.machine import paths

_TRAIN, _TEST = Pair('trainA', 'trainB'), Pair('testA', 'testB')


@dataclass(frozen=True, eq=False)
class TfdsImages:
  """One split, its images decoded here, so that all sources treat odd ones alike."""

  source: Any
  feature: str
  split: str
  channels: int = 3
  values: tuple = ()

  @cached_property
  def names(self) -> list[str]:
    return [f'{self.split}_{index:06d}' for index in range(len(self))]

  def __len__(self) -> int:
    return len(self.source)

  def __getitem__(self, index: int) -> np.ndarray:
    content = io.BytesIO(self.source[index][self.feature])
    return decode(content, self.channels, f'{self.split}/{index}', self.values)


def load(config) -> Dataset:
  """The dataset named after 'tfds:' in config.data.source, prepared when it is not yet.

  Raises:
    UserError: no such dataset or config of it, no TensorFlow to prepare it with, a download that
      failed, splits that are not trainA and trainB, no single image feature, or files of a format
      without random access.
  """
  name = _name(config, 'cycle_gan/horse2zebra')
  builder = _prepared(name, config)
  splits = set(builder.info.splits)
  if not set(_TRAIN) <= splits:
    raise UserError(
      f'tfds:{name} has the splits {listing(sorted(splits))}, but two unpaired domains need trainA '
      'and trainB: choose another dataset, e.g. tfds:cycle_gan/horse2zebra'
    )
  feature, values = _image_feature(builder, name), check_values(config.data.range)

  def images(split):
    source = _source(builder, split, feature, name)
    return TfdsImages(source, feature, split, config.image_channels, values)

  missing = [split for split in _TEST if split not in splits]
  test = [split if split in splits else f'train{split[-1]}' for split in _TEST]
  return Dataset(
    name=f'tfds:{name}',
    domains=Pair('A', 'B'),
    train=Pair(*map(images, _TRAIN)),
    test=Pair(*map(images, test)),
    notes=tuple(
      f'no split {split}: train{split[-1]} stands in, so scores on it prove nothing'
      for split in missing
    ),
  )


def load_plain(config) -> Dataset:
  """The splits train and test (or train again) of the dataset named after 'tfds:'.

  Raises:
    UserError: as `load`, but no split train.
  """
  name = _name(config, 'celeb_a')
  builder = _prepared(name, config)
  splits = set(builder.info.splits)
  if 'train' not in splits:
    raise UserError(
      f'tfds:{name} has the splits {listing(sorted(splits))}, but its images are taken from the split '
      'train: choose another dataset'
    )
  feature, values = _image_feature(builder, name), check_values(config.data.range)

  def images(split):
    source = _source(builder, split, feature, name)
    return Examples(TfdsImages(source, feature, split, config.image_channels, values))

  test = 'test' if 'test' in splits else 'train'
  notes = () if test == 'test' else ('no split test: train stands in',)
  return Dataset(f'tfds:{name}', images('train'), images(test), notes=notes)


def load_labelled(config) -> Dataset:
  """The same with labels: each of config.attributes is one of the dataset's features of classes.

  Raises:
    UserError: as `load_plain`; an attribute that is no such feature, or does not have its classes.
  """
  plain, name = load_plain(config), _name(config, 'cifar10')
  builder = _prepared(name, config)
  tables = {
    attribute: _classes(builder, name, attribute, tuple(config.attributes[attribute]))
    for attribute in sorted(config.attributes)
  }
  train, test = (Examples(images.x, _labels(images.x, tables)) for images in (plain.train, plain.test))
  return dataclasses.replace(plain, train=train, test=test)


def _classes(builder, name: str, attribute: str, values: tuple[str, ...]) -> np.ndarray:
  """[class] -> the number of the attribute's value."""
  import tensorflow_datasets as tfds

  known = {
    key: value.names
    for key, value in builder.info.features.items()
    if isinstance(value, tfds.features.ClassLabel)
  }
  if attribute not in known:
    raise UserError(
      f'attributes.{attribute}: tfds:{name} has no classes of that name; it has {listing(known)}.'
    )
  names, numbers = known[attribute], tuple(map(str, range(len(known[attribute]))))
  if sorted(values) not in (sorted(names), sorted(numbers)):
    raise UserError(
      f'attributes.{attribute}={values}: tfds:{name} has the classes {listing(names, 12)}; name them '
      f'all, or their numbers 0 to {len(names) - 1}.'
    )
  by = names if sorted(values) == sorted(names) else numbers
  return np.array([values.index(value) for value in by], np.int32)


def _labels(images: TfdsImages, tables: Mapping[str, np.ndarray]) -> np.ndarray:
  """Labels int32 [N, K] of a split; its images are not decoded."""
  rows = (images.source[i] for i in range(len(images)))
  return np.array([[table[row[name]] for name, table in tables.items()] for row in rows], np.int32)


def _name(config, example: str) -> str:
  name = config.data.source.partition(':')[2]
  if not name:
    raise UserError(f"data.source='tfds' needs a dataset's name after a colon, e.g. tfds:{example}")
  return name


def _prepared(name: str, config):
  """A builder whose files exist."""
  data_dir = str(paths.at_home(config.data.path)) if config.data.path else None
  builder = _builder(name, data_dir)
  if builder.is_prepared():
    return builder
  if not installed('tensorflow'):
    raise UserError(
      f'tfds:{name} is not prepared in {str(builder.data_path)!r}, and preparing it needs '
      f'TensorFlow: {how_to_install("tf")}'
    )
  builder = _builder(name, data_dir, file_format='array_record')
  try:
    builder.download_and_prepare()
  # Networks, disks, checksums, archives: tfds lets all their errors through as they are.
  except Exception as error:
    raise UserError(
      f'tfds:{name} could not be prepared ({_first_line(error)}): check the network and the disk, '
      f'or put its archive into {str(builder.data_dir_root / "downloads" / "manual")!r}'
    ) from error
  return builder


def _builder(name: str, data_dir: str | None, **options):
  import tensorflow_datasets as tfds  # seconds of imports that no other source should pay for

  try:
    return tfds.builder(name, data_dir=data_dir, **options)
  except (tfds.core.DatasetNotFoundError, ValueError) as error:
    word, _, variant = name.partition('/')
    known = tfds.list_builders(with_community_datasets=False)
    if word in known:
      configs = [config.name for config in tfds.builder_cls(word).BUILDER_CONFIGS]
      if variant not in configs:
        raise UserError(
          f'tfds:{name} does not exist: {word} has the configs {listing(configs)}'
        ) from error
      raise UserError(f'tfds:{name} cannot be opened ({_first_line(error)})') from error
    close = difflib.get_close_matches(word, known, n=3) or ['cycle_gan']
    raise UserError(
      f'tfds:{name} is neither among the datasets of tensorflow_datasets nor prepared in '
      f'data.path={data_dir or ""!r}: did you mean {" or ".join(close)}?'
    ) from error


def _image_feature(builder, name: str) -> str:
  import tensorflow_datasets as tfds

  features = builder.info.features
  found = [key for key, value in features.items() if isinstance(value, tfds.features.Image)]
  if len(found) == 1:
    return found[0]
  raise UserError(
    f'tfds:{name} has {len(found)} image features among {listing(features)}, but one is needed: '
    'choose another dataset, e.g. tfds:cycle_gan/horse2zebra'
  )


def _source(builder, split: str, feature: str, name: str):
  import tensorflow_datasets as tfds

  try:
    return builder.as_data_source(split, decoders={feature: tfds.decode.SkipDecoding()})
  except NotImplementedError as error:
    raise UserError(
      f'tfds:{name} was prepared in {str(builder.data_path)!r} in a format without random access: '
      'give another data.path, and it is prepared there as array_record'
    ) from error


def _first_line(error: Exception) -> str:
  return (str(error) or type(error).__name__).splitlines()[0]
