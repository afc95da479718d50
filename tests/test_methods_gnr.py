"""GANs N' Roses: the networks against official arrays, the batch's deviation, losses by hand."""

import importlib
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from decoupled_gan.core import routing
from decoupled_gan.core.types import Pair
from decoupled_gan.errors import UserError
from decoupled_gan.machine import sharding
from decoupled_gan.methods.translate import gnr
from decoupled_gan.networks.stylegan2 import Pyramid
from decoupled_gan.networks.translate.gnr import Discriminator, Generator, LatentDiscriminator
from decoupled_gan.networks.translate.gnr import batch_deviation as deviation
from decoupled_gan.run import experiment

PYRAMID = Pyramid(64, 256, 4, clamp=None)


def residual(theirs, ours, halved=True):
  """(official, ours) of the layers of a residual block."""
  found = layer(f'{theirs}.conv1.0', f'{ours}/conv0', f'{theirs}.conv1.1')
  found += layer(f'{theirs}.conv2.{halved:d}', f'{ours}/conv1', f'{theirs}.conv2.{halved + 1}')
  return [*found, (f'{theirs}.skip.1.weight', f'{ours}/skip/kernel')] if halved else found


def trunk(theirs, ours, sizes):
  found = layer(f'{theirs}.0.0', f'{ours}/rgb', f'{theirs}.0.1')
  for i, size in enumerate(sizes):
    found += residual(f'{theirs}.{i + 1}', f'{ours}/to_{size}')
  return found


def layer(theirs, ours, bias=None):
  return [(f'{theirs}.weight', f'{ours}/kernel'), (f'{bias or theirs}.bias', f'{ours}/bias')]


def styled(theirs, ours, bias):
  affine = layer(f'{theirs}.conv.modulation', f'{ours}/affine')
  return [(f'{theirs}.conv.weight', f'{ours}/kernel'), (bias, f'{ours}/bias'), *affine]


def generator():
  e, d = 'encoder', 'decoder'
  table = trunk('encoder.stem', f'{e}/trunk', (32, 16, 8))
  table += residual('encoder.stem.4', f'{e}/block_0', False)
  for i in range(2):
    table += layer(f'encoder.content.{i}.0', f'{e}/content_{i}', f'encoder.content.{i}.1')
    table += layer(f'mapping.{i}', f'{d}/mapping_{i}')
    block = f'adain_bottleneck.0.conv{i + 1}'
    table += styled(block, f'{d}/block_0_conv{i}', f'{block}.activate.bias')
  table += layer('encoder.style.0.1', f'{e}/style_4', 'encoder.style.0.2')
  table += layer('encoder.style.2', f'{e}/style_hidden') + layer('encoder.style.3', f'{e}/style')
  table += styled('conv1', f'{d}/conv', 'conv1.activate.bias')
  table += styled('to_rgb1', f'{d}/rgb', 'to_rgb1.bias')
  for i, size in enumerate((16, 32, 64)):
    for j in range(2):
      name = f'convs.{2 * i + j}'
      table += styled(name, f'{d}/to_{size}_conv{j}', f'{name}.activate.bias')
    table += styled(f'to_rgbs.{i}', f'{d}/to_{size}_rgb', f'to_rgbs.{i}.bias')
  return table


def discriminator():
  table = trunk('l_branch', 'local', (32,)) + trunk('g_branch', 'whole', (32, 16, 8))
  table += layer('l_branch.2.0', 'local_logits') + layer('g_adv.0', 'whole_logits')
  table += layer('g_std.0.1', 'batch_conv', 'g_std.0.2')
  return table + layer('g_std.2', 'batch_hidden') + layer('g_final', 'batch_logits')


def latent():
  table = [x for i in range(4) for x in layer(f'fc.{i}', f'layer_{i}')]
  return table + layer('fc.4.fc', 'joined') + layer('fc.5', 'logits')


