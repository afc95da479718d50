"""What the translators are made of, in literal numbers: normalisation, resampling, losses, schedules."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import cut, cyclegan, munit
from decoupled_gan.core.schedules import schedule
from decoupled_gan.errors import UserError
from decoupled_gan.layers import conv_ops, resample
from decoupled_gan.layers.norm import LIN, TorchBatchNorm, instance_normalise
from decoupled_gan.losses.contrastive import patch_nce
from decoupled_gan.networks.translate import patch, resnet
from decoupled_gan.networks.translate.munit import LayerNorm
from decoupled_gan.run import experiment

RNG = np.random.default_rng(0)
CHANNELS = jnp.array([[1.0, 2, 3, 4], [0, -1, 2, 5]]).T.reshape(1, 2, 2, 2)
"""Two channels of 2x2 px, as the facts have them."""


def normal(*shape):
  return jnp.asarray(RNG.normal(size=shape), jnp.float32)


# Normalisation.


def test_u_gat_its_mixture_is_one_rho_of_unbiased_statistics():
  params = {'rho': jnp.full(2, 0.25), 'gamma': jnp.array([2.0, 1.0]), 'beta': jnp.array([0.0, -1.0])}
  y = LIN(clipped=True).apply({'params': params}, CHANNELS)[0].reshape(4, 2).T
  expected = [
    [-1.33094482, -0.19364859, 0.94364765, 2.08094388],
    [-1.89173564, -2.36122622, -0.95275447, 0.45571727],
  ]
  np.testing.assert_allclose(y, expected, rtol=1e-5)


def test_munits_layer_normalisation_adds_its_epsilon_to_the_unbiased_deviation():
  params = {'gamma': jnp.ones(2), 'beta': jnp.zeros(2)}
  y = LayerNorm().apply({'params': params}, CHANNELS)[0].reshape(4, 2).T
  expected = [[-0.49999750, 0, 0.49999750, 0.99999500], [-0.99999500, -1.49999250, 0, 1.49999250]]
  np.testing.assert_allclose(y, expected, atol=2e-7)


def test_instance_normalisation_has_the_derivatives_of_its_formula():
  def formula(x):
    mean, var = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    return (x - mean) / jnp.sqrt(var + 1e-5)

  x, weights = normal(2, 3, 4, 2), normal(2, 3, 4, 2)
  first = [jax.grad(lambda x, f=f: (f(x) * weights).sum())(x) for f in (formula, instance_normalise)]
  np.testing.assert_allclose(instance_normalise(x), formula(x), atol=1e-5)
  np.testing.assert_allclose(*first, atol=1e-5)


def test_torchs_batch_normalisation_stores_the_unbiased_variance_and_can_be_told_not_to():
  x = jnp.array([0.0, 2.0]).reshape(2, 1, 1, 1)  # mean 1, variance 1 biased and 2 unbiased
  norm = TorchBatchNorm()
  variables = norm.init(jax.random.key(0), x)
  assert variables['batch_stats']['count'] == 0, 'initialisation is no training'
  y, moved = norm.apply(variables, x, mutable=['batch_stats'])
  np.testing.assert_allclose(y.ravel(), [-1, 1], rtol=1e-4)
  stats = moved['batch_stats']
  np.testing.assert_allclose([stats['mean'][0], stats['var'][0]], [0.1, 0.9 + 0.2], rtol=1e-6)
  _, same = norm.apply(variables, x, track=False, mutable=['batch_stats'])
  jax.tree.map(np.testing.assert_array_equal, same, {'batch_stats': variables['batch_stats']})


# Resampling.


def test_cuts_filters_are_the_official_ones():
  ramp = jnp.arange(16.0).reshape(1, 4, 4, 1)
  np.testing.assert_allclose(resample.blurred_half(ramp)[0, ..., 0], [[2.5, 4], [8.5, 10]])
  square = jnp.array([[1.0, 2], [3, 4]]).reshape(1, 2, 2, 1)
  expected = [
    [1, 1.25, 1.75, 2], [1.5, 1.75, 2.25, 2.5], [2.5, 2.75, 3.25, 3.5], [3, 3.25, 3.75, 4]
  ]  # fmt: skip
  np.testing.assert_allclose(resample.blurred_double(square)[0, ..., 0], expected)


@pytest.mark.parametrize(
  ('fused', 'plain'),
  [
    (
      resample.conv_doubled,
      lambda x, k: conv_ops.conv(conv_ops.reflect_pad(resample.nearest_double(x), 1), k),
    ),
    (
      lambda x, k: resample.conv_doubled(x, k, 'constant'),
      lambda x, k: conv_ops.conv_same(resample.nearest_double(x), k),
    ),
    (resample.conv_halved, lambda x, k: resample.mean_halved(conv_ops.conv_same(x, k))),
  ],
)
def test_a_convolution_and_a_change_of_size_in_one_are_the_two_in_value_and_gradients(fused, plain):
  x, kernel = normal(2, 6, 4, 2), normal(3, 3, 2, 5)
  weights = normal(*jax.eval_shape(plain, x, kernel).shape)
  found, expected = (
    jax.value_and_grad(lambda x, k, f=f: (f(x, k) * weights).sum(), (0, 1))(x, kernel)
    for f in (fused, plain)
  )
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), found, expected)


# PatchNCE.


def test_patch_nce_is_the_official_loss_within_each_image():
  q = jnp.array([[[1.0, 0], [0.6, 0.8], [0, 1]]])
  k = jnp.array([[[0.8, 0.6], [0, 1], [-1, 0]]])
  assert float(patch_nce(q, k)) == pytest.approx(5.55719629, rel=1e-6)
  q = jnp.array([[1, 0], [0.6, 0.8], [0, 1], [0.8, -0.6]]).reshape(2, 2, 2)
  k = jnp.array([[0.8, 0.6], [0, 1], [-1, 0], [1, 0]]).reshape(2, 2, 2)
  expected = np.mean([1.08800810e-05, 2.38256999, 0.69314718, 1.18377530e-10])
  assert float(patch_nce(q, k)) == pytest.approx(expected, rel=1e-5)


def test_no_gradient_of_patch_nce_reaches_the_keys():
  q, k = normal(1, 4, 3), normal(1, 4, 3)
  assert not jax.grad(patch_nce, 1)(q, k).any()
  assert jax.grad(patch_nce)(q, k).any()


def test_identical_orthogonal_features_cost_the_products_of_the_others_only():
  features = jnp.eye(4)[None]
  assert float(patch_nce(features, features)) == pytest.approx(3 * np.exp(-1 / 0.07), rel=0.1)


# Schedules: once an epoch, as the official codes have them.


def rates(module, words, epochs):
  """The rate of the first step of each (official, counted from 1) epoch over the recipe's."""
  config = module.get_config(words)
  config.model.width = config.model.d_width = 2
  from decoupled_gan.core import optim

  o, seen = config.optimizer, {}
  end = config.num_steps if o.decay_end_step < 0 else o.decay_end_step
  decay = optim.linear_decay(1.0, end, o.decay_start_step, o.decay_every_steps)
  for epoch in epochs:
    first = (epoch - 1) * o.decay_every_steps
    values = {float(decay(first + i)) for i in (0, o.decay_every_steps - 1)}
    assert len(values) == 1, 'constant within an epoch'
    (seen[epoch],) = values
  return seen


