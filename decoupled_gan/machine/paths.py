"""Where a run's files lie: a local folder, or gs://<bucket>/<folder> of Google Cloud Storage.

Object stores are no file systems: there are no folders to be made, nothing can be appended to (gcsfs
overwrites instead), and renaming is copying. In return an object appears only when it is complete. All
that writes a run's files therefore goes through `write`, `append` and `Mirror`: a reader never sees half
of a file, and one that cannot be written is told in a sentence and leaves nothing behind.
"""

import contextlib
import fcntl
import itertools
import logging
import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from etils import epath

from decoupled_gan.errors import RunError, UserError, need

REMOTE = 'gs://'


def get(path: str | Path) -> Path:
  """`path` as an absolute path: an epath.Path if it begins with gs://, a pathlib.Path otherwise.

  A local one may begin with ~, the home folder.

  Raises UserError for other URLs, and for gs:// without a bucket or where gcsfs is not installed.
  """
  text = os.fspath(path)
  scheme, separator, rest = text.partition('://')
  if not separator:
    return at_home(path).absolute()
  if f'{scheme}://' != REMOTE:
    raise UserError(
      f'{text}: files lie in local folders or in gs://<bucket>/<folder>, not in {scheme}://.'
    )
  if not rest.strip('/'):
    raise UserError(f'{text} names no bucket: write gs://<bucket>/<folder>.')
  need(text, 'gcsfs', 'gcs')
  _set_up()
  return epath.Path(text)


def _set_up():
  """How epath is to speak to the store, before it first does."""
  import fsspec

  # epath would go through TensorFlow where that is installed: one road, the tested one
  os.environ.setdefault('EPATH_USE_TF', 'false')
  # a listing that is remembered does not show what other hosts, and tensorstore, write
  fsspec.config.conf.setdefault('gcs', {}).setdefault('use_listings_cache', False)
  # it warns at every opening of a file if it may not look up what kind of bucket it is
  logging.getLogger('gcsfs').setLevel(logging.ERROR)


def is_remote(path: str | Path) -> bool:
  """Whether `path` lies in an object store."""
  return os.fspath(path).startswith(REMOTE)


def local(path: str | Path, flag: str) -> Path:
  """`path` as it is; raises UserError if it is a URL. For what is read often, as images are."""
  if '://' in str(path):
    raise UserError(
      f'{flag}={path}: this is read from local disks only. Copy it first, on every machine that runs: '
      f'gcloud storage cp --recursive {path} .'
    )
  return at_home(path)


def at_home(path: str | Path) -> Path:
  """A local path whose ~ is the home folder; raises UserError where nobody knows that."""
  try:
    return Path(path).expanduser()
  except RuntimeError as error:  # no HOME and no such user: a container with a number for a user
    raise UserError(
      f'{path} begins with ~, and the home folder is not known here ({error}): set HOME, or write the '
      'whole path.'
    ) from None


def inside(path: str | Path, folder: str | Path) -> bool:
  """Whether `path` is `folder` or lies below it, by whatever links; either need not exist."""
  if is_remote(path) or is_remote(folder):
    return f'{path}/'.startswith(f'{folder}/')
  return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def check_apart(folders: Mapping[str, str | Path]):
  """Raises UserError where one of {what names it: folder} lies in another: it would be counted twice."""
  for (inner, path), (outer, folder) in itertools.permutations(folders.items(), 2):
    if inside(at_home(path), at_home(folder)) and not inside(at_home(folder), at_home(path)):
      raise UserError(
        f'{inner}={path} lies in {outer}={folder}, whose images would be counted with it: move one of '
        'them.'
      )


def check_ours(path: Path, flag: str, begins: tuple[bytes, ...]):
  """Raises UserError if there is such a file, and it does not begin as those that a mode writes there
  do.

  Nobody's image, recipe or config is to be lost for a mistyped --output.
  """
  if is_remote(path) or not path.exists():
    return
  if path.is_dir():
    raise UserError(f'{flag}={path} is a folder: name a file.')
  with path.open('rb') as file:
    start = file.read(max(map(len, begins)))
  if start and not start.startswith(begins):
    raise UserError(f'{flag}={path} is a file of something else, and would be overwritten: name another')


@contextlib.contextmanager
def telling(path: str | Path) -> Iterator[None]:
  """Turns what a file system or an object store raises while `path` is written into a RunError."""
  try:
    yield
  except RunError:
    raise
  except Exception as error:  # an OSError, or one of the many of the object store's client
    if not is_remote(path) and not isinstance(error, OSError):
      raise
    raise RunError(f'{path} could not be written ({why(error)}).') from error


def write(path: Path, content: bytes | str):
  """Writes a file, with the folders above it; raises RunError if it cannot be."""
  content = _encoded(content) if isinstance(content, str) else content
  with telling(path):
    if is_remote(path):
      path.write_bytes(content)
      return
    path.parent.mkdir(parents=True, exist_ok=True)
    # a name of its own: two may write the same file, and names have no room for more than 255 bytes
    temporary = path.with_name(f'.{uuid.uuid4().hex[:12]}.tmp')
    try:
      temporary.write_bytes(content)
      temporary.replace(path)
    finally:
      temporary.unlink(missing_ok=True)


def _encoded(text: str) -> bytes:
  """UTF-8; of names of files that are none, as the terminal shows them (machine/streams.py)."""
  return text.encode(errors='backslashreplace')


def append(path: Path, text: str):
  """Adds `text` to the end of a file, all of it or nothing; raises RunError if it cannot be.

  The file need not exist. Remotely it is written anew.
  """
  if is_remote(path):
    write(path, (path.read_text() if path.exists() else '') + text)
    return
  with telling(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('ab', buffering=0) as file:
      with contextlib.suppress(OSError):  # where files cannot be locked
        fcntl.flock(file, fcntl.LOCK_EX)
      before = os.fstat(file.fileno()).st_size
      try:
        content = memoryview(_encoded(text))
        while content:
          content = content[file.write(content) :]
      except BaseException:
        os.ftruncate(file.fileno(), before)
        raise


def why(error: Exception) -> str:
  """The reason that an error of the file system or of the object store gives, on one line."""
  text = getattr(error, 'strerror', None) or str(error) or type(error).__name__
  return ' '.join(text.split())[:300]


class Mirror:
  """A local folder of growing files, copied into a remote one: for what is appended to.

  Whole files are copied, so that this is for some megabytes, and at most every `every_seconds`
  (Google Cloud Storage takes one write of an object a second).
  """

  def __init__(self, remote: Path, every_seconds: float = 60):
    self._remote, self._every = remote, every_seconds
    self._temporary = tempfile.TemporaryDirectory(prefix='decoupled_gan-')
    self.folder = Path(self._temporary.name)
    self._copied: dict[str, int] = {}
    self._last = time.monotonic()

  def fetch(self, name: str) -> Path:
    """The local copy of the remote file `name`, if there is such a file."""
    with contextlib.suppress(FileNotFoundError):
      (self.folder / name).write_bytes((self._remote / name).read_bytes())
    return self.folder / name

  def copy(self, now: bool = True):
    """Copies what has changed; unless `now`, only if the last copy is old enough.

    Raises RunError if it cannot.
    """
    if not now and time.monotonic() - self._last < self._every:
      return
    for file in self.folder.iterdir():
      stamp = file.stat().st_mtime_ns
      if self._copied.get(file.name) != stamp:
        write(self._remote / file.name, file.read_bytes())
        self._copied[file.name] = stamp
    self._last = time.monotonic()

  def close(self):
    """Copies for the last time, and removes the local folder."""
    self.copy()
    self._temporary.cleanup()