def ours(x, shape):
  """An official tensor in our layout; vectors that were maps of 4x4 pixels have their channels first."""
  if x.ndim == 5:  # a modulated kernel
    x = x[0]
  if x.ndim == 4 and shape != (3,):
    return x.transpose(2, 3, 1, 0)
  if x.ndim == 2 and x.shape[1] == 64:
    return x.reshape(-1, 4, 4, 4).transpose(2, 3, 1, 0).reshape(64, -1)
  return x.T if x.ndim == 2 else x.reshape(shape)


class Official:
  def __init__(self):
    with np.load(Path(__file__).parent / 'fixtures' / '111_gnr.npz') as arrays:
      self.arrays = dict(arrays)
    self.x = jnp.asarray(np.moveaxis(self.arrays['x'], 1, -1), jnp.float32)
    self.z = jnp.asarray(self.arrays['z'])
    self.nets = {
      'G': (Generator(PYRAMID, 3, 1, 2, 8, 2), generator(), (self.x, self.z)),
      'D': (Discriminator(PYRAMID, 8), discriminator(), (self.x,)),
      'D_L': (LatentDiscriminator(8), latent(), (self.z,)),
    }

  def variables(self, name):
    network, table, inputs = self.nets[name]
    wanted = flatten_dict(jax.eval_shape(network.init, jax.random.key(0), *inputs)['params'], sep='/')
    assert set(wanted) == {path for _, path in table}, 'the official tensors fill exactly our variables'
    assert len(table) == sum(key.startswith(f'params/{name}/') for key in self.arrays)
    found = {p: ours(self.arrays[f'params/{name}/{key}'], wanted[p].shape) for key, p in table}
    assert {p: x.shape for p, x in found.items()} == {p: x.shape for p, x in wanted.items()}
    return {'params': unflatten_dict(found, sep='/')}

  def made(self, name, *inputs, **options):
    network, _, usual = self.nets[name]
    function = sharding.jit(lambda v, *x: network.apply(v, *x, **options), quick=True)
    return function(self.variables(name), *(inputs or usual))


@pytest.fixture(scope='module')
def official():
  return Official()


def close(found, wanted, atol=2e-5):
  wanted = np.moveaxis(wanted, 1, -1) if wanted.ndim == 4 else wanted
  np.testing.assert_allclose(found, wanted, atol=atol * np.abs(wanted).max())


@pytest.mark.row(111)
def test_content_style_and_image_are_the_official_ones(official):
  content, style = official.made('G', official.x, method=Generator.encode)
  close(content, official.arrays['content'])
  close(style, official.arrays['style'])
  image = official.made('G')
  close(image, official.arrays['image'])
  assert float(image[0, 0, 0, 0]) == pytest.approx(-0.99968181, rel=1e-4)


@pytest.fixture(scope='module')
def judged(official):
  return official.made('D')


@pytest.mark.row(111)
def test_the_three_heads_and_the_styles_logits_are_the_official_ones(official, judged):
  for found, name in zip(judged, ('local', 'glob', 'std'), strict=True):
    close(found, official.arrays[name])
  close(official.made('D_L'), official.arrays['latent'])


@pytest.mark.row(111)
def test_exchanging_images_exchanges_two_heads_and_leaves_the_batchs_deviation(official, judged):
  order = np.array([2, 0, 1])
  local, whole, std = official.made('D', official.x[order])
  np.testing.assert_allclose(local, judged[0][order], atol=1e-6)
  np.testing.assert_allclose(whole, judged[1][order], atol=1e-6)
  np.testing.assert_allclose(std, judged[2], atol=1e-6)


@pytest.mark.row(111)
def test_equal_images_have_the_deviation_of_nothing(official):
  *_, std = official.made('D', jnp.broadcast_to(official.x[:1], official.x.shape))
  last = official.variables('D')['params']['batch_logits']
  wanted = (last['kernel'] * 1e-4).sum() / np.sqrt(8) + last['bias'][0]
  np.testing.assert_allclose(std, wanted, atol=2e-6)