def test_cyclegans_epoch_100_is_decayed_already_and_its_last_one_has_no_rate():
  found = rates(cyclegan, '', (1, 99, 100, 101, 199, 200))
  expected = {1: 1, 99: 1, 100: 100 / 101, 101: 99 / 101, 199: 1 / 101, 200: 0}
  assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
  ('words', 'constant', 'last'), [('', 200, 400), ('fast', 150, 200)], ids=['cut', 'fastcut']
)
def test_cuts_last_epoch_still_has_some(words, constant, last):
  share = 1 / (last - constant + 1)
  found = rates(cut, words, (1, constant, constant + 1, last))
  assert found == pytest.approx({1: 1, constant: 1, constant + 1: 1 - share, last: share}, rel=1e-5)


def test_munits_rate_is_halved_after_each_hundred_thousand_steps():
  entry = munit.get_config().anneal.optimizer.learning_rate
  rate = schedule(1e-4, entry, 'anneal')
  found = [float(rate(step)) for step in (0, 99_999, 100_000, 250_000)]
  assert found == pytest.approx([1e-4, 1e-4, 5e-5, 2.5e-5])


def test_an_unknown_shape_is_told_the_shapes_there_are():
  with pytest.raises(UserError, match='shapes are linear, cosine, steps'):
    schedule(1.0, (0.5, 10, 'stairs'), 'anneal.x')


