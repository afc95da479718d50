"""SRGAN: its networks' counts, what is made smaller and how, its losses' scales, its stages."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from decoupled_gan.core import routing, state
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.layers.conv_ops import pixel_shuffle
from decoupled_gan.losses.adversarial import unpaired
from decoupled_gan.methods.translate import srgan
from decoupled_gan.networks.translate.srgan import Discriminator, Generator
from decoupled_gan.pretrained import vgg
from decoupled_gan.run import experiment, inference


def counted(network, *shape):
  variables = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros(shape))
  return sum(x.size for x in jax.tree.leaves(variables['params']))


@pytest.mark.row(57)
def test_parameter_counts_are_the_papers_networks():
  assert counted(Generator(), 1, 24, 24, 3) == 1_549_462
  assert counted(Discriminator(), 1, 96, 96, 3) == 23_565_505


@pytest.mark.row(57)
def test_pixel_shuffle_has_torchs_order():
  x = pixel_shuffle(jnp.arange(8.0).reshape(1, 1, 1, 8))
  np.testing.assert_array_equal(x[0, :, :, 0], [[0, 1], [2, 3]])
  np.testing.assert_array_equal(x[0, :, :, 1], [[4, 5], [6, 7]])


@pytest.mark.row(57)
def test_images_are_made_smaller_as_pillow_does_it():
  image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
  wanted = np.asarray(Image.fromarray(image).resize((12, 8), Image.Resampling.BICUBIC))
  found = srgan.reduced(jnp.asarray(image, jnp.float32)[None] / 127.5 - 1, 4)[0]
  levels = np.asarray(found) * 127.5 + 127.5
  np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)
  assert np.abs(levels - wanted).max() <= 1.001, 'Pillow rounds between its two passes'


@pytest.mark.row(57)
def test_nobody_is_told_to_train_it_the_other_way():
  run = experiment.build(importlib.import_module('configs.srgan').get_config('mse,tiny'), train=False)
  with pytest.raises(UserError, match=r'translates one way only, which is called a_to_b here\.'):
    inference.Trained(run, {}, 0).check('b_to_a')


@pytest.mark.row(57)
def test_small_images_enter_in_0_to_1():
  seen = []

  class Seeing:
    factor = 4

    def generator(self, x):
      seen.append(x)

  srgan.SRGAN.enlarge(Seeing(), jnp.array([-1.0, 0.0, 1.0]))
  np.testing.assert_array_equal(seen[0], [0, 0.5, 1])


@pytest.mark.row(57)
def test_features_are_summed_over_channels_and_scaled():
  x, y = jnp.zeros((2, 3, 5, 7)), jnp.ones((2, 3, 5, 7))
  assert srgan.feature_distance(x, y) == pytest.approx(7 * 0.00615148, rel=1e-5)


@pytest.mark.row(57)
def test_the_generators_loss_is_minus_log_d():
  logits = jnp.array([0.3, -1.2, 2.0]).reshape(3, 1)
  assert unpaired()['non_saturating'].generate(logits, None) == pytest.approx(0.71485524, rel=1e-6)


@pytest.mark.row(57)
def test_maps_of_vgg_come_after_relu_at_their_sizes():
  shapes = jax.eval_shape(vgg.VGG16().init, jax.random.key(0), jnp.zeros((1, 224, 224, 3)))
  for layer, shape in ((7, (1, 16, 16, 128)), (28, (1, 2, 2, 512))):
    images = jnp.zeros((1, 32, 32, 3))
    found = jax.eval_shape(lambda v, x, n=layer: vgg.maps(v, x, n), shapes, images)
    assert found.shape == shape


@pytest.mark.row(57)
def test_the_first_stage_trains_the_generator_alone_and_the_second_both():
  run = experiment.build(importlib.import_module('configs.srgan').get_config('mse'))
  played = [
    [phase.name for _, phase in routing.played(run.phases, routing.active(run.phases, step))]
    for step in (0, 999_999, 1_000_000)
  ]
  assert played == [['pretrain'], ['pretrain'], ['discriminate', 'upsample']]
  rate = run.config.anneal.optimizer['learning_rate']
  assert rate == (0.1, 1_100_000, 'steps'), '1e-4 for 100,000 steps with a discriminator, then 1e-5'


@pytest.mark.row(57)
def test_an_unknown_content_is_told_those_that_there_are():
  config = importlib.import_module('configs.srgan').get_config('tiny')
  config.losses.content = 'vgg19'
  with pytest.raises(UserError, match=r"losses\.content='vgg19' is unknown; there are mse, vgg22"):
    experiment.build(config)


@pytest.fixture(scope='module')
def tiny():
  config = importlib.import_module('configs.srgan').get_config('tiny')
  return experiment.build(config, jax.devices()[:1])


@pytest.mark.row(57)
def test_a_step_of_the_second_stage_moves_both_and_the_averages_once(tiny):
  images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
  state = tiny.create_state()
  before = jax.device_get(state)  # the step reuses its buffers
  after, losses = tiny.train_step()(state, Examples(images), routing.active(tiny.phases, 2))
  assert set(losses) == {'discriminate/adversarial', 'upsample/content', 'upsample/adversarial'}
  for group in ('generator', 'discriminator'):
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max() > 0, before.params, after.params)[group]
    assert any(jax.tree.leaves(moved)), group
  named = {jax.tree_util.keystr(p): x for p, x in jax.tree_util.tree_leaves_with_path(after.stats)}
  counts = [x for name, x in named.items() if 'count' in name and 'generator' in name]
  assert counts
  assert all(int(x) == 1 for x in counts), 'once a step, though it runs in two phases'


@pytest.mark.row(57)
def test_translate_makes_images_of_any_size_four_times_as_large(tiny):
  trained = inference.Trained(tiny, state.inference_variables(tiny.create_state()), 0)
  image = np.random.default_rng(0).integers(0, 256, (21, 34, 3), np.uint8)
  assert trained.any_size('a_to_b', [(21, 34)], 8)(image).shape == (84, 136, 3)
