"""One workdir, one writer: on one machine at once, between machines by a mark that lives."""

import contextlib
import errno
import fcntl
import json
import multiprocessing
import os
import signal
import time

import pytest

from decoupled_gan.errors import UserError
from decoupled_gan.machine import lock


@pytest.fixture
def quick(monkeypatch):
  """Marks that beat ten times a second."""
  monkeypatch.setattr(lock, 'BEAT_SECONDS', 0.1)
  monkeypatch.setattr(lock, 'SETTLE_SECONDS', 0.1)


def held(folder, pipe):
  with lock.only_writer(folder, '--workdir'):
    pipe.send('in')
    pipe.recv()


@contextlib.contextmanager
def another(folder):
  """A process that is in the folder."""
  context = multiprocessing.get_context('fork')
  ours, theirs = context.Pipe()
  process = context.Process(target=held, args=(folder, theirs))
  process.start()
  theirs.close()
  assert ours.recv() == 'in'
  try:
    yield process
  finally:
    with contextlib.suppress(BrokenPipeError):
      ours.send('out')
    process.join(30)


def refuses(folder, told):
  with pytest.raises(UserError, match=told), lock.only_writer(folder, '--workdir'):
    pass


def test_a_second_writer_is_refused_at_once_by_name_and_nothing_is_touched(tmp_path):
  with another(tmp_path) as process:
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    start = time.monotonic()
    refuses(tmp_path, rf'is in use by another process \(process {process.pid} on .*, since')
    assert time.monotonic() - start < 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
  with lock.only_writer(tmp_path, '--workdir'):
    pass
  assert list(tmp_path.iterdir()) == []


def test_what_kill_9_leaves_does_not_block(tmp_path):
  with another(tmp_path) as process:
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert (tmp_path / lock.NAME).exists()
    start = time.monotonic()
    with lock.only_writer(tmp_path, '--workdir'):
      pass
    assert time.monotonic() - start < 2


def mark(folder, **fields):
  content = {'host': 'elsewhere', 'pid': 1, 'since': 'noon', 'boot': 'another kernel', 'beat': 0}
  (folder / lock.NAME).write_text(json.dumps(content | fields))


def test_a_mark_of_another_machine_blocks_while_it_lives_and_no_longer(tmp_path, quick):
  mark(tmp_path)
  with lock.only_writer(tmp_path, '--workdir'):  # it stood still
    pass

  mark(tmp_path)
  context = multiprocessing.get_context('fork')
  alive = context.Process(
    target=lambda: [(mark(tmp_path, beat=i), time.sleep(0.02)) for i in range(1, 5000)]
  )
  alive.start()
  try:
    while '"beat": 0' in (tmp_path / lock.NAME).read_text():  # a busy machine starts it late
      time.sleep(0.01)
    refuses(tmp_path, 'process 1 on elsewhere, since noon')
  finally:
    alive.kill()
    alive.join()


def test_where_the_file_system_has_no_locks_the_mark_does(tmp_path, quick, monkeypatch):
  def none(*_):
    raise OSError(errno.ENOLCK, 'no locks here')

  monkeypatch.setattr(fcntl, 'flock', none)
  with another(tmp_path):
    refuses(tmp_path, 'is in use by another process')
  with lock.only_writer(tmp_path, '--workdir'):
    assert json.loads((tmp_path / lock.NAME).read_text())['pid'] == os.getpid()


@pytest.mark.parametrize('left', ['', 'no JSON', '[]', '3'])
def test_a_mark_that_says_nothing_does_not_block(tmp_path, left):
  (tmp_path / lock.NAME).write_text(left)
  with lock.only_writer(tmp_path, '--workdir'):
    pass


def test_the_mark_beats_while_its_owner_is_in(tmp_path, quick):
  with lock.only_writer(tmp_path, '--workdir'):
    first = (tmp_path / lock.NAME).read_text()
    time.sleep(0.5)
    assert json.loads((tmp_path / lock.NAME).read_text())['beat'] > json.loads(first)['beat']
