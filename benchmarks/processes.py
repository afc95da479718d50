"""Commands of the program as processes that start at once: forked from one that has imported everything.

What the benchmarks of reliability share. The parent starts no backend of JAX and no thread, so that a
child is what a fresh process is after its imports, some seconds later.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault('JAX_PLATFORMS', 'cpu')


def prepare(home: Path):
  """Imports what commands need; compiled programs are kept below `home`."""
  os.environ['JAX_COMPILATION_CACHE_DIR'] = str(home / 'xla')
  os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
  home.mkdir(parents=True, exist_ok=True)
  import grain  # noqa: F401
  import tensorboardX  # noqa: F401

  import decoupled_gan.cli  # noqa: F401
  from decoupled_gan.evaluation import evaluator  # noqa: F401
  from decoupled_gan.modes import evaluate, train, translate  # noqa: F401
  from decoupled_gan.modes.generate import draw, edit  # noqa: F401


@dataclass
class Command:
  """A started command, with its output in a file for each stream."""

  pid: int
  log: Path
  code: int | None = None

  def poll(self) -> int | None:
    """The exit code, negative for a signal; None while it runs."""
    if self.code is None:
      pid, status = os.waitpid(self.pid, os.WNOHANG)
      if pid:
        self.code = os.waitstatus_to_exitcode(status)
    return self.code

  def wait(self, seconds: float = 300) -> int:
    end = time.monotonic() + seconds
    while self.poll() is None:
      if time.monotonic() > end:
        self.kill(signal.SIGKILL)
        raise SystemExit(f'{self.log}: it ran for more than {seconds} s')
      time.sleep(0.002)
    return self.code

  def kill(self, number: int):
    if self.poll() is None:
      os.kill(self.pid, number)

  @property
  def out(self) -> str:
    return self.log.with_suffix('.out').read_text(errors='replace')

  @property
  def err(self) -> str:
    return self.log.with_suffix('.err').read_text(errors='replace')


def start(words: Sequence[str], log: Path, cwd: Path = ROOT, **environment: str) -> Command:
  """Starts `decoupled-gan <words>`; what it prints goes to <log>.out and <log>.err."""
  log.parent.mkdir(parents=True, exist_ok=True)
  sys.stdout.flush()
  pid = os.fork()
  if pid:
    return Command(pid, log)
  code = 70
  try:
    for number, ending in ((1, '.out'), (2, '.err')):
      file = os.open(log.with_suffix(ending), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
      os.dup2(file, number)
    os.chdir(cwd)
    os.environ.update(environment)
    sys.argv[:] = ['decoupled-gan', *words]
    from decoupled_gan import cli

    cli.run()
    code = 0
  except SystemExit as left:
    code = left.code if isinstance(left.code, int) else 0 if left.code is None else 1
  except BaseException:
    sys.excepthook(*sys.exc_info())
    code = 1
  finally:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def checkpoints_of(workdir: Path) -> list[int]:
  """The steps of complete checkpoints."""
  folder = workdir / 'checkpoints'
  return sorted(int(x.name) for x in folder.iterdir() if x.name.isdecimal()) if folder.is_dir() else []


def what_is_left_of(workdir: Path) -> dict[str, bytes]:
  """What a run must end with, bit for bit: its last checkpoint's arrays, metrics, samples and config."""
  import json

  import orbax.checkpoint as ocp

  found = {'config.json': (workdir / 'config.json').read_bytes()}
  for path in sorted((workdir / 'samples').iterdir()):
    found[f'samples/{path.name}'] = path.read_bytes()
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  rows = [{k: v for k, v in json.loads(x).items() if not k.startswith('time/')} for x in lines]
  found['metrics.jsonl'] = json.dumps(rows).encode()
  step = checkpoints_of(workdir)[-1]
  for item in ('networks', 'optimizers'):
    tree = ocp.StandardCheckpointer().restore(workdir / 'checkpoints' / str(step) / item)
    import jax

    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
      found[f'{step}/{item}{jax.tree_util.keystr(path)}'] = np.asarray(leaf).tobytes()
  return found


def in_a_child(function, *arguments):
  """The result of a function that starts JAX's backend, which the parent must not."""
  import pickle

  reading, writing = os.pipe()
  pid = os.fork()
  if not pid:
    os.close(reading)
    try:
      content = pickle.dumps(function(*arguments))
      with os.fdopen(writing, 'wb') as pipe:
        pipe.write(content)
      os._exit(0)
    except BaseException:
      sys.excepthook(*sys.exc_info())
      os._exit(1)
  os.close(writing)
  with os.fdopen(reading, 'rb') as pipe:
    content = pipe.read()
  if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
    raise SystemExit(f'{function.__name__}{arguments} failed')
  return pickle.loads(content)


def differences(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
  return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def fresh(folder: Path) -> Path:
  shutil.rmtree(folder, ignore_errors=True)
  folder.mkdir(parents=True)
  return folder
