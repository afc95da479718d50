"""Half precision is for training: drawing, translating, rebuilding and scoring compute in float32."""

import functools
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from test_interop_stylegan2 import official_tensors, save, small_config

from decoupled_gan import methods, recipe_files
from decoupled_gan.core import state
from decoupled_gan.errors import UserError
from decoupled_gan.machine import sharding
from decoupled_gan.modes import evaluate
from decoupled_gan.run import experiment, inference
from decoupled_gan.run.workdir import Workdir

ROOT = Path(__file__).parent.parent


@functools.cache
def tiny_recipes():
  """{method: the :tiny config of a recipe of it}."""
  found = {}
  for name in recipe_files.names():
    module = importlib.import_module(f'configs.{name}')
    variants = getattr(module, 'VARIANTS', {})
    for words in ('tiny', *(f'tiny,{name}' for name in methods.METHODS if name in variants)):
      if 'tiny' in variants:
        config = module.get_config(words)
        found.setdefault(config.method, config)
  return found


def program_of(run) -> str:
  """What the run's sample grid computes."""
  variables = state.inference_variables(run.abstract_state())
  batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), run.batch_shape)
  return str(jax.make_jaxpr(run.sampler())(variables, batch))


def half(method):
  """The :tiny config of a method, as one that trains in half precision."""
  config = tiny_recipes()[method].copy_and_resolve_references()
  config.compute_dtype = 'bfloat16'
  if 'half_blocks' in config.model:
    config.model.half_blocks = 4  # as published; the size for tests has none
  return config


@pytest.mark.parametrize('method', methods.METHODS)
def test_the_one_field_reaches_every_method_and_none_keeps_half_precision_without_it(method):
  config = half(method)
  assert 'bfloat16' in repr(methods.get(method).build(config))
  config.compute_dtype = 'float32'
  assert 'bfloat16' not in repr(methods.get(method).build(config))


LONG = pytest.mark.slow
TRACED = [
  name if name in ('gan', 'nice') else pytest.param(name, marks=LONG) for name in methods.METHODS
]


@pytest.mark.parametrize('method', TRACED)
def test_a_run_that_was_trained_in_half_precision_is_used_in_float32(tmp_path, method, monkeypatch):
  monkeypatch.setattr(sharding, 'jit', lambda function, **_: jax.jit(function))
  config = half(method)
  workdir = Workdir(tmp_path)
  workdir.create()
  workdir.save_config(config)
  assert 'bf16' not in program_of(inference.open_run(workdir))
  assert 'bf16' in program_of(inference.open_run(workdir, dtype='bfloat16'))
  if method == 'gan':  # and so while it trains, for what is looked at and scored
    run = experiment.build(config)
    assert 'bf16' in program_of(run)
    assert 'bf16' not in program_of(run.exact())
    assert jax.tree.all(
      jax.tree.map(lambda x, y: x.dtype == y.dtype, run.abstract_state(), run.exact().abstract_state())
    )


def test_products_of_float32_numbers_are_whole_where_devices_would_cut_them():
  x = jnp.ones((4, 4))
  assert 'HIGHEST' not in str(jax.make_jaxpr(lambda x: x @ x)(x))
  assert 'HIGHEST' in str(jax.make_jaxpr(sharding.exact(lambda x: x @ x))(x))


def test_evaluate_is_asked_for_another_dtype_by_its_flag(tmp_path):
  config = tiny_recipes()['gan'].copy_and_resolve_references()
  workdir = Workdir(tmp_path)
  workdir.create()
  workdir.save_config(config)
  config.compute_dtype = 'bfloat16'
  with pytest.raises(UserError, match=r'compute_dtype is of training.*--dtype=bfloat16'):
    evaluate.evaluate_run(workdir, None, 'kid_8', '', config)


def documented() -> list[list[str]]:
  """The commands of the docs that import official arrays and draw from them, as words."""
  text = (ROOT / 'docs/methods/glead.md').read_text()
  lines = re.findall(r'^decoupled-gan ((?:import|generate) .*--workdir=runs/official.*)$', text, re.M)
  return [shlex.split(line, comments=True) for line in lines]


def test_the_documented_command_imports_official_weights_that_draw_the_official_pictures(tmp_path):
  """With the recipe as it stands there, whose four largest blocks train in bfloat16."""
  config = small_config()
  generator = official_tensors(config, 'generator')
  save(tmp_path / 'weights.npz', {'G_ema': generator})
  environment = os.environ | {'PYTHONPATH': str(ROOT), 'JAX_PLATFORMS': 'cpu'}
  commands = documented()
  assert [words[0] for words in commands] == ['import', 'generate']
  recipe = next(word for word in commands[0] if word.startswith('--config=')).partition('=')[2]
  commands[0] = [word.replace(recipe, f'{recipe},stylegan2') for word in commands[0]]  # no D in the file
  for words in commands:
    command = [sys.executable, '-m', 'decoupled_gan', *words]
    done = subprocess.run(
      command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
  workdir = Workdir(tmp_path / 'runs/official')
  assert workdir.load_config().compute_dtype == 'bfloat16'
  trained = inference.load(workdir)
  files = sorted((workdir.path / 'generated').iterdir())
  assert [path.name for path in files] == [f'seed{i:04d}.png' for i in range(16)]
  for seed, path in enumerate(files):
    z = np.random.RandomState(seed).randn(1, config.model.z_dim)
    (image,) = trained.run.gan.apply(
      trained.variables, z, method=lambda gan, z: gan.generator(z, 1.0, 'const')
    )
    expected = np.clip(np.asarray(image) * 127.5 + 128, 0, 255).astype(np.uint8)
    found = np.asarray(Image.open(path)).astype(int)
    assert np.abs(found - expected).max() <= 1  # batches of other sizes round otherwise
