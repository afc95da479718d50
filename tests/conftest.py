"""Shared by all tests: strict JAX, a cache of compiled programs, a budget of time, small configs."""

import contextlib
import gc
import os
import signal
import time
from importlib import metadata
from pathlib import Path

os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# Workers share the machine: threads of NumPy, scikit-learn and PyTorch would wait for each other.
os.environ.setdefault('OMP_NUM_THREADS', '1')
# Programs of tests run for milliseconds and compile for seconds, of which this leaves less than half.
os.environ.setdefault(
  'XLA_FLAGS',
  '--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1'
  # later versions of jaxlib end where they do not know a flag
  + (' --xla_cpu_use_fusion_emitters=false' if metadata.version('jaxlib') < '0.11' else ''),
)

import jax
import pytest

from configs import nice
from decoupled_gan import methods
from decoupled_gan.machine import cache

for ignored, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
  if signal.getsignal(ignored) == signal.SIG_IGN:  # as in a shell's background jobs, and below nohup
    signal.signal(ignored, usual)
ROOT = Path(__file__).parent.parent
BUDGET = 60  # CPU seconds of a test that is not `slow`, on a machine that others may use
jax.config.update('jax_numpy_rank_promotion', 'raise')
gc.set_threshold(200_000, 20, 100)  # traces are millions of objects that live as long as the session
# Compiling is what most tests cost, also that of single operations: what was compiled once is kept
# between runs and between checkouts, for a month.
PROGRAMS = cache.cache_dir() / 'programs-of-tests'
for program in PROGRAMS.glob('*'):
  with contextlib.suppress(FileNotFoundError):  # workers start at once, and each forgets
    if program.stat().st_mtime < time.time() - 30 * 24 * 3600:
      program.unlink()
KEPT = {
  'jax_compilation_cache_dir': str(PROGRAMS),
  'jax_persistent_cache_min_compile_time_secs': 0,
  'jax_persistent_cache_min_entry_size_bytes': -1,
}
for option, value in KEPT.items():
  os.environ[option.upper()] = str(value)  # of the commands that tests start
  jax.config.update(option, value)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
  """A suite grows slow one test at a time: a test that is too dear fails."""
  start = time.process_time()
  result = yield
  spent = time.process_time() - start
  if spent > BUDGET and 'slow' not in item.keywords:
    pytest.fail(
      f'{spent:.0f} s of CPU time, more than {BUDGET}: make its networks smaller, trace instead of '
      'compiling, or mark it slow.',
      pytrace=False,
    )
  return result


@pytest.fixture
def tiny():
  """NICE-GAN at 48 px and width 4 on the deterministic fake data."""
  return tiny_config()


def tiny_config(variant=''):
  return nice.get_config(','.join(filter(None, (variant, 'tiny'))))


@pytest.fixture
def toy(monkeypatch):
  """The config of a method that compiles at once (tests/toy.py)."""
  import toy

  monkeypatch.setitem(methods.METHODS, 'toy', toy.METHOD)
  return toy.get_config()
