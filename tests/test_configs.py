"""Recipes, made small, train."""

import numpy as np
import pytest
from conftest import tiny_config

from decoupled_gan.modes import train
from decoupled_gan.run.workdir import Workdir


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
