"""StyleGAN2's networks and GLeaD's decoder: the numbers of the official classes, and properties."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stylegan2_golden import PYRAMID, filled, images, latents

from decoupled_gan.core.state import count
from decoupled_gan.errors import UserError
from decoupled_gan.machine.sharding import jit
from decoupled_gan.networks.glead import TaskedDiscriminator
from decoupled_gan.networks.stylegan2 import Discriminator, Generator, Pyramid


class Networks(nn.Module):
  def setup(self):
    self.generator = Generator(PYRAMID, 512, 2)
    self.discriminator = TaskedDiscriminator(PYRAMID, 4, 16, 32, 512)

  def __call__(self, z, real):
    return self.generator(z), self.discriminator.judge_and_decode(real)


def outputs(networks, z, real):
  """Everything that the official classes were asked for, with the fixed noise maps."""
  g, mapping = networks.generator, networks.generator.mapping
  w = mapping(z)
  found = {'w': w, 'w_truncated': mapping.truncate(w, 0.7)}
  mapping(z, track=True)
  found['image'], features = g.synthesis.features(g.broadcast(w), 'const')
  found['image_without_noise'] = g.synthesis(g.broadcast(w), 'none')
  found['features_8'], found['features_32'] = features[8], features[32]
  verdict, code = networks.discriminator.judge_and_decode(real)
  found['logits'] = verdict.outputs
  found['f'], found['i'], found['code_w'] = code
  half = [jax.image.resize(x, (8, 8, 8, x.shape[3]), 'bilinear', antialias=False) for x in code[:2]]
  found['rebuilt_from_8'] = g.synthesis.resume(*half, code.w, 'const')
  found['rebuilt_from_16'] = g.synthesis.resume(code.f, code.i, code.w, 'const')
  return found


@pytest.fixture(scope='module')
def golden():
  """{name: array} and the average w after one update."""
  networks, inputs = Networks(), (latents(), images(2))
  run = jax.jit(
    lambda v, *x: networks.apply(v, *x, method=outputs, mutable=['averages']),
    compiler_options={'xla_backend_optimization_level': 0},
  )
  found, stats = run(filled(networks, *inputs), *inputs)
  return found | {'w_average': stats['averages']['generator']['mapping']['w']}


# Mean, standard deviation and first values in the order N, C, H, W, from the official classes.
OFFICIAL = {
  'w': (0.438445, 0.919939, [1.087202, -0.105350, -0.178476, -0.091899]),
  'w_truncated': (0.306643, 0.644851, [0.772203, -0.055291, -0.141944, -0.088558]),
  'w_average': (0.001303, 0.096696, [0.040463, 0.062824, -0.056431, -0.074724]),
  'image': (0.275710, 1.303110, [0.251002, 0.482825, 0.738338, 0.597997]),
  'image_without_noise': (0.248110, 1.275873, [0.295634, 0.357290, 0.463908, 0.529253]),
  'features_8': (0.249319, 0.511267, [0.227683, 0.361625, 0.320678, 0.167606]),
  'features_32': (0.141680, 0.560987, [0.193279, 0.210119, 0.185865, -0.032886]),
  'logits': (-0.451986, 0.053630, [-0.465521, -0.549401, -0.439769, -0.418291]),
  'f': (0.049940, 0.408424, [0.198514, 0.217084, 0.252218, 0.272293]),
  'i': (-0.441530, 0.394311, [-0.156945, -0.230497, -0.270727, -0.291215]),
  'code_w': (-0.011289, 0.374508, [-0.576045, -0.205458, -0.238587, 0.177539]),
  'rebuilt_from_8': (-0.451977, 0.756973, [0.029791, 0.106246]),
  'rebuilt_from_16': (-0.058776, 1.243036, [0.322302, 0.513205]),
}


@pytest.mark.row(39)
@pytest.mark.parametrize('name', OFFICIAL)
def test_outputs_equal_those_of_the_official_classes(golden, name):
  mean, deviation, first = OFFICIAL[name]
  array = np.asarray(golden[name], np.float64)
  if array.ndim == 4:
    array = array.transpose(0, 3, 1, 2)
  np.testing.assert_allclose([array.mean(), array.std()], [mean, deviation], atol=1e-5)
  np.testing.assert_allclose(array.ravel()[: len(first)], first, atol=1e-5)


# How many parameters there are.


def abstract(module, *shapes):
  inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
  return jax.eval_shape(module.init, jax.random.key(0), *inputs)


def test_the_published_generator_has_24_767_458_parameters():
  params = abstract(Generator(Pyramid(256)), (1, 512))['params']
  assert count(params['mapping']) == 2_101_248
  assert count(params['synthesis']) == 22_666_210


@pytest.mark.parametrize(('rebuild_size', 'heads'), [(32, 1_838_595), (64, 1_772_803)])
def test_the_published_discriminators_have_the_official_number_of_parameters(rebuild_size, heads):
  pyramid = Pyramid(256)
  network = TaskedDiscriminator(pyramid, 8, 64, pyramid.channels(rebuild_size), 512)
  params = jax.eval_shape(
    lambda x: network.init(jax.random.key(0), x, method='judge_and_decode'),
    jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32),
  )['params']
  assert (count(params['backbone']), count(params['decoder'])) == (24_001_089, heads)


# Sizes, channels, types.


@pytest.mark.parametrize(('size', 'channels', 'num_ws'), [(16, 1, 6), (64, 3, 10)])
def test_any_power_of_two_from_16_works_in_grey_and_colour(size, channels, num_ws):
  pyramid = Pyramid(size, base=4 * size, largest=8, image_channels=channels)
  assert pyramid.num_ws == num_ws
  generator, discriminator = Generator(pyramid, 8, 1), Discriminator(pyramid)
  image = jax.eval_shape(lambda z: generator.init_with_output(jax.random.key(0), z)[0], jnp.ones((4, 5)))
  assert (image.shape, image.dtype) == ((4, size, size, channels), jnp.float32)
  logits, features = jax.eval_shape(
    lambda x: discriminator.init_with_output(jax.random.key(0), x)[0], image
  )
  assert logits.shape == (4, 1)
  assert {k: v.shape for k, v in features.items()} == {
    s // 2: (4, s // 2, s // 2, pyramid.channels(s // 2)) for s in pyramid.sizes(8)
  }


@pytest.mark.parametrize(('size', 'near'), [(48, 64), (8, 16), (0, 16)])
def test_other_sizes_are_told_with_one_that_works(size, near):
  with pytest.raises(UserError, match=f'image_size={size} must be a power of two from 16: try {near}'):
    Pyramid(size)


def test_a_pyramid_without_channels_at_the_top_is_told():
  with pytest.raises(UserError, match='channel_base=32 leaves no channels at image_size=64'):
    Pyramid(64, base=32)


@pytest.mark.slow
def test_half_precision_is_that_of_the_largest_blocks_and_comes_close():
  results = []
  for half_blocks in (0, 2):
    pyramid = Pyramid(32, 256, 8, half_blocks=half_blocks)
    network = Generator(pyramid, 16, 1)
    z = jax.random.normal(jax.random.key(1), (2, 16))
    draw = jit(
      lambda key, z, network=network: network.init_with_output(key, z, 1.0, 'const'), quick=True
    )
    image, variables = draw(jax.random.key(0), z)
    assert {x.dtype.name for x in jax.tree.leaves(variables)} == {'float32'}
    results.append(image)
  assert [Pyramid(32, half_blocks=2).dtype(s) for s in (4, 8, 16, 32)] == [
    *[jnp.float32] * 2,
    *[jnp.bfloat16] * 2,
  ]
  assert results[1].dtype == jnp.float32
  assert 0 < np.abs(results[1] - results[0]).max() < 0.05 * np.abs(results[0]).max()


# Truncation and noise.


@pytest.fixture(scope='module')
def small():
  network = Generator(Pyramid(16, 64, 8), 8, 1)
  z = jax.random.normal(jax.random.key(1), (3, 8))
  variables = jit(lambda key, z: network.init(key, z, 1.0, 'const'), quick=True)(jax.random.key(0), z)
  strengths = jax.tree_util.tree_map_with_path(
    lambda path, x: x + (path[-1].key == 'noise_strength'), variables['params']
  )
  return network, variables | {'params': strengths}, z


def drawn_by(network, variables, z, truncation, noise, seed=0):
  def draw(variables, z, key):
    return network.apply(variables, z, truncation, noise, rngs={'noise': key})

  return jit(draw, quick=True)(variables, z, jax.random.key(seed))


def test_truncation_0_is_the_average_image_whatever_the_latent(small):
  network, variables, z = small
  drawn = drawn_by(network, variables, z, 0.0, 'const')
  np.testing.assert_allclose(drawn, jnp.broadcast_to(drawn[:1], drawn.shape), atol=1e-5)


def test_random_noise_differs_between_images_and_calls_and_fixed_noise_does_not(small):
  network, variables, z = small
  z = jnp.broadcast_to(z[:1], z.shape)
  random = [drawn_by(network, variables, z, 1.0, 'random', i) for i in (0, 1)]
  assert np.abs(random[0] - random[1]).max() > 0.01
  assert np.abs(random[0][0] - random[0][1]).max() > 0.01
  fixed = drawn_by(network, variables, z, 1.0, 'const')
  np.testing.assert_allclose(fixed[0], fixed[1], atol=1e-5)
  assert np.abs(fixed - drawn_by(network, variables, z, 1.0, 'none')).max() > 0.01


def test_the_average_w_moves_only_when_it_is_asked_for_and_mutable(small):
  network, variables, z = small

  def average(track):
    _, changed = network.apply(
      variables, z, method=lambda g, z: g.mapping(z, track=track), mutable=['averages']
    )
    return changed['averages']['mapping']['w']

  w = network.apply(variables, z, method=lambda g, z: g.mapping(z))
  np.testing.assert_array_equal(average(False), 0)
  np.testing.assert_allclose(average(True), 0.005 * w.mean(0), rtol=1e-3, atol=1e-7)


def test_rebuilding_from_the_generators_own_features_and_image_gives_the_image(small):
  """The code's f, i and w take the places that they are said to take."""
  network, variables, z = small

  def both(g, z):
    w = g.mapping(z)
    whole, features = g.synthesis.features(g.broadcast(w), 'const')
    image = None
    x = None
    for size in (4, 8):
      x, image = getattr(g.synthesis, f'b{size}')(x, image, g.broadcast(w)[:, :3], 'const')
    np.testing.assert_allclose(x, features[8], atol=1e-5)
    return whole, g.synthesis.resume(x, image, w, 'const')

  whole, resumed = network.apply(variables, z, method=both)
  np.testing.assert_allclose(resumed, whole, atol=1e-5)
