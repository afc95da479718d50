"""Every recipe says what it is, builds, and, made small, trains."""

import ast
import importlib
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_config

from decoupled_gan.modes import train
from decoupled_gan.run import experiment
from decoupled_gan.run.workdir import Workdir

CONFIGS = Path(__file__).parent.parent / 'configs'
STARTING_POINTS = ('base', 'nice', 'edgan', 'glead')
RECIPES = sorted(p.stem for p in CONFIGS.glob('*.py') if p.stem not in STARTING_POINTS)
GROUPS = {
  'nice': ['classifier', 'encoder', 'generator'],
  'edgan_labelled': ['decoder', 'discriminator', 'encoder', 'latent_discriminator', 'residual'],
  'edgan_aligned': ['discriminator', 'generator', 'residual'],
  'glead': ['discriminator', 'generator'],
}


@pytest.mark.parametrize('name', RECIPES)
def test_a_recipe_builds_and_its_header_has_the_command_the_data_and_what_to_expect(name):
  config = importlib.import_module(f'configs.{name}').get_config()
  run = experiment.build(config)
  assert run.groups == GROUPS[config.method]
  header = ast.get_docstring(ast.parse((CONFIGS / f'{name}.py').read_text()))
  command = 'launch/quickstart.sh' if name == 'quickstart' else f'--config=configs/{name}.py'
  for part in (command, 'Data:', 'Expected'):
    assert part in header, part


def test_every_recipe_stands_in_the_readme():
  readme = (CONFIGS.parent / 'README.md').read_text()
  for name in RECIPES:
    assert f'`{name}.py`' in readme


def test_the_decay_starts_half_way_however_many_steps_there_are():
  config = tiny_config()
  config.num_steps = 50
  assert config.optimizer.decay_start_step == 25


@pytest.mark.slow
@pytest.mark.parametrize(
  'variant', ['coupled', 'identity', 'undetached', 'full,no_c1', 'no_attention,no_c0']
)
def test_variants_train(variant, tmp_path):
  config = tiny_config(variant)
  config.num_steps = 2
  train.train(config, Workdir(tmp_path))


@pytest.mark.slow
def test_bfloat16_trains_close_to_float32_with_float32_parameters(tmp_path):
  import jax
  from test_train import lines, weights

  rows = {}
  for dtype in ('float32', 'bfloat16'):
    config = tiny_config()
    config.compute_dtype = dtype
    train.train(config, Workdir(tmp_path / dtype))
    rows[dtype] = np.array([list(row.values()) for row in lines(tmp_path / dtype)])
    state = weights(config, tmp_path / dtype)
    assert {x.dtype.name for x in jax.tree.leaves((state.params, state.stats))} == {'float32'}
  np.testing.assert_allclose(rows['bfloat16'], rows['float32'], rtol=0.05)
  assert (rows['bfloat16'] != rows['float32']).any()


@pytest.mark.slow
def test_grey_images_train(tmp_path):
  config = tiny_config()
  config.image_channels = 1
  train.train(config, Workdir(tmp_path))
