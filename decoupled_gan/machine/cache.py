"""Arrays that are built once and kept: below $DECOUPLED_GAN_CACHE, else $XDG_CACHE_HOME/decoupled_gan,
else ~/.cache/decoupled_gan, one .npz a set."""

import os
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from absl import logging

from decoupled_gan.errors import UserError
from decoupled_gan.machine import paths


def cache_dir() -> Path:
  """The folder of the built sets; it need not exist."""
  own = os.environ.get('DECOUPLED_GAN_CACHE')
  if own:
    return paths.at_home(own)
  users = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
  return paths.at_home(users) / 'decoupled_gan'


def cached(name: str, version: int, build: Callable[[], Mapping[str, np.ndarray]]):
  """The arrays of a built-in set, built on first use.

  Args:
    name: of the set.
    version: of what `build` makes; raise it when that changes.
    build: gives the arrays.

  Returns:
    An open `np.lib.npyio.NpzFile`, a context manager that reads an array when it is asked for.

  Raises:
    UserError: the cache cannot be written or read; whatever `build` raises.
  """
  path = cache_dir() / f'{name}-v{version}.npz'
  if not path.exists():
    logging.info('building %s once, into %s', name, path)
    arrays = build()
    with writable(path.parent):
      _write(path, arrays)
  try:
    return np.load(path)
  except (OSError, ValueError, zipfile.BadZipFile) as error:
    raise UserError(
      f'the cached set {str(path)!r} cannot be read ({error}): delete it, and it is built again'
    ) from error


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
  """Writes under a name of its own, then renames: another process sees all of it or nothing."""
  partial = path.with_name(f'.{path.stem}-{uuid.uuid4().hex}.npz')
  try:
    with partial.open('wb') as file:
      np.savez(file, **arrays)
    partial.replace(path)
  finally:
    partial.unlink(missing_ok=True)


@contextmanager
def writable(folder: Path) -> Iterator[None]:
  """Makes the folder, and tells any failure to write there as a UserError."""
  try:
    folder.mkdir(parents=True, exist_ok=True)
    yield
  except OSError as error:
    raise UserError(
      f'the cache folder {str(folder)!r} cannot be written ({error.strerror or error}): make room '
      'there, or set DECOUPLED_GAN_CACHE to a folder that can be'
    ) from error
