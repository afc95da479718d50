"""Labelled images from disk: a folder with a table of attributes, and UTKFace's file names.

The table is `attributes.csv` in data.path: a column `file` with paths relative to data.path, and a
column for each attribute (others are not looked at). A cell is the name of a value, as
config.attributes has it, or its number from 0. Images below test/ are for testing and all others for
training; if there is no test/, one image in ten is for testing, chosen by its name.

UTKFace (Zhang et al., CVPR 2017): [age]_[gender]_[race]_[date].jpg, 0 is male and 1 female; values of
`age` are ranges, such as '21-30' or '71+'.
"""

import csv
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from decoupled_gan.core.types import Examples
from decoupled_gan.data.dataset import Dataset
from decoupled_gan.data.sources.folder import FileImages, existing_folder, verify
from decoupled_gan.errors import UserError, listing

TABLE = 'attributes.csv'
Attributes = Mapping[str, Sequence[str]]


def load(config) -> Dataset:
  """The images that config.data.path/attributes.csv names.

  Raises:
    UserError: no such folder or table; an attribute that it has no column of; a cell that is no value
      of its attribute; a file that is not there or cannot be used; a value that no image has.
  """
  root = existing_folder(config, f'{TABLE} and the images that it names')
  attributes = sorted_attributes(config)
  names, labels = _read_table(root / TABLE, attributes)
  missing = [name for name in names if not (root / name).is_file()]
  if missing:
    raise UserError(f'{root / TABLE} names files that are not there: {listing(missing)}.')
  by_folder = any(name.startswith('test/') for name in names)
  is_test = (lambda name: name.startswith('test/')) if by_folder else one_in_ten
  return _dataset(f'folder {config.data.path}', root, names, labels, is_test, config)


def load_utkface(config) -> Dataset:
  """The faces below config.data.path, labelled by their names; one in ten is for testing.

  Raises:
    UserError: no such folder; an attribute other than age, gender and race; names of another pattern
      (a few are left out: UTKFace itself has some); a value that no face has.
  """
  root = existing_folder(config, 'the faces of UTKFace')
  attributes = sorted_attributes(config)
  unknown = attributes.keys() - UTKFACE.keys()
  if unknown:
    raise UserError(f'UTKFace has no attribute {listing(unknown)}; it has {listing(UTKFACE)}.')
  found = FileImages.below(root).names
  labels = {name: _utkface_labels(name, attributes) for name in found}
  names = [name for name in found if labels[name] is not None]
  odd = [name for name in found if labels[name] is None]
  if len(odd) > len(names) / 10 or not names:
    raise UserError(
      f'{len(odd)} of {len(found)} images below {str(root)!r} are not named as UTKFace names them '
      f'(age_gender_race_date.jpg, with ages and genders of config.attributes): {listing(odd)}.'
    )
  notes = (f'left out, for their names: {listing(odd)}',) if odd else ()
  table = np.array([labels[name] for name in names], np.int32)
  return _dataset(f'UTKFace {config.data.path}', root, names, table, one_in_ten, config, notes)


def sorted_attributes(config) -> dict[str, tuple[str, ...]]:
  """{attribute: names of its values}, in the order of the labels' columns."""
  return {name: tuple(config.attributes[name]) for name in sorted(config.attributes)}


def number_of(value: str, attribute: str, values: Sequence[str], where: str = '') -> int:
  """The number of a value, given by its name or by the number itself; `where` begins the error."""
  if value in values:
    return list(values).index(value)
  if value.isdecimal() and int(value) < len(values):
    return int(value)
  raise UserError(
    f'{where}{attribute}={value!r} is out of range: its values are {listing(values)}, or their '
    f'numbers 0 to {len(values) - 1}.'
  )


def one_in_ten(name: str) -> bool:
  """Whether an image is for testing, by a hash of its file name."""
  digest = hashlib.sha256(name.rpartition('/')[2].encode()).digest()
  return int.from_bytes(digest[:8]) % 10 == 0


def _read_table(path: Path, attributes: Attributes) -> tuple[list[str], np.ndarray]:
  try:
    with path.open(newline='', encoding='utf-8-sig') as file:
      rows = list(csv.DictReader(file))
      columns = list(rows[0]) if rows else []
  except OSError as error:
    raise UserError(f'{path} cannot be read ({error.strerror}): it has to list the images.') from None
  for name in ('file', *attributes):
    if name not in columns:
      asked = 'column' if name == 'file' else 'attribute'
      raise UserError(f'{path} has no {asked} {name!r}; its columns are {listing(columns)}.')
  labels = [
    [number_of(row[a] or '', a, values, f'{path}, line {i}: ') for a, values in attributes.items()]
    for i, row in enumerate(rows, 2)
  ]
  return [row['file'] for row in rows], np.array(labels, np.int32)


def _utkface_labels(name: str, attributes: Attributes) -> list[int] | None:
  parts = name.rpartition('/')[2].split('_')
  try:
    return [UTKFACE[a](parts, values) for a, values in attributes.items()]
  except (ValueError, IndexError):
    return None


def _age(parts: list[str], values: Sequence[str]) -> int:
  age = int(parts[0])
  for number, value in enumerate(values):
    low, _, high = value.rstrip('+').partition('-')
    if int(low) <= age <= (int(high) if high else age):
      return number
  raise ValueError(f'no range for age {age}')


def _number(position: int) -> Callable:
  return lambda parts, values: range(len(values)).index(int(parts[position]))


UTKFACE = {'age': _age, 'gender': _number(1), 'race': _number(2)}


def _dataset(name, root, names, labels, is_test, config, notes=()) -> Dataset:
  """Splits, and checks that there is an image of each value."""
  test = np.array([is_test(name) for name in names], bool)

  def split(chosen) -> Examples:
    files = [name for name, wanted in zip(names, chosen, strict=True) if wanted]
    return Examples(FileImages(root, tuple(files), config.image_channels), labels[chosen])

  train, test = split(~test), split(test)
  for column, (attribute, values) in enumerate(sorted_attributes(config).items()):
    counts = np.bincount(train.labels[:, column], minlength=len(values))
    empty = [value for value, count in zip(values, counts, strict=True) if not count]
    if empty:
      raise UserError(
        f'no training image has {attribute}={listing(empty)}: nothing can be learnt of it, so leave '
        f'the value out of config.attributes.{attribute}.'
      )
    told = (f'{value} {count:,}' for value, count in zip(values, counts, strict=True))
    notes += (f'{attribute}: {", ".join(told)}',)
  if not len(test.labels):
    test, notes = train, (*notes, 'no test images: those for training stand in')
  verify([*train.x.paths, *test.x.paths], config.image_size)
  return Dataset(name, train, test, notes=notes)
