"""The networks of ED//GAN: sizes and numbers of the official code, norms, dropout, labels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import facades, utkface
from decoupled_gan.core import state
from decoupled_gan.errors import UserError
from decoupled_gan.machine import sharding
from decoupled_gan.networks import edgan
from decoupled_gan.networks.edgan import CodeJudge, Decoder, Encoder, Judge, PairJudge, UNet
from decoupled_gan.run import experiment

COUNTS = (10, 2)


@pytest.mark.parametrize(
  ('config', 'expected'),
  [
    (
      utkface.get_config(),
      {
        'encoder': 18_234_034,
        'decoder': 19_948_195,
        'residual': 19_965_587,
        'discriminator': 37_928_001,
        'latent_discriminator': 6_001,
      },
    ),
    (
      facades.get_config('official'),
      {'generator': 85_022_787, 'residual': 85_022_787, 'discriminator': 4_837_441},
    ),
  ],
  ids=['utkface', 'facades'],
)
def test_parameters_are_as_many_as_in_the_official_code(config, expected):
  params = experiment.build(config).abstract_state().params
  assert {group: state.count(params[group]) for group in params} == expected


def test_the_innermost_layer_loses_its_scale_and_shift_only():
  params = experiment.build(facades.get_config()).abstract_state().params
  assert state.count(params['generator']) == 85_022_787 - 2 * 512


def shapes(module, *inputs):
  return jax.eval_shape(module.init, jax.random.key(0), *inputs)['params']


def test_the_decoder_starts_from_150_numbers_and_the_judge_goes_on_from_84_channels():
  code, labels, image = jnp.zeros((1, 50)), jnp.zeros((1, 2), jnp.int32), jnp.zeros((1, 128, 128, 3))
  decoder = shapes(Decoder(128, COUNTS), code, labels)
  assert decoder['code']['kernel'].shape == (150, 16384)
  assert shapes(Judge(COUNTS), image, labels)['conv_1']['kernel'].shape == (5, 5, 84, 128)


def test_labels_become_one_hots_of_minus_and_plus_one_repeated_as_a_whole():
  age, gender = edgan.one_hots(jnp.array([[2, 1]]), (3, 2))
  np.testing.assert_array_equal(age, [[-1, -1, 1]])
  np.testing.assert_array_equal(gender, [[-1, 1]])
  row = edgan.tiled([age, gender], 6)[0]
  np.testing.assert_array_equal(row, [-1, -1, 1, -1, -1, 1, -1, 1, -1, 1, -1, 1])
  assert edgan.tiled([age], 2).shape == (1, 3), 'once at least'


def outputs(image, labels):
  """What freshly made networks give: code, images, logits."""

  def first(module, *inputs):
    return module.init_with_output(jax.random.key(0), *inputs)[0]

  code = first(Encoder(2), image)
  images = first(Decoder(image.shape[1], COUNTS, 1, 2), code, labels), first(UNet(1, 2), image)
  return code, images, (first(PairJudge(2), image, images[1]), first(Judge(COUNTS, 2), image, labels))


@pytest.mark.parametrize('size', [32, 64])
def test_other_powers_of_two_work(size):
  made = jax.eval_shape(outputs, jnp.ones((2, size, size, 1)), jnp.zeros((2, 2), jnp.int32))
  found = [x.shape for x in jax.tree.leaves(made)]
  assert found == [(2, 50), (2, size, size, 1), (2, size, size, 1), (2, 1), (2, 1)]


def test_images_lie_in_the_range_of_tanh():
  image, labels = jnp.ones((2, 16, 16, 1)), jnp.zeros((2, 2), jnp.int32)
  _, images, _ = sharding.jit(outputs, quick=True)(image, labels)
  for x in images:
    assert x.shape == image.shape
    assert jnp.abs(x).max() <= 1


@pytest.mark.parametrize(('size', 'near'), [(96, 128), (8, 16), (200, 256)])
def test_a_size_that_cannot_be_halved_is_told_with_one_that_can(size, near):
  with pytest.raises(UserError, match=f'image_size={size} .* power of two, at least 16; try {near}'):
    edgan.check_size(size, 16)


def test_kernels_start_with_the_official_standard_deviations():
  params = Encoder(32).init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)))['params']
  convolution, linear = params['conv_3']['kernel'], params['code']['kernel']
  assert convolution.std() == pytest.approx(0.01759, rel=0.01)
  assert jnp.abs(convolution).max() <= 0.04
  assert linear.std() == pytest.approx(0.02, rel=0.01)
  assert not params['conv_3']['bias'].any()


def test_judges_normalise_by_the_batch_in_training_and_by_running_averages_after():
  code = jax.random.normal(jax.random.key(0), (8, 50)) + 3
  net = CodeJudge()
  variables = net.init(jax.random.key(1), code)
  train = jax.jit(lambda variables: net.apply(variables, code, mutable=['batch_stats']))
  trained, stats = train(variables)
  before = net.apply(variables, code)
  assert not np.allclose(trained, before, atol=5e-3)
  for _ in range(1000):
    _, stats = train({**variables, **stats})
  after = net.apply({**variables, **stats}, code)
  np.testing.assert_allclose(after, trained, atol=5e-3)


@pytest.mark.parametrize('dead', [True, False])
def test_the_innermost_layer_learns_unless_it_is_normalised(dead):
  net = UNet(1, 2, norm_innermost=dead)
  image = jax.random.normal(jax.random.key(0), (1, 16, 16, 1))
  params = sharding.jit(net.init, quick=True)(jax.random.key(1), image)['params']

  def loss(params):
    return jnp.square(net.apply({'params': params}, image) - image).mean()

  gradient = sharding.jit(jax.grad(loss), quick=True)(params)
  assert bool(gradient['down_3']['kernel'].any()) is not dead
  assert gradient['down_2']['kernel'].any()


def test_dropout_is_active_where_noise_is_given():
  net, image = UNet(1, 2), jnp.ones((1, 16, 16, 1))
  variables = sharding.jit(net.init, quick=True)(jax.random.key(0), image)
  apply = sharding.jit(lambda **options: net.apply(variables, image, **options), quick=True)
  plain = apply()
  np.testing.assert_array_equal(apply(), plain)
  noisy = [apply(rngs={'noise': jax.random.key(k)}) for k in (0, 0, 1)]
  np.testing.assert_array_equal(noisy[0], noisy[1])
  assert not np.array_equal(noisy[0], noisy[2])
  assert not np.array_equal(noisy[0], plain)