# Sizes, and mistakes.


@pytest.mark.parametrize(
  ('name', 'fields', 'told'),
  [
    ('cyclegan', {'image_size': 30}, r'image_size=30 must be a multiple of 4, for the generator'),
    ('cyclegan', {'image_size': 20}, r'image_size=20 is too small for model\.d_layers=3.*24'),
    ('cyclegan', {'model.norm': 'layer'}, r"model\.norm='layer' is unknown; there are instance, batch"),
    ('cyclegan', {'losses.adversarial': 'relativistic'}, r"adversarial='relativistic' is unknown"),
    ('pix2pix', {'image_size': 48}, r'image_size=48 must be a multiple of 32, for model\.downs=5'),
    ('pix2pix', {'model.downs': 4}, r'model\.downs=4: the U-Net has at least 5 levels'),
    ('pix2pix', {'model.test_statistics': 'all'}, r"test_statistics='all' is unknown; there are image"),
    ('cut', {'model.taps': ('block_7',)}, r'model\.taps: a generator of 1 blocks has no block_7'),
    ('cut', {'model.initial': 'he'}, r"model\.initial='he' is unknown; there are normal, xavier"),
    ('ugatit', {'model.depths': (7, 4)}, r'image_size=32 is too small for model\.depths=\(7, 4\).*96'),
    ('munit', {'image_size': 24}, r'image_size=24 must be a multiple of 16'),
  ],
)
def test_what_does_not_fit_is_told_before_anything_is_built(name, fields, told):
  config = importlib.import_module(f'configs.{name}').get_config('tiny')
  config.update_from_flattened_dict(fields)
  with pytest.raises(UserError, match=told):
    experiment.build(config)


def test_the_networks_have_the_official_numbers_of_parameters():
  from decoupled_gan.core.state import count
  from decoupled_gan.networks.translate import munit, projector, ugatit, unet

  def parameters(network, *inputs):
    return count(jax.eval_shape(network.init, jax.random.key(0), *inputs)['params'])

  image, pair = (jax.ShapeDtypeStruct((1, 256, 256, n), jnp.float32) for n in (3, 6))
  assert parameters(resnet.ResnetGenerator(), image) == 11_378_179
  assert parameters(resnet.ResnetGenerator(blocks=6), image) == 7_837_699
  assert parameters(resnet.ResnetGenerator(antialias=True), image) == 11_378_179
  assert parameters(patch.PatchGAN(), image) == 2_764_737
  assert parameters(patch.PatchGAN(norm='batch'), pair) == 2_768_705
  assert parameters(unet.UNet(), image) == 54_413_955
  half = jax.ShapeDtypeStruct((1, 128, 128, 3), jnp.float32)
  assert parameters(unet.UNet(downs=7), half) == 41_828_995
  assert parameters(ugatit.Generator(), image) == 10_589_888
  assert parameters(ugatit.Generator(full=True), image) == 278_959_808
  assert parameters(ugatit.Discriminator(layers=7), image) == 53_130_176
  assert parameters(ugatit.Discriminator(layers=5), image) == 3_290_560
  maps = [jax.ShapeDtypeStruct((1, 4, 4, n), jnp.float32) for n in (3, 128, 256, 256, 256)]
  places = [jax.ShapeDtypeStruct((2,), jnp.int32)] * 5
  assert parameters(projector.Projector(), maps, places) == 560_384
  logits = jax.eval_shape(munit.MultiScale().init_with_output, jax.random.key(0), image)[0]
  assert [x.shape for x in logits] == [(1, 16, 16, 1), (1, 8, 8, 1), (1, 4, 4, 1)]


@pytest.mark.parametrize(('size', 'edge'), [((256, 256), 30), ((32, 32), 2), ((64, 96), None)])
def test_a_patchgan_takes_any_size(size, edge):
  x = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
  logits = jax.eval_shape(patch.PatchGAN(8).init_with_output, jax.random.key(0), x)[0]
  assert logits.shape[1:3] == ((edge, edge) if edge else (6, 10))
