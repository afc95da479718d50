"""Free-form inpainting: gates, holes, contextual attention, counts, who gets which gradient."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from decoupled_gan.core import state
from decoupled_gan.errors import UserError
from decoupled_gan.layers import conv_ops
from decoupled_gan.losses.adversarial import unpaired
from decoupled_gan.machine import sharding
from decoupled_gan.methods.translate import inpaint
from decoupled_gan.modes import inpaint as mode
from decoupled_gan.networks.translate import contextual, holes
from decoupled_gan.networks.translate.inpaint import Discriminator, Generator, gated
from decoupled_gan.run import experiment, inference


def counted(network, size, begins=''):
  arguments = jnp.zeros((1, size, size, 3)), jnp.zeros((1, size, size, 1))
  params = jax.eval_shape(network.init, jax.random.key(0), *arguments)['params']
  chosen = [params[name] for name in params if name.startswith(begins)]
  return sum(x.size for x in jax.tree.leaves(chosen))


@pytest.mark.row(25)
def test_parameter_counts_are_the_official_ones():
  assert counted(Generator(), 64) == 4_052_478
  assert counted(Generator(), 64, begins='coarse') == 1_631_151
  assert counted(Discriminator(), 64) == 5_946_816


@pytest.mark.row(25)
def test_without_gates_a_wider_network_has_as_many():
  config = importlib.import_module('configs.inpaint').get_config('plain')
  count = counted(Generator(config.model.width, gates=False), 64)
  assert count == pytest.approx(4_052_478, rel=0.01)


@pytest.mark.row(25)
def test_half_of_the_channels_gate_the_other_half():
  features, gates = [-1, -0.5, 0, 0.5, 2], [0, 1, -1, 3, -2]
  found = gated(jnp.array([features + gates], jnp.float32))[0]
  wanted = [-0.31606028, -0.28764914, 0, 0.47628706, 0.23840584]
  np.testing.assert_allclose(found, wanted, atol=1e-7)


@pytest.mark.row(25)
def test_the_hinge_loss_is_halved_by_the_table():
  real, fake = jnp.array([1.5, 0.2, -0.3]), jnp.array([-1.2, 0.4, -0.1])
  players = unpaired()['hinge']
  weight = importlib.import_module('configs.inpaint').get_config().routes.discriminate
  halved = weight.adversarial.discriminator * players.discriminate(real, fake)
  assert halved == pytest.approx(0.73333333)
  assert players.generate(fake, None) == pytest.approx(0.3)


@pytest.mark.parametrize(('size', 'rate'), [((8, 12), 2), ((7, 9), 4), ((5, 5), 8)])
@pytest.mark.row(25)
def test_a_dilated_convolution_is_laxs(size, rate):
  rng = np.random.default_rng(0)
  x, kernel = (jnp.asarray(rng.standard_normal(s), jnp.float32) for s in ((2, *size, 3), (3, 3, 3, 4)))
  wanted = jax.lax.conv_general_dilated(
    x, kernel, (1, 1), 'SAME', rhs_dilation=(rate, rate), dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )
  np.testing.assert_allclose(conv_ops.conv_dilated(x, kernel, rate), wanted, atol=1e-5)


# Contextual attention.


@pytest.mark.row(25)
def test_nearest_rows_are_tensorflow_ones():
  found = contextual.nearest(jnp.arange(8.0).reshape(1, 8, 1, 1).repeat(8, 2), 2)
  np.testing.assert_array_equal(found[0, :, 0, 0], [0, 2, 5, 7])


@pytest.mark.row(25)
def test_pasting_is_the_transpose_of_taking_patches():
  rng = np.random.default_rng(0)
  x = jnp.asarray(rng.standard_normal((1, 6, 8, 2)), jnp.float32)
  taken, transpose = jax.vjp(lambda x: contextual.patches(x, 4, 2), x)
  windows = jnp.asarray(rng.standard_normal(taken.shape), jnp.float32)
  np.testing.assert_allclose(contextual.pasted(windows, 2), transpose(windows)[0], atol=1e-5)


@pytest.mark.row(25)
def test_fusing_adds_diagonal_neighbours_along_both_axes():
  scores = np.random.default_rng(0).standard_normal((1, 3, 4, 3, 4)).astype(np.float32)
  wanted = scores
  for order in ((0, 1, 2, 3, 4), (0, 2, 1, 4, 3)):
    turned = wanted.transpose(order).reshape(12, 12)
    padded = np.pad(turned, 1)
    summed = sum(padded[i : i + 12, i : i + 12] for i in range(3))
    wanted = summed.reshape(np.array((1, 3, 4, 3, 4))[list(order)]).transpose(order)
  np.testing.assert_allclose(contextual.fused(jnp.asarray(scores)), wanted, atol=1e-6)


@pytest.mark.row(25)
def test_a_hole_is_made_of_what_is_outside_of_it():
  x = jnp.asarray(np.random.default_rng(0).uniform(1, 2, (1, 16, 16, 4)), jnp.float32)
  hole = jnp.zeros((1, 16, 16, 1)).at[:, :, 8:].set(1)
  attend = jax.jit(contextual.contextual_attention)
  found = attend(x, hole)
  assert found.shape == x.shape
  assert found.min() > 0.2, 'a mixture of patches of 1 to 2, four of which lie on a pixel'
  slope = jax.jit(jax.grad(lambda x: contextual.contextual_attention(x, hole)[:, :, 12:].sum()))(x)
  assert jnp.abs(slope[:, :, :4]).max() > 0, 'patches of the left half are pasted on the right'
  nothing = jnp.where(hole > 0, 0, x)
  alone = attend(nothing, hole)[:, :, 12:]
  assert not jnp.allclose(alone, 0), 'even where the hole holds nothing'


# Holes.


@pytest.mark.row(25)
def test_holes_are_a_box_and_strokes_of_the_published_extent():
  draw = jax.jit(holes.hole, static_argnums=(1, 2))
  drawn = np.concatenate([draw(jax.random.key(i), 64, 64) for i in range(40)])
  assert set(np.unique(drawn)) == {0, 1}
  share = drawn.mean((1, 2, 3))
  assert share.min() > (96 / 256) ** 2 * 0.9, 'the box is 96 to 128 px of 256'
  assert share.max() < 0.9
  rows, columns = (jnp.arange(256) + 0.5 for _ in range(2))
  box = jax.jit(lambda key: holes.box(key, rows, columns, 1.0))
  boxes = np.stack([box(jax.random.key(i)) for i in range(40)])
  edges = np.stack([boxes.any(2).sum(1), boxes.any(1).sum(1)])
  assert edges.min() >= 96
  assert edges.max() <= 128
  assert np.ptp(edges) > 20


# The method.


@pytest.fixture(scope='module')
def tiny():
  config = importlib.import_module('configs.inpaint').get_config('tiny')
  return experiment.build(config, jax.devices()[:1])


@pytest.fixture(scope='module')
def opened(tiny):
  return inference.Trained(tiny, state.inference_variables(tiny.create_state()), 0)


@pytest.mark.row(25)
def test_what_lies_in_the_hole_is_not_seen_and_what_lies_outside_stays(tiny, opened):
  rng = np.random.default_rng(0)
  image, hole = rng.integers(0, 256, (32, 32, 3), np.uint8), np.zeros((32, 32), bool)
  hole[10:20, 5:25] = True
  fill = opened.compiled(tiny.method.complete)
  other = np.where(hole[..., None], 255 - image, image)
  made, again = (mode.filled(fill, x, hole) for x in (image, other))
  np.testing.assert_array_equal(made, again)
  np.testing.assert_array_equal(made[~hole], image[~hole])
  assert (made[hole] != image[hole]).any()


@pytest.mark.row(25)
def test_the_adversarial_gradient_reaches_the_generators_image_inside_the_hole_only(tiny):
  hole = jnp.zeros((1, 64, 64, 1)).at[:, 20:40, 20:40].set(1)
  images = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)), jnp.float32)
  network = Discriminator(2)
  variables = sharding.jit(network.init, quick=True)(jax.random.key(0), images, hole)

  def loss(made):
    completed = made * hole + images * (1 - hole)
    return unpaired()['hinge'].generate(network.apply(variables, completed, hole), None)

  slope = np.asarray(sharding.jit(jax.grad(loss), quick=True)(images))
  assert np.abs(slope * hole).max() > 0
  assert not (slope * (1 - hole)).any()


@pytest.mark.row(25)
def test_the_mode_fills_a_folder_by_one_mask_or_one_each(opened, tmp_path, monkeypatch):
  monkeypatch.setattr(inference, 'open_run', lambda *_, **__: opened.run)
  monkeypatch.setattr(inference, 'restore', lambda *_: opened)
  (tmp_path / 'in').mkdir()
  (tmp_path / 'masks').mkdir()
  images = {}
  for name in 'ab':
    images[name] = np.random.default_rng(ord(name)).integers(0, 256, (30, 45, 3), np.uint8)
    Image.fromarray(images[name]).save(tmp_path / 'in' / f'{name}.png')
  hole = np.zeros((30, 45), np.uint8)
  hole[5:15, 5:30] = 255
  Image.fromarray(hole).save(tmp_path / 'hole.png')
  Image.fromarray(hole).save(tmp_path / 'masks' / 'a.bmp')

  def run(mask, out):
    mode.inpaint(None, *(str(tmp_path / name) for name in ('in', mask, out)))

  run('hole.png', 'out')
  for name, image in images.items():
    made = np.asarray(Image.open(tmp_path / 'out' / f'{name}.png'))
    np.testing.assert_array_equal(made[hole == 0], image[hole == 0])
    assert (made != image).any()
  with pytest.raises(UserError, match=r'1 of 2 images have no mask of the same name below .*: b\.png'):
    run('masks', 'out2')
  Image.fromarray(hole[:20]).save(tmp_path / 'small.png')
  with pytest.raises(UserError, match=r'2 masks have another size .*\(45 x 30 px, its mask 45 x 20'):
    run('small.png', 'out3')
  with pytest.raises(UserError, match='neither an image nor a folder of images: white is the hole'):
    run('nothing.png', 'out4')
  # masks are inputs too: none is overwritten, and no result becomes one
  (tmp_path / 'link').mkdir()
  (tmp_path / 'link' / 'a.png').symlink_to(tmp_path / 'hole.png')
  Image.fromarray(hole).save(tmp_path / 'masks' / 'b.png')
  before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
  for mask, out, told in [
    ('masks', 'masks', 'is the folder of the inputs'),
    ('masks', 'masks/out', 'lies in the folder of the inputs'),
    ('hole.png', 'link', r'is the input .*hole\.png, which would be overwritten'),
  ]:
    with pytest.raises(UserError, match=told):
      run(mask, out)
  assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before


@pytest.mark.row(25)
def test_sizes_are_multiples_of_eight():
  config = importlib.import_module('configs.inpaint').get_config('tiny')
  config.image_size = 36
  with pytest.raises(UserError, match='image_size=36 must be a multiple of 8, for patches'):
    inpaint.build(config)
