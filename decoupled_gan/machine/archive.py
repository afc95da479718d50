"""Zip files read in place, as folders are: random access, from several threads at once.

A `Member` is to an archive what a `pathlib.Path` is to a disk, as far as images are looked for and read.
"""

import io
import posixpath
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from decoupled_gan.errors import UserError

IGNORED = '__MACOSX'  # what macOS adds to its archives


class Archive:
  """The files of a zip, by their names with '/' between parts.

  Raises UserError where there is no zip, or none that can be read without a password.
  """

  def __init__(self, path: Path):
    self.path = path
    self._lock = threading.Lock()  # a ZipFile counts its open members without one
    try:
      self._zip = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
      reason = getattr(error, 'strerror', None) or error
      raise UserError(f'{path} cannot be read as a zip file ({reason}).') from error
    infos = {_normal(i.filename): i for i in self._zip.infolist() if not i.is_dir()}
    self.infos = {name: i for name, i in infos.items() if not name.startswith(IGNORED) and name != '.'}
    if any(info.flag_bits & 1 for info in self.infos.values()):
      raise UserError(f'{path} is encrypted: make one without a password.')
    self.children: dict[str, dict[str, bool]] = {'': {}}  # {folder: {entry: whether it is a folder}}
    for name in self.infos:
      parent, _, entry = name.rpartition('/')
      self.children.setdefault(parent, {})[entry] = False
      while parent:
        above, _, entry = parent.rpartition('/')
        self.children.setdefault(above, {})[entry] = True
        parent = above

  def read(self, name: str, count: int = -1) -> bytes:
    """The first `count` bytes of a file, all if -1; raises OSError if they are damaged."""
    try:
      with self._lock, self._zip.open(self.infos[name]) as file:
        return file.read(count)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError) as error:
      raise OSError(f'damaged in the archive: {error}') from error


@dataclass(frozen=True)
class Member:
  """A file or a folder of an archive; the name '' is the archive itself."""

  archive: Archive
  path: str = ''

  def __truediv__(self, name: str) -> 'Member':
    path = posixpath.normpath(posixpath.join(self.path, name))
    return Member(self.archive, '' if path == '.' else path)

  def __str__(self) -> str:
    return str(PurePosixPath(str(self.archive.path), self.path))

  @property
  def name(self) -> str:
    return self.path.rpartition('/')[2]

  def is_dir(self) -> bool:
    return self.path in self.archive.children

  def is_file(self) -> bool:
    return self.path in self.archive.infos

  def iterdir(self) -> Iterator['Member']:
    return (self / name for name in sorted(self.archive.children.get(self.path, {})))

  def files(self) -> Iterator[str]:
    """The names of all files below, relative to this folder."""
    head = f'{self.path}/' if self.path else ''
    return (name.removeprefix(head) for name in self.archive.infos if name.startswith(head))

  def read_bytes(self) -> bytes:
    return self.archive.read(self.path)

  def open(self, mode: str = 'rb') -> io.BytesIO:
    return io.BytesIO(self.read_bytes())

  def descended(self, stay: tuple[str, ...]) -> 'Member':
    """The first folder that is more than the wrapper of another; words of `stay` are no wrappers."""
    entries = self.archive.children.get(self.path, {})
    if len(entries) == 1 and all(entries.values()) and not set(entries) & set(stay):
      return (self / next(iter(entries))).descended(stay)
    return self


def _normal(name: str) -> str:
  """A member's name as written anywhere: some Windows programs write backslashes."""
  return posixpath.normpath(name.replace('\\', '/')).lstrip('/')
