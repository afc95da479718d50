"""Translation by the adversarial loss alone: its rows, its penalty, generators near their input."""

import functools
import importlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from decoupled_gan import data
from decoupled_gan.core.types import Pair
from decoupled_gan.errors import UserError
from decoupled_gan.interop import cyclegan_official
from decoupled_gan.machine import sharding
from decoupled_gan.methods.translate import cyclegan
from decoupled_gan.networks.translate.resnet import ResnetGenerator
from decoupled_gan.run import experiment


def config_of(words):
  return importlib.import_module('configs.cyclegan').get_config(words)


@pytest.mark.row(4)
def test_nothing_but_the_discriminator_tells_the_generators_what_to_make():
  run = experiment.build(config_of('gan_only,tiny'))
  (phase,) = run.phases
  moving = {loss: set(row) for loss, row in phase.weights.items()}
  assert moving == {'adversarial': {'generator'}, 'judge': {'discriminator'}, 'r1': {'discriminator'}}


class Patches(nn.Module):
  """Two logits of an image of two pixels: 3 x and 5 x."""

  def __call__(self, x):
    return x * jnp.array([3.0, 5.0]).reshape(1, 2, 1, 1)


@pytest.mark.row(4)
def test_r1_is_of_the_mean_over_an_images_patches():
  images = jnp.ones((4, 2, 1, 1))
  assert cyclegan.r1(Patches().bind({}), images) == pytest.approx(1.5**2 + 2.5**2)


@pytest.mark.row(4)
def test_a_residual_generator_of_no_weights_gives_its_input_back():
  network = ResnetGenerator(4, 1, 1, downs=0, residual=True)
  x = jax.random.uniform(jax.random.key(0), (2, 8, 8, 1), minval=-1)
  variables = network.init(jax.random.key(1), x)
  zeros = jax.tree.map(jnp.zeros_like, variables)
  np.testing.assert_array_equal(network.apply(zeros, x), x)
  assert network.apply(variables, x).shape == x.shape


@pytest.mark.row(4)
@pytest.mark.parametrize('blocks', [1, 2])
def test_all_passes_through_the_bottleneck(blocks):
  network = ResnetGenerator(4, blocks, 1, bottleneck=3)
  x = jax.random.uniform(jax.random.key(0), (1, 8, 8, 1), minval=-1)

  @functools.partial(sharding.jit, quick=True)
  def made(key):
    params = network.init(key, x)['params']
    emptied = {**params, 'code': jax.tree.map(jnp.zeros_like, params['code'])}
    return [network.apply({'params': p}, y) for p in (params, emptied) for y in (x, -x)]

  as_they_are, negative, *emptied = made(jax.random.key(1))
  assert not np.allclose(as_they_are, negative)
  np.testing.assert_array_equal(*emptied)


@pytest.mark.row(4)
def test_inverted_digits_are_other_digits_and_have_a_truth():
  config = config_of('inverted_digits')
  dataset = data.load(config, Pair)
  assert [len(x) for x in (*dataset.train, *dataset.test)] == [719, 719, 359, 359]
  assert not set(dataset.train.a.names) & set(dataset.train.b.names)
  np.testing.assert_array_equal(dataset.test.a[7], 255 - dataset.test.b[7])
  assert dataset.train.a[0].mean() < 128 < dataset.train.b[0].mean()


@pytest.mark.row(4)
def test_a_generator_of_ours_has_no_official_format():
  with pytest.raises(UserError, match=r'model\.downs=0, .* the official format has generators with 2'):
    cyclegan_official.tables(config_of('residual'))
