"""Shared by all tests: strict JAX, and a recipe so small that compiling it is what costs."""

import os
from pathlib import Path

os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import jax
import pytest

from configs import nice
from decoupled_gan import methods

ROOT = Path(__file__).parent.parent
jax.config.update('jax_numpy_rank_promotion', 'raise')
# Compiling is what most tests cost: what was compiled once is kept between runs.
jax.config.update('jax_compilation_cache_dir', str(ROOT / '.pytest_cache/xla'))
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.2)


LONG = ('end_to_end', 'methods_nice', 'methods_edgan', 'methods_glead', 'interop', 'distributed')
"""Files that take a minute or more."""


def pytest_collection_modifyitems(items):
  """Long files first: two processes that take file by file then end at about the same time."""
  items.sort(key=lambda item: item.path.stem.removeprefix('test_') not in LONG)


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
