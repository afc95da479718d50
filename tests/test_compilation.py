"""The persistent compilation cache: where it lies, and that the next start finds it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from decoupled_gan.machine import compilation

HERE = Path(__file__).parent
RECIPE = """
import sys
sys.path[:0] = [{tests!r}]
import toy
from decoupled_gan import methods

methods.METHODS['toy'] = toy.METHOD

def get_config():
  return toy.get_config()
"""


@pytest.fixture
def chosen(monkeypatch):
  """What is set in jax's config, which stays as it is."""
  found, before = {}, jax.config.jax_compilation_cache_dir
  jax.config.update('jax_compilation_cache_dir', None)
  with monkeypatch.context() as patch:
    patch.setattr(jax.config, 'update', found.__setitem__)
    yield found
  jax.config.update('jax_compilation_cache_dir', before)


def test_programs_are_kept_beside_the_workdir_for_each_kind_of_processor(toy, tmp_path, chosen):
  compilation.keep(toy.compilation_cache, tmp_path / 'runs' / 'one')
  folder = Path(chosen['jax_compilation_cache_dir'])
  assert folder.parent == tmp_path / 'runs' / '.jax_cache'
  assert re.fullmatch('cpu-[0-9a-f]{8}', folder.name)


def test_an_absolute_folder_is_taken_as_it_is(toy, tmp_path, chosen):
  toy.compilation_cache = str(tmp_path / 'cache')
  compilation.keep(toy.compilation_cache, Path('elsewhere'))
  assert Path(chosen['jax_compilation_cache_dir']).parent == tmp_path / 'cache'


def test_programs_are_not_kept_where_nobody_asks_for_it(toy, tmp_path, chosen):
  toy.compilation_cache = ''
  compilation.keep(toy.compilation_cache, tmp_path)
  assert not chosen


def test_the_next_start_finds_the_step_compiled_and_gives_the_same_losses(tmp_path):
  (tmp_path / 'recipe.py').write_text(RECIPE.format(tests=str(HERE)))
  others = ('JAX_COMPILATION_CACHE_DIR', 'XLA_FLAGS')  # as users compile: long enough to keep
  environment = {k: v for k, v in os.environ.items() if k not in others} | {
    'JAX_DEBUG_LOG_MODULES': 'jax._src.compiler',
    'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
  }
  hits, losses = [], []
  for name in ('first', 'second'):
    done = subprocess.run(
      [sys.executable, 'main.py', f'--config={tmp_path}/recipe.py', f'--workdir={tmp_path / name}',
       '--config.num_steps=2'],
      cwd=HERE.parent, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    hits.append("cache hit for 'jit_train_step'" in done.stderr)
    assert 'machine feature' not in done.stderr.lower()
    losses.append(re.findall(r'^step .*left  (.*)', done.stderr, re.MULTILINE))
  assert hits == [False, True]
  assert losses[0] == losses[1]
  assert len(losses[0]) == 2
