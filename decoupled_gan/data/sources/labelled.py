"""Labelled images from disk: tables of labels, a folder for each class, and UTKFace's file names.

In data.path (a folder, or a zip that is read in place) lies either `attributes.csv`, a table with a
column `file` (paths relative to data.path) and one for each attribute, others are not looked at; or
`dataset.json`, as StyleGAN2's tools write it; or a folder for each value of the one attribute, by its
name or number. A cell is the name of a value, as config.attributes has it, or its number from 0. See
data/label_files.py.

Which images are for testing: what a column `split` says; else those below test/ (or val/, where there is
no test/), and all others are for training; else one image in ten, chosen by its name.

UTKFace (Zhang et al., CVPR 2017): [age]_[gender]_[race]_[date].jpg, 0 is male and 1 female; values of
`age` are ranges, such as '21-30' or '71+', or () for the age itself.
"""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from decoupled_gan.core.types import Examples
from decoupled_gan.data.dataset import Dataset
from decoupled_gan.data.files import FileImages, left_out, verify
from decoupled_gan.data.label_files import (
  JSON,
  TABLE,
  Attributes,
  Labels,
  dtype_of,
  number_of,
  read_json,
  read_table,
)
from decoupled_gan.data.sources.folder import contents, existing_folder, images_below
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine.archive import Member

HELD_OUT = ('test', 'val')


def load(config) -> Dataset:
  """The labelled images of config.data.path.

  Raises:
    UserError: no such folder, nothing that labels its images; an attribute that is not there; a label
      that is no value of its attribute; a file that is not there or cannot be used; a value that no
      image has.
  """
  root = existing_folder(config, f'{TABLE}, {JSON} or a folder for each class')
  attributes = sorted_attributes(config)
  if (root / TABLE).is_file():
    found = read_table(root / TABLE, root, attributes)
  elif (root / JSON).is_file():
    found = read_json(root / JSON, root, attributes)
  else:
    found = _classes(root, attributes, config)
  return _dataset(f'folder {config.data.path}', root, found, config)


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
  for name, values in attributes.items():
    if not values and name != 'age':
      raise UserError(
        f'attributes.{name}=(): {name} is no quantity in UTKFace, age is; give the names of its values.'
      )
  images = images_below(root, config)
  labels = {name: _utkface_labels(name, attributes) for name in images.names}
  names = tuple(name for name in images.names if labels[name] is not None)
  odd = [name for name in images.names if labels[name] is None]
  if len(odd) > len(names) / 10 or not names:
    raise UserError(
      f'{len(odd)} of {len(images)} images below {str(root)!r} are not named as UTKFace names them '
      f'(age_gender_race_date.jpg, with ages and genders of config.attributes): {listing(odd)}.'
    )
  notes = (*left_out(images), *((f'left out, for their names: {listing(odd)}',) if odd else ()))
  table = np.array([labels[name] for name in names], dtype_of(attributes))
  found = Labels(names, table, notes=notes)
  return _dataset(f'UTKFace {config.data.path}', root, found, config)


def sorted_attributes(config) -> dict[str, tuple[str, ...]]:
  """{attribute: names of its values}, in the order of the labels' columns."""
  return {name: tuple(config.attributes[name]) for name in sorted(config.attributes)}


def one_in_ten(name: str) -> bool:
  """Whether an image is for testing, by a hash of its file name."""
  digest = hashlib.sha256(name.rpartition('/')[2].encode(errors='surrogateescape')).digest()
  return int.from_bytes(digest[:8]) % 10 == 0


def _classes(root: Path | Member, attributes: Attributes, config) -> Labels:
  """Labels by folder: <class>/..., or <train or test>/<class>/... ."""
  images = images_below(root, config)
  (name, values), *others = attributes.items()
  folders = [_class_of(path) for path in images.names]
  if others or not values or '' in folders or len({*folders}) < 2:
    raise UserError(
      f'{root} has no {TABLE} (it has to list the images and their labels), no {JSON}, and no folder '
      f'for each value of one attribute: there are {contents(root)}, and config.attributes asks for '
      f'{listing(attributes)}.'
    )
  where = f'{root}, a folder for each class: '
  number = {folder: number_of(folder, name, values, where) for folder in sorted({*folders})}
  table = np.array([[number[folder]] for folder in folders], dtype_of(attributes))
  return Labels(tuple(images.names), table, notes=left_out(images))


