"""Files that say which image has which labels: `attributes.csv`, and StyleGAN2's `dataset.json`.

A table is read as spreadsheets write it: UTF-8 or UTF-16 with a mark at its beginning, else UTF-8; cells
are separated by commas, semicolons or tabs; heads are compared without case and blanks. Whatever is
wrong with a line is told with file and line.

A path in such a file may be spelled as its writer liked (./a.png, a//b.png, a\\b.png, a/../b.png): it
means the file, and the folder that it lies in says whether it is for testing.
"""

import csv
import io
import json
import posixpath
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine.archive import Member

TABLE, JSON = 'attributes.csv', 'dataset.json'
SEPARATORS = ',;\t'
_MARKS = ((b'\xef\xbb\xbf', 'utf-8'), (b'\xff\xfe', 'utf-16-le'), (b'\xfe\xff', 'utf-16-be'))
Attributes = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Labels:
  """Images with their labels, as a file lists them.

  Attributes:
    names: relative paths, normalised, each once.
    values: [N, K] int32, or float32 where an attribute is a quantity.
    splits: 'train', 'test' or 'val' of each image, where the file has a column `split`.
    notes: what a reader of the start-up print should know.
  """

  names: tuple[str, ...]
  values: np.ndarray
  splits: tuple[str, ...] = ()
  notes: tuple[str, ...] = ()


def read_table(path: Path | Member, root: Path | Member, attributes: Attributes) -> Labels:
  """The rows of a table with a column `file`, one for each attribute, and maybe `split`.

  Raises:
    UserError: the table cannot be read, or lacks a column; a line is malformed; a file is not there, or
      is listed twice with different labels.
  """
  head, rows = _rows(path)
  columns = {_plain(title): i for i, title in reversed(list(enumerate(head)))}
  for name in ('file', *attributes):
    if _plain(name) not in columns:
      asked = 'column' if name == 'file' else 'attribute'
      raise UserError(f'{path} has no {asked} {name!r}; its columns are {listing(head)}.')
  twice = [title for title, count in Counter(map(_plain, head)).items() if count > 1 and title]
  if twice := [title for title in twice if title in ('file', 'split', *map(_plain, attributes))]:
    raise UserError(f'{path} has the column {twice[0]!r} twice: which one counts?')
  split = None if 'split' in map(_plain, attributes) else columns.get('split')
  entries = []
  for line, cells in rows:
    where = f'{path}, line {line}: '
    values = [_value(cells[columns[_plain(a)]], a, v, where) for a, v in attributes.items()]
    part = '' if split is None else _split(cells[split], where)
    entries.append((f'line {line}', cells[columns['file']], values, part))
  return _labels(path, root, entries, attributes)


def read_json(path: Path | Member, root: Path | Member, attributes: Attributes) -> Labels:
  """`{"labels": [["00000/img00000000.png", 6], ...]}`: a number, or a list of numbers, for each image.

  A number is that of a value of the one attribute, from 0; a list is either one of them as ones and
  zeros, or one number for each attribute, in sorted order.

  Raises: as `read_table`.
  """
  try:
    content = json.loads(_text(path))
    found = content['labels']
  except (ValueError, TypeError, KeyError, RecursionError) as error:
    raise UserError(
      f'{path} is no file of labels ({{"labels": [[file, label], ...]}}): {error}.'
    ) from None
  if found is None:
    raise UserError(f'{path} has no labels (they are null), and config.attributes asks for some.')
  entries = []
  for number, entry in enumerate(found):
    where = f'{path}, label {number}: '
    if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
      raise UserError(f'{where}{str(entry)[:60]!r} is not [file, label].')
    entries.append((f'label {number}', entry[0], _json_values(entry[1], attributes, where), ''))
  return _labels(path, root, entries, attributes)


def number_of(value: str, attribute: str, values: Sequence[str], where: str = '') -> int:
  """The number of a value, given by its name or by the number itself; `where` begins the error."""
  if value in values:
    return list(values).index(value)
  if value.isdecimal() and len(value) < 10 and int(value) < len(values):
    return int(value)
  raise UserError(
    f'{where}{attribute}={value!r} is out of range: its values are {listing(values)}, or their '
    f'numbers 0 to {len(values) - 1}.'
  )


def dtype_of(attributes: Attributes) -> type:
  """Of an array of labels: float32 where one of them is a quantity."""
  return np.int32 if all(map(len, attributes.values())) else np.float32


def located(name: str, root: Path | Member) -> str:
  """A path as a label file spells it, as the path of a file below `root`; as it is if there is none."""
  spellings = dict.fromkeys((name, name.replace('\\', '/')))
  for spelling in spellings:
    for form in ('NFC', 'NFD', None):
      path = unicodedata.normalize(form, spelling) if form else spelling
      if isinstance(root, Path) and posixpath.isabs(path):
        path = posixpath.relpath(path, root.absolute())
      path = posixpath.normpath(path)
      if (root / path).is_file():
        return path
  return posixpath.normpath(list(spellings)[-1])


