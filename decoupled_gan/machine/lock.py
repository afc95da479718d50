"""One writer of a folder: a mark in it that another process respects, wherever that process runs.

On one machine the kernel keeps the lock (flock), and lets go of it however its owner ends, by kill -9
too. Between machines, and in object stores, there is only the mark itself, a small file that its owner
writes anew every few seconds. Who finds one that is not its own kernel's looks whether it changes; one
that stands still belongs to nobody any more.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from decoupled_gan.errors import UserError
from decoupled_gan.machine import paths

NAME = '.writer'
BEAT_SECONDS, REMOTE_BEAT_SECONDS = 5, 20  # an object may be written once a second, and each costs
SETTLE_SECONDS = 1  # in which whoever wrote a mark at the same time has done so
PATIENCE = 3  # beats without a sign of life


@contextlib.contextmanager
def only_writer(folder: Path, flag: str) -> Iterator[None]:
  """While it is entered, no other process enters it for `folder`, which must exist.

  Raises UserError, naming `flag`, at once where another process of this machine is in it, and within
  seconds where one of another machine is.
  """
  mark, remote = folder / NAME, paths.is_remote(folder)
  beat = REMOTE_BEAT_SECONDS if remote else BEAT_SECONDS
  with contextlib.nullcontext() if remote else _locked(mark, flag) as file:
    found = _read(mark)
    here = file is not None and found.get('boot') == _boot()  # its owner's lock would have been seen
    if found and not here and _lives(mark, found, beat):
      raise UserError(_in_use(flag, folder, found))
    own, done = _own(), threading.Event()
    _write(mark, own)
    if file is None:
      _check_first(mark, own, flag)
    heart = threading.Thread(target=_beat, args=(mark, own, beat, done), daemon=True)
    heart.start()
    try:
      yield
    finally:
      done.set()
      heart.join()
      with contextlib.suppress(
        Exception
      ):  # what it guards is done, and a mark that stands still is none
        mark.unlink()


@contextlib.contextmanager
def _locked(mark: Path, flag: str) -> Iterator[int | None]:
  """The kernel's lock on the mark; None where the file system has no locks."""
  while True:
    with paths.telling(mark):
      file = os.open(mark, os.O_RDWR | os.O_CREAT, 0o666)
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      os.close(file)
      if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
        raise UserError(_in_use(flag, mark.parent, _read(mark))) from None
      yield None
      return
    with contextlib.suppress(FileNotFoundError):
      if os.stat(mark).st_ino == os.fstat(file).st_ino:
        break
    os.close(file)  # its owner has just removed it: whoever locks the next one is the owner
  try:
    yield file
  finally:
    os.close(file)


def _own() -> dict:
  return {
    'host': socket.gethostname(),
    'pid': os.getpid(),
    'since': time.strftime('%Y-%m-%d %H:%M:%S'),
    'boot': _boot(),
    'start': uuid.uuid4().hex,
    'beat': 0,
  }


def _boot() -> str:
  """Which start of which kernel this is: containers of one machine share it."""
  try:
    return Path('/proc/sys/kernel/random/boot_id').read_text().strip()
  except OSError:
    return socket.gethostname()


def _read(mark: Path) -> dict:
  """What a mark says; {} if there is none, or none that can be read."""
  try:
    found = json.loads(mark.read_text())
  except Exception:  # of the file system, of the object store's client, of JSON
    return {}
  return found if isinstance(found, dict) else {}


def _check_first(mark: Path, own: dict, flag: str):
  """Where nothing but the mark tells: of two that wrote it at the same time, the second is the owner."""
  time.sleep(SETTLE_SECONDS)
  found = _read(mark)
  if found and found.get('start') != own['start']:
    raise UserError(_in_use(flag, mark.parent, found))


def _lives(mark: Path, found: dict, beat: float) -> bool:
  """Whether a mark changes within the time in which its owner would have written it anew."""
  print(
    f'{mark} was left by {_who(found)}: looking for {PATIENCE * beat:g} s whether that still runs',
    flush=True,
  )
  end = time.monotonic() + PATIENCE * beat
  while time.monotonic() < end:
    time.sleep(min(1, beat / 4))
    if (now := _read(mark)) and now != found:
      return True
  return False


def _beat(mark: Path, own: dict, beat: float, done: threading.Event):
  """Writes the mark anew until all is done."""
  while not done.wait(beat):
    own['beat'] += 1
    with contextlib.suppress(Exception):  # a full disk is told by those who must write
      _write(mark, own)


def _write(mark: Path, own: dict):
  """In place: the kernel's lock is on this very file."""
  text = json.dumps(own)
  if paths.is_remote(mark):
    paths.write(mark, text)
    return
  with paths.telling(mark), mark.open('r+') as file:
    file.write(text)
    file.truncate()


def _who(found: dict) -> str:
  if not found:
    return 'another process'
  return 'process {pid} on {host}, since {since}'.format(
    **{key: found.get(key, '?') for key in ('pid', 'host', 'since')}
  )


def _in_use(flag: str, folder: Path, found: dict) -> str:
  return (
    f'{flag}={folder} is in use by another process ({_who(found)}). Stop it, or name another {flag}.'
  )