def _class_of(path: str) -> str:
  """The folder that says which class an image is of; '' if there is none."""
  folders = path.split('/')[:-1]
  if folders and folders[0].lower() in ('train', *HELD_OUT):
    folders = folders[1:]
  return folders[0] if folders else ''


def _utkface_labels(name: str, attributes: Attributes) -> list[int] | None:
  parts = name.rpartition('/')[2].split('_')
  try:
    return [UTKFACE[a](parts, values) for a, values in attributes.items()]
  except (ValueError, IndexError):
    return None


def _age(parts: list[str], values: Sequence[str]) -> int:
  age = int(parts[0])
  if not values:
    return age
  for number, value in enumerate(values):
    low, _, high = value.rstrip('+').partition('-')
    if int(low) <= age <= (int(high) if high else age):
      return number
  raise ValueError(f'no range for age {age}')


def _number(position: int) -> Callable:
  return lambda parts, values: range(len(values)).index(int(parts[position]))


UTKFACE = {'age': _age, 'gender': _number(1), 'race': _number(2)}


def _split(root: Path | Member, found: Labels) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
  """(which are for training, which for testing, notes)."""
  if found.splits:
    tests = next((word for word in HELD_OUT if word in found.splits), '')
    train, test = (np.array([x == word for x in found.splits], bool) for word in ('train', tests))
    unused = len(found.names) - train.sum() - test.sum()
    told = f'; {unused} images of val are not used' if unused else ''
    return train, test, (f'for testing: what the column split says{told}',)
  words = _held_out(found.names)
  chosen = next((word for word in HELD_OUT if word in words), '')
  if not chosen:
    notes = ['for testing: one image in ten, chosen by its name']
    beside = [word for word in HELD_OUT if len(FileImages.below(root / word))]
    if beside:
      notes.append(f'there is a folder {beside[0]}/ with images, and no label names any of them')
    test = np.array([one_in_ten(name) for name in found.names], bool)
    return ~test, test, tuple(notes)
  test, train = (np.array([word == x for word in words], bool) for x in (chosen, ''))
  unused = len(words) - test.sum() - train.sum()
  told = f'; {unused} images of val/ are not used' if unused else ''
  return train, test, (f'for testing: the images of {chosen}/{told}',)


def _held_out(names: Sequence[str]) -> list[str]:
  """The word of HELD_OUT that each image's first folder is, below what all have in common; else ''."""
  folders = [name.lower().split('/')[:-1] for name in names]
  depth = 0  # how many folders all have in common, none of which says what is for what
  for level in itertools.zip_longest(*folders):
    if len(set(level)) > 1 or level[0] in ('train', *HELD_OUT):
      break
    depth += 1
  first = [(*parts[depth:], '')[0] for parts in folders]
  return [word if word in HELD_OUT else '' for word in first]


def _same_files(root: Path | Member, train: Sequence[str], test: Sequence[str]) -> set[str]:
  """Those of `train` that are files of `test` under another name, by a link."""
  if isinstance(root, Member):
    return set()

  def number(name):
    found = (root / name).stat()
    return found.st_dev, found.st_ino

  held_out = {number(name) for name in test}
  return {name for name in train if number(name) in held_out}


def _dataset(name, root, found: Labels, config) -> Dataset:
  """Splits, and checks that there is an image of each value."""
  for_training, for_testing, notes = _split(root, found)
  names = np.array(found.names, object)
  if linked := _same_files(root, names[for_training], names[for_testing]):
    for_training &= np.array([name not in linked for name in names], bool)
    notes += (f'not trained on, for they are test images under another name: {listing(sorted(linked))}',)
  notes = (*notes, *found.notes)

  def part(chosen) -> Examples:
    images = FileImages(root, tuple(names[chosen]), config.image_channels, tuple(config.data.range))
    return Examples(images, found.values[chosen])

  train, test = part(for_training), part(for_testing)
  for column, (attribute, values) in enumerate(sorted_attributes(config).items()):
    if not values:
      continue
    counts = np.bincount(train.labels[:, column].astype(int), minlength=len(values))
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
  notes += verify([*train.x.paths, *test.x.paths], config.image_size, config.data.range)
  return Dataset(name, train, test, notes=notes)