@pytest.mark.row(111)
def test_literals():
  styles = jnp.array([[1.0, 2.0], [3.0, 0.0], [2.0, 4.0]])
  assert 50 * gnr.spread(styles) == pytest.approx(166.66666667, rel=1e-6)
  batch = jnp.array([[1.0, -1], [3, 0], [2, 2], [2, -1]])
  np.testing.assert_allclose(deviation(batch)[0], [0.70710679, 1.22474488], rtol=1e-6)
  heads = (jnp.array([0.5, -1.0]), jnp.array([2.0]), jnp.array([-0.3]))
  assert gnr.told(heads, True) / 3 == pytest.approx(0.62498420, rel=1e-6)


class TwoHeads(nn.Module):
  """Logits 3 x of every pixel, and 5 times the sum of an image's."""

  def __call__(self, x):
    return 3 * x, 5 * x.sum((1, 2, 3))


@pytest.mark.row(111)
def test_r1_is_of_the_mean_of_each_heads_outputs():
  x = jnp.ones((2, 2, 2, 1))
  first, second = 4 * (3 / 8) ** 2, 4 * (5 / 2) ** 2
  assert gnr.slope(TwoHeads().bind({}), x) == pytest.approx(first + second)


@pytest.mark.row(111)
def test_an_augmentation_moves_what_is_there():
  x = jnp.zeros((8, 32, 32, 1)).at[:, 12:20, 8:24].set(1.0)
  augmented = sharding.jit(gnr.augmented, quick=True)
  moved = augmented(jax.random.key(0), x)
  assert not np.allclose(moved, augmented(jax.random.key(1), x))
  assert not np.allclose(moved[0], moved[1]), 'each image has its own'
  area = moved.sum((1, 2, 3)) / x.sum((1, 2, 3))
  assert (area > 0.64).all()
  assert (area < 1.44 * gnr.ENLARGED**2 + 0.05).all()
  assert area.std() > 0.05


@pytest.fixture(scope='module')
def tiny():
  return experiment.build(importlib.import_module('configs.gnr').get_config('tiny'), jax.devices()[:1])


@pytest.mark.row(111)
def test_r1_counts_at_every_16th_step():
  config = importlib.import_module('configs.gnr').get_config()
  routes, lazy = config.routes.to_dict(), config.lazy.to_dict()
  phases = routing.make_phases(gnr.METHOD.objectives, routes, lazy=lazy)
  left_out = [dict(routing.active(phases, step)) for step in (0, 1, 16)]
  assert left_out == [{0: (), 1: ()}, {0: ('r1',), 1: ()}, {0: (), 1: ()}]


class Numbers:
  """Generators of scalars: content is an image's mean, and what is made is content plus style."""

  class generator:
    class a:
      decode = staticmethod(lambda content, style: content + style[:, :, None, None])

    b = a

  class discriminator:
    a = staticmethod(lambda x: (x.mean((1, 2, 3)),))
    b = staticmethod(lambda x: (2 * x.mean((1, 2, 3)),))

  discriminator_latent = staticmethod(lambda style: style)

  def encode(self, images):
    mean = lambda x: x.mean((1, 2, 3), keepdims=True)  # noqa: E731
    return Pair(*((mean(x), mean(x)[:, :, 0, 0]) for x in images))

  def make_rng(self, name):
    assert name == 'step', 'or the phases would see different fakes'
    return jax.random.key(0)


IMAGES = Pair(*(jnp.arange(4.0).reshape(4, 1, 1, 1) * jnp.ones((4, 8, 8, 1)) + i for i in (1, 11)))


@pytest.fixture(scope='module')
def now():
  return gnr.play(Numbers(), IMAGES)


