"""Shared by all tests: strict JAX, and a recipe so small that compiling it is what costs."""

import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import jax
import pytest

from configs import nice
from decoupled_gan import methods

jax.config.update('jax_numpy_rank_promotion', 'raise')


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
  config = nice.get_config(variant)
  config.data.source = 'fake'
  config.data.num_threads = 2
  config.image_size = 48
  config.batch_size = 2
  config.num_steps = 4
  config.log_every_steps = 1
  config.sample_every_steps = 4
  config.sample_count = 2
  config.checkpoint_every_steps = 2
  config.model.width = 4
  config.model.depth = 6
  config.model.blocks = 1
  return config


@pytest.fixture
def toy(monkeypatch):
  """The config of a method that compiles at once (tests/toy.py)."""
  import toy

  monkeypatch.setitem(methods.METHODS, 'toy', toy)
  return toy.get_config()