def _labels(path, root, entries, attributes: Attributes) -> Labels:
  """What all kinds of files have in common: paths that are found, each once."""
  known: dict[str, tuple] = {}
  missing, again = [], 0
  if not entries:
    raise UserError(f'{path} lists no images: each has a line, with its file and its labels.')
  for place, spelled, values, split in entries:
    if not spelled.strip():
      raise UserError(f'{path}, {place}: names no file.')
    name = located(spelled.strip(), root)
    if not (root / name).is_file():
      missing.append((spelled, place))
      continue
    earlier = known.setdefault(name, (place, values, split))
    if earlier[0] != place:
      again += 1
      if earlier[1:] != (values, split):
        raise UserError(f'{path} has {name} twice with different labels: {earlier[0]} and {place}.')
  if missing:
    hint = ' (their backslashes are read as slashes)' if any('\\' in x for x, _ in missing) else ''
    named = listing([f'{spelled} ({place})' for spelled, place in missing])
    raise UserError(f'{path} names files that are not there{hint}: {named}.')
  notes = (f'{path.name} names {again} files again: each counts once',) if again else ()
  return Labels(
    tuple(known),
    np.array([values for _, values, _ in known.values()], dtype_of(attributes)).reshape(
      len(known), len(attributes)
    ),
    tuple(split for *_, split in known.values()) if any(x[2] for x in known.values()) else (),
    notes,
  )


def _rows(path: Path | Member) -> tuple[list[str], list[tuple[int, list[str]]]]:
  """(header, [(line, cells)]) of a table, blanks around cells removed; empty lines are left out."""
  text = _text(path)
  first = text.partition('\n')[0]
  separator = max(SEPARATORS, key=first.count) if text else ','
  reader = csv.reader(io.StringIO(text, newline=''), delimiter=separator, skipinitialspace=True)
  rows = []
  try:
    csv.field_size_limit(2**31 - 1)
    for cells in reader:
      if any(cell.strip() for cell in cells):
        rows.append((reader.line_num, [cell.strip() for cell in cells]))
  except csv.Error as error:
    raise UserError(f'{path}, line {reader.line_num}: {error}.') from None
  if not rows:
    raise UserError(f'{path} is empty: its first line names the columns, file and the attributes.')
  (_, head), *rows = rows
  for line, cells in rows:
    if len(cells) < len(head) or any(cells[len(head) :]):
      raise UserError(f'{path}, line {line}: its header has {len(head)} cells, this line {len(cells)}.')
  return head, rows


def _text(path: Path | Member) -> str:
  try:
    content = path.read_bytes()
  except OSError as error:
    reason = error.strerror or error
    raise UserError(f'{path} cannot be read ({reason}): it has to list the images.') from None
  encoding = next((name for mark, name in _MARKS if content.startswith(mark)), 'utf-8')
  try:
    return content.decode(encoding).removeprefix('\ufeff')
  except UnicodeDecodeError as error:
    line = content[: error.start].count(b'\n') + 1
    raise UserError(f'{path}, line {line}: is not UTF-8; save the file as UTF-8.') from None


def _plain(title: str) -> str:
  return title.strip().casefold()


def _value(cell: str, attribute: str, values: Sequence[str], where: str) -> float:
  if len(values):
    return number_of(cell, attribute, values, where)
  return _number(cell, attribute, where)


def _number(value, attribute: str, where: str) -> float:
  try:
    number = float(value)
  except (TypeError, ValueError):
    number = np.nan
  if not np.isfinite(number):
    raise UserError(f'{where}{attribute}={value!r} is no number, and {attribute} is a quantity.')
  return number


def _split(cell: str, where: str) -> str:
  words = {'train': 'train', 'test': 'test', 'val': 'val', 'valid': 'val', 'validation': 'val'}
  if _plain(cell) not in words:
    raise UserError(f'{where}split={cell!r} is unknown; there are train, test and val.')
  return words[_plain(cell)]


def _json_values(label, attributes: Attributes, where: str) -> list[float]:
  given = label if isinstance(label, list) else [label]
  if not all(isinstance(x, int | float) and not isinstance(x, bool) for x in given):
    raise UserError(f'{where}{str(label)[:60]!r} is no number and no list of numbers.')
  names, sizes = list(attributes), [len(values) for values in attributes.values()]
  one_hot = len(given) > 1 and len(names) == 1 and sizes[0] == len(given)
  if one_hot and sorted(given) == [0] * (len(given) - 1) + [1]:
    return [given.index(1)]
  if len(given) != len(names):
    raise UserError(
      f'{where}has {len(given)} numbers, and config.attributes names {len(names)}: {listing(names)}.'
    )
  return [
    number_of(str(int(x)) if x == int(x) else str(x), name, values, where) if len(values) else float(x)
    for x, (name, values) in zip(given, attributes.items(), strict=True)
  ]