@pytest.mark.row(111)
def test_fakes_lead_back_to_their_sources_and_to_the_styles_that_they_were_made_with(now):
  found = {loss: float(x()) for loss, x in gnr.translate(Numbers(), IMAGES).items() if loss != 'lpips'}
  flat = lambda x: np.asarray(x, np.float64).reshape(4)  # noqa: E731
  softplus = lambda x: np.log1p(np.exp(x)).mean()  # noqa: E731
  fake, wanted = Pair(*map(flat, now.fake)), Pair(*map(flat, now.wanted))
  style, coded = Pair(*map(flat, now.style)), Pair(*map(flat, now.coded))
  off = [np.square(made - asked).mean() for made, asked in zip(fake, wanted, strict=True)]
  assert found['style_reconstruct'] == pytest.approx(sum(off), rel=1e-5)
  assert found['style'] == pytest.approx(style.a.var() + style.b.var(), rel=1e-4)
  assert found['adversarial'] == pytest.approx((softplus(-fake.a) + softplus(-2 * fake.b)) / 3, rel=1e-4)
  assert found['latent'] == pytest.approx(softplus(-coded.a) + softplus(-coded.b), rel=1e-4)
  # The order in which a source's styles come is drawn, here of the one key.
  orders = [jax.random.permutation(key, 4) for key in jax.random.split(jax.random.key(0))]
  back = [fake.b + style.a[orders[0]], fake.a + style.b[orders[1]]]
  errors = [
    np.square(made.reshape(4, 1, 1, 1) - np.asarray(source)).mean()
    for made, source in zip(back, now.source, strict=True)
  ]
  assert found['cycle'] == pytest.approx(sum(errors), rel=1e-4)


@pytest.mark.row(111)
def test_discriminators_see_the_batch_as_real_and_fakes_as_fake(now):
  offered = gnr.discriminate(Numbers(), IMAGES)
  flat = lambda x: np.asarray(x, np.float64).mean((1, 2, 3))  # noqa: E731
  softplus = lambda x: np.log1p(np.exp(x)).mean()  # noqa: E731
  wanted = sum(
    softplus(-factor * flat(seen)) + softplus(factor * flat(fake))
    for factor, seen, fake in zip((1, 2), now.seen, now.fake, strict=True)
  )
  assert float(offered['adversarial']()) == pytest.approx(wanted, rel=1e-4)
  wanted = sum(
    softplus(-np.asarray(drawn)) + softplus(np.asarray(coded))
    for drawn, coded in zip(now.drawn, now.coded, strict=True)
  )
  assert float(offered['latent']()) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.row(111)
def test_a_source_is_one_image_and_styles_are_drawn_or_of_the_batch(now):
  for seen, source in zip(now.seen, now.source, strict=True):
    middle = np.asarray(seen[:, 4, 4, 0])
    np.testing.assert_allclose(middle, np.sort(middle), err_msg='each of the batch once')
    assert source[:, 4, 4].std() < 1e-5, 'one image'
    assert source.std() > 0, 'augmented'
  for wanted, drawn, coded in zip(now.wanted, now.drawn, now.coded, strict=True):
    candidates = np.concatenate([drawn, coded])
    assert {float(x) for x in wanted[:, 0]} <= {float(x) for x in candidates[:, 0]}
    assert len({float(x) for x in wanted[:, 0]}) == 4, 'without replacement'
  np.testing.assert_allclose(now.fake.b, now.content.a + now.wanted.b[:, :, None, None], rtol=1e-6)


@pytest.mark.row(111)
@pytest.mark.slow  # a minute of compiling
def test_in_a_step_every_group_learns(tiny):
  before = tiny.create_state()
  rng = np.random.default_rng(0)
  batch = Pair(*(rng.integers(0, 256, x.shape, np.uint8) for x in tiny.batch_shape))
  active = routing.active(tiny.phases, 0)
  state, before = before, jax.device_get(before)  # the step reuses the state's buffers
  after, losses = tiny.train_step()(state, batch, active)
  assert 'discriminate/r1' in losses
  assert all(np.isfinite(x) for x in losses.values())
  for group in tiny.groups:
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), before.params[group], after.params[group])
    assert any(jax.tree.leaves(moved)), group


@pytest.mark.row(111)
def test_content_of_less_than_4_px_is_refused():
  config = importlib.import_module('configs.gnr').get_config('tiny')
  config.model.downs = 3
  with pytest.raises(UserError, match=r'model\.downs=3 leaves less .* image_size=16: at most 2 fit'):
    experiment.build(config)
