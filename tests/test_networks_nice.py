"""NICE-GAN's networks against the official sizes: counted by shape, hardly anything is computed."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.errors import ScopeParamShapeError

from decoupled_gan.core.state import count
from decoupled_gan.errors import UserError
from decoupled_gan.networks.nice import HEADS, Classifier, Encoder, Generator, check_size


def shape(*sizes):
  return jax.ShapeDtypeStruct(sizes, jnp.float32)


def variables(network, x):
  return jax.eval_shape(network.init, jax.random.key(0), x)


def outputs(network, x):
  """Shapes of what `network` gives for `x` in evaluation."""
  return jax.eval_shape(network.apply, variables(network, x), x)


def params(network, x):
  return count(variables(network, x)['params'])


def generator_params(size=256, width=64, **options):
  return params(Generator(width, **options), shape(1, size // 4, size // 4, 2 * width))


def discriminator_params(width, depth, size=256, channels=3):
  images, latents = shape(1, size, size, channels), shape(1, size // 4, size // 4, 2 * width)
  return params(Encoder(width), images) + params(Classifier(width, depth), latents)


# How many parameters there are.


def test_the_papers_generator_has_8_104_640_parameters():
  assert generator_params() == 8_104_640


def test_the_star_generator_has_5_743_296_parameters():
  assert generator_params(blocks=4) == 5_743_296


@pytest.mark.parametrize(('size', 'number'), [(256, 276_474_560), (128, 75_147_968), (64, 24_816_320)])
def test_the_full_generators_parameters_grow_with_the_image(size, number):
  assert generator_params(size, full=True) == number


@pytest.mark.parametrize('size', [32, 128, 512])
def test_the_light_generators_parameters_do_not(size):
  assert generator_params(size) == 8_104_640


@pytest.mark.parametrize(('width', 'number'), [(32, 2_030_944), (16, 510_128)])
def test_narrow_generators_have_the_official_number_of_parameters(width, number):
  assert generator_params(width=width) == number


def test_an_adalin_block_has_1_180_672_parameters():
  assert generator_params(blocks=6) - generator_params(blocks=5) == 1_180_672


@pytest.mark.parametrize(
  ('width', 'depth', 'number'),
  [
    (64, 7, 46_874_433),
    (64, 6, 11_724_353),
    (32, 6, 2_937_633),
    (32, 7, 11_730_849),
    (16, 6, 737_681),
    (16, 7, 2_938_833),
  ],
)
def test_encoder_and_classifier_together_are_the_official_discriminator(width, depth, number):
  assert discriminator_params(width, depth) == number


def test_the_encoder_used_for_translation_has_167_489_parameters():
  assert params(Encoder(64), shape(1, 256, 256, 3)) == 167_489


def test_the_encoders_leaves_are_those_of_the_official_table():
  encoder = variables(Encoder(64), shape(1, 256, 256, 3))['params']
  assert {name: count(leaf) for name, leaf in encoder.items()} == {
    'conv_0': 3_136,
    'conv_1': 131_200,
    'cam': 256,
    'attention': 32_896 + 1,
  }


def test_the_classifiers_leaves_are_those_of_the_official_table():
  classifier = variables(Classifier(64, 7), shape(1, 64, 64, 128))['params']
  assert {name: count(leaf) for name, leaf in classifier.items()} == {
    'trunk_0': 524_544,
    'middle_hidden': 2_097_664,
    'middle_logits': 8_192,
    'global_trunk_0': 2_097_664,
    'global_trunk_1': 8_389_632,
    'global_hidden': 33_556_480,
    'global_logits': 32_768,
  }


def test_parameters_are_float32_also_when_the_networks_compute_in_bfloat16():
  for network, x in [
    (Encoder(8, dtype=jnp.bfloat16), shape(1, 48, 48, 3)),
    (Classifier(8, 6, dtype=jnp.bfloat16), shape(1, 12, 12, 16)),
    (Generator(8, 1, dtype=jnp.bfloat16), shape(1, 12, 12, 16)),
  ]:
    assert {x.dtype for x in jax.tree.leaves(variables(network, x))} == {jnp.dtype('float32')}


def test_a_bfloat16_generator_gives_float32_images():
  images = outputs(Generator(8, 1, dtype=jnp.bfloat16), shape(1, 12, 12, 16))
  assert images.dtype == jnp.float32


# What switching a part off saves.


def test_without_attention_the_encoder_lacks_exactly_the_attention():
  x = shape(1, 256, 256, 3)
  whole, bare = (variables(Encoder(64, attention=on), x)['params'] for on in (True, False))
  assert set(whole) - set(bare) == {'attention'}
  assert count(whole) - count(bare) == 32_897


def test_without_the_local_head_the_attention_still_has_its_weights():
  x = shape(1, 256, 256, 3)
  encoder = Encoder(64, local=False)
  assert params(encoder, x) == params(Encoder(64), x)
  _, logits = outputs(encoder, x)
  assert logits == {}


def test_without_attention_and_local_head_the_encoder_is_two_convolutions():
  encoder = variables(Encoder(64, attention=False, local=False), shape(1, 256, 256, 3))
  assert set(encoder['params']) == {'conv_0', 'conv_1'}


def test_without_the_middle_head_its_two_layers_are_missing():
  z = shape(1, 64, 64, 128)
  assert params(Classifier(64, 7), z) - params(Classifier(64, 7, ('local', 'global')), z) == (
    2_097_664 + 8_192
  )


def test_without_the_global_head_its_four_layers_are_missing():
  z = shape(1, 64, 64, 128)
  whole, part = (variables(Classifier(64, 7, h), z)['params'] for h in (HEADS, HEADS[:2]))
  assert set(whole) - set(part) == {
    'global_trunk_0', 'global_trunk_1', 'global_hidden', 'global_logits',
  }  # fmt: skip
  assert set(outputs(Classifier(64, 7, HEADS[:2]), z)) == {'middle'}


def test_a_classifier_without_heads_is_told_which_to_name():
  with pytest.raises(
    UserError, match=r"model\.heads names neither 'middle' nor 'global': name one of them"
  ):
    variables(Classifier(64, 7, ('local',)), shape(1, 64, 64, 128))


# How large the maps are.


@pytest.mark.parametrize(
  ('depth', 'size', 'middle', 'whole', 'z'),
  [
    (7, 256, 30, 6, 64),
    (7, 128, 14, 2, 32),
    (7, 96, 10, 1, 24),
    (8, 256, 14, 2, 64),
    (6, 256, 62, 14, 64),
    (6, 128, 30, 6, 32),
    (6, 64, 14, 2, 16),
    (6, 48, 10, 1, 12),
  ],
)
def test_heads_and_latents_have_the_official_sizes(depth, size, middle, whole, z):
  latents, local = outputs(Encoder(8), shape(2, size, size, 3))
  assert latents.shape == (2, z, z, 16)
  assert local['local'].shape == (2, 1)
  logits = outputs(Classifier(8, depth), latents)
  assert logits['middle'].shape == (2, middle, middle, 1)
  assert logits['global'].shape == (2, whole, whole, 1)


@pytest.mark.parametrize('size', [8, 20, 64, 256])
def test_the_light_generator_makes_images_four_times_its_latents_size(size):
  network = Generator(8, 2)
  made = variables(network, shape(1, 16, 16, 16))  # built at 64 px, used at others
  z = shape(3, size // 4, size // 4, 16)
  assert jax.eval_shape(network.apply, made, z).shape == (3, size, size, 3)


def test_the_light_generator_takes_images_that_are_not_square():
  network = Generator(8, 2)
  made = variables(network, shape(1, 16, 16, 16))
  assert jax.eval_shape(network.apply, made, shape(1, 4, 6, 16)).shape == (1, 16, 24, 3)


def test_the_full_generator_is_tied_to_its_size():
  network = Generator(8, 2, full=True)
  made = variables(network, shape(1, 16, 16, 16))
  with pytest.raises(ScopeParamShapeError, match='hidden_0'):
    jax.eval_shape(network.apply, made, shape(1, 8, 8, 16))


def test_one_channel_in_changes_the_encoders_first_layer_and_one_out_the_generators_last():
  grey, colour = (variables(Encoder(8), shape(1, 48, 48, c))['params'] for c in (1, 3))
  assert grey['conv_0']['conv']['kernel'].shape == (4, 4, 1, 8)
  assert {k: v for k, v in grey.items() if k != 'conv_0'} == {
    k: v for k, v in colour.items() if k != 'conv_0'
  }
  made = outputs(Generator(8, 1, channels=1), shape(1, 12, 12, 16))
  assert made.shape == (1, 48, 48, 1)
  of_channels = [generator_params(width=8, channels=channels) for channels in (1, 3)]
  assert of_channels[1] - of_channels[0] == 2 * 7 * 7 * 8


# What they compute, on the smallest of them.


@pytest.fixture(scope='module')
def encode():
  """encode(gamma) -> params, features before the attention, z, local logits; of the smallest one."""
  x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 8, 3)), jnp.float32)

  @jax.jit
  def run(gamma):
    made = Encoder(2).init(jax.random.key(0), x)
    start = made['params']['attention']['gamma']
    made['params']['attention']['gamma'] = jnp.where(jnp.isnan(gamma), start, gamma)
    z, logits = Encoder(2).apply(made, x)
    bare = {c: {k: v for k, v in made[c].items() if k != 'attention'} for c in made}
    h, _ = Encoder(2, attention=False).apply(bare, x)
    return made['params'], h, z, logits['local']

  return lambda gamma=np.nan: jax.tree.map(np.asarray, run(jnp.float32(gamma)))


def leaky(x):
  return np.where(x > 0, x, 0.2 * x)


def test_the_attentions_gamma_starts_at_0_and_z_at_the_twice_rectified_features(encode):
  params, h, z, _ = encode()
  assert params['attention']['gamma'] == 0
  assert (h < 0).any()
  np.testing.assert_allclose(z, leaky(h), rtol=1e-5, atol=1e-7)


def test_the_folded_attention_is_the_official_concatenation_times_the_raw_weight(encode):
  params, h, z, _ = encode(1.7)
  mix = params['attention']
  weighted = np.concatenate([h, h], -1) * params['cam']['kernel'][:, 0]
  a = weighted @ mix['kernel'][0, 0] + mix['bias']
  np.testing.assert_allclose(z, leaky(1.7 * a + h), rtol=1e-4, atol=1e-6)


def test_the_local_logit_is_of_average_then_maximum_with_the_normalised_weight(encode):
  params, h, _, local = encode()
  pooled = np.concatenate([h.mean((1, 2)), h.max((1, 2))], -1)
  weight = params['cam']['kernel']
  expected = pooled @ (weight / np.linalg.norm(weight))  # one output: its norm is exact
  np.testing.assert_allclose(local, expected, rtol=1e-4, atol=1e-6)


# check_size.


@pytest.mark.parametrize(('size', 'depth'), [(48, 6), (96, 7), (192, 8), (256, 7), (100, 7)])
def test_sizes_that_the_depth_can_take_pass(size, depth):
  check_size((size, size), depth)


@pytest.mark.parametrize(
  ('size', 'depth', 'message'),
  [
    (64, 7, 'image_size=64 is too small for model.depth=7: the smallest that works is 96, or '
            'model.depth=6.'),
    (44, 6, 'image_size=44 is too small for model.depth=6: the smallest that works is 48.'),
    (128, 9, 'image_size=128 is too small for model.depth=9: the smallest that works is 384, or '
             'model.depth=7.'),
    (32, 8, 'image_size=32 is too small for model.depth=8: the smallest that works is 192.'),
    (50, 7, 'image_size=50 must be a multiple of 4: try 48 or 52.'),
    ((96, 98), 7, 'image_size=(96, 98) must be a multiple of 4: try 96 or 100.'),
    ((32, 48), 6, 'image_size=(32, 48) is too small for model.depth=6: the smallest that works is 48.'),
    (98, 7, 'image_size=98 must be a multiple of 4: try 96 or 100.'),
    (256, 5, 'model.depth=5 is too small: the three-scale discriminator needs 6.'),
  ],
)  # fmt: skip
def test_sizes_that_do_not_fit_are_told_what_does(size, depth, message):
  with pytest.raises(UserError, match=f'^{re.escape(message)}$'):
    check_size((size, size) if isinstance(size, int) else size, depth)


@pytest.mark.parametrize('depth', [6, 7, 8])
def test_the_smallest_size_works_and_four_pixels_less_does_not(depth):
  smallest = {6: 48, 7: 96, 8: 192}[depth]
  check_size((smallest, smallest), depth)
  z = shape(1, smallest // 4, smallest // 4, 4)
  assert outputs(Classifier(2, depth), z)['global'].shape == (1, 1, 1, 1)
  with pytest.raises(ValueError, match='reflection padding of 1 needs a map larger'):
    outputs(Classifier(2, depth), shape(1, smallest // 4 - 1, smallest // 4 - 1, 4))
