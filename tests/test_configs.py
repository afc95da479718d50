"""Recipes: what their words make of each other, and that they train, made small."""

import numpy as np
import pytest
from conftest import tiny_config

from configs import gan, improved_gan, r1_gan, studiogan
from decoupled_gan.errors import UserError
from decoupled_gan.modes import train
from decoupled_gan.run.workdir import Workdir


def test_the_decay_starts_half_way_however_many_steps_there_are():
  config = tiny_config()
  config.num_steps = 50
  assert config.optimizer.decay_start_step == 25


def test_the_rows_of_both_penalties_have_weights_of_their_own():
  rows = r1_gan.get_config('both').routes.discriminate
  rows.r2.discriminator = 1.0
  assert rows.r1.discriminator == 5.0


@pytest.mark.parametrize('word', ['smoothed', 'minibatch', 'virtual', 'historical'])
def test_parts_that_need_no_labels_are_of_a_gan_of_one_output(word):
  config = improved_gan.get_config(f'digits,{word}')
  assert (config.model.outputs, config.losses.adversarial) == (1, 'non_saturating')
  assert set(config.routes.discriminate) == {'adversarial'}


def test_the_noise_of_its_discriminator_is_a_field_of_every_gan():
  assert gan.get_config().model.noise == improved_gan.get_config().model.noise == (0.6, 0.5)


@pytest.mark.parametrize('words', ['adc,d2dce', 'tac,contrastive', 'am,ac'])
def test_a_loss_of_classes_behind_a_game_of_fakes_is_told_rather_than_undone(words):
  with pytest.raises(UserError, match='come before tac and adc, as in d2dce,adc'):
    studiogan.get_config(words)


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
