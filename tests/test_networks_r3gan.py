"""R3GAN's networks against arrays of the official code (brownvc/R3GAN, float64), and at their start."""

import functools
import re
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from decoupled_gan.losses.adversarial import ADVERSARIAL
from decoupled_gan.machine.sharding import jit
from decoupled_gan.networks import heads
from decoupled_gan.networks.backbones import r3gan
from decoupled_gan.terms import TERMS, penalties  # noqa: F401

ARRAYS = np.load(Path(__file__).parent / 'fixtures/r3gan.npz')
SHAPE = {'widths': (8, 6), 'groups': (4, 3), 'blocks': (1, 1)}
GENERATOR = r3gan.Generator(**SHAPE, channels=3)
NETWORK = r3gan.Discriminator(**SHAPE)
DISCRIMINATOR = heads.Discriminator(NETWORK, heads.make_head('linear', 1, (), NETWORK))
GAMMA = 0.5


def ours(name: str) -> str:
  """The path of an official parameter in our networks."""
  player, _, rest = name.partition('/')
  if rest.startswith('AggregationLayer'):
    return 'image/to/conv/kernel'
  if rest.startswith('ExtractionLayer'):
    return 'backbone/image/conv/kernel'
  stage, layer, kind = re.fullmatch(r'MainLayers\.(\d)\.Layers\.(\d)\.(.*)', rest).groups()
  size = f'size_{4 << int(stage)}' if player == 'G' else f'backbone/size_{8 >> int(stage)}'
  block = int(layer) - (player == 'G')
  if match := re.fullmatch(r'LinearLayer(\d)\.Layer\.weight', kind):
    return f'{size}/block_{block}/conv_{int(match[1]) - 1}/kernel'
  if match := re.fullmatch(r'NonLinearity(\d)\.Bias', kind):
    return f'{size}/block_{block}/bias_{int(match[1]) - 1}'
  if kind == 'LinearLayer.Layer.weight':
    return f'{size}/widths/conv/kernel'
  if kind == 'LinearLayer.weight':
    return f'{size}/dense/kernel' if player == 'G' else 'head/linear/kernel'
  return f'{size}/basis' if player == 'G' else 'backbone/features/basis'


def transposed(x: np.ndarray) -> jax.Array:
  """torch's layout as ours: kernels OIHW, matrices [out, in], bases [C, 4, 4] and [C, 1, 4, 4]."""
  if x.ndim == 4:
    x = x[:, 0].transpose(1, 2, 0) if x.shape[1:] == (1, 4, 4) else x.transpose(2, 3, 1, 0)
  elif x.ndim == 3:
    x = x.transpose(1, 2, 0)
  elif x.ndim == 2:
    x = x.T
  return jnp.asarray(x, jnp.float32)


def official(prefix: str) -> dict:
  """The arrays whose names begin so, as a tree of our parameters."""
  found = {
    tuple(ours(name.removeprefix('grad')).split('/')): transposed(ARRAYS[name])
    for name in ARRAYS.files
    if name.startswith(prefix + '/')
  }
  return unflatten_dict(found)


def image(name: str) -> jax.Array:
  return jnp.asarray(ARRAYS[name].transpose(0, 2, 3, 1), jnp.float32)


def assert_close(found, expected):
  found, expected = flatten_dict(found), flatten_dict(expected)
  assert found.keys() == expected.keys()
  for path, x in expected.items():
    np.testing.assert_allclose(found[path], x, rtol=1e-5, atol=1e-5 * np.abs(x).max(), err_msg=str(path))


def judge(params, x):
  return DISCRIMINATOR.apply({'params': params}, x).outputs


quick_judge = jit(judge, quick=True)


@pytest.fixture(scope='module')
def z():
  return jnp.asarray(ARRAYS['z'], jnp.float32)


@pytest.mark.row(2)
def test_the_official_arrays_give_the_official_images_and_outputs(z):
  fake = jit(GENERATOR.apply, quick=True)({'params': official('G')}, z)
  np.testing.assert_allclose(fake, image('fake'), rtol=1e-5, atol=1e-5)
  for name in ('real', 'fake'):
    found = quick_judge(official('D'), image(name))[:, 0]
    np.testing.assert_allclose(found, ARRAYS[f'logits_{name}'], rtol=1e-5, atol=1e-5)


@pytest.mark.row(2)
def test_the_generators_loss_and_its_gradients_are_the_official_ones(z):
  def loss(params):
    fake = judge(official('D'), GENERATOR.apply({'params': params}, z))
    return ADVERSARIAL['relativistic']().generate(fake, judge(official('D'), image('real')))

  value, gradients = jit(jax.value_and_grad(loss), quick=True)(official('G'))
  assert float(value) == pytest.approx(ARRAYS['g_loss'], rel=1e-5)
  assert_close(gradients, official('gradG'))


@pytest.mark.row(2)
def test_the_discriminators_losses_and_their_gradients_are_the_official_ones():
  """Penalties on images, gamma / 2 each and in the same update: not gamma, not lazily."""

  def losses(params):
    critic = functools.partial(judge, params)
    scene = types.SimpleNamespace(
      real=image('real'), fake=image('fake'), critic=critic, witness=critic
    )  # fmt: skip
    terms = [TERMS['discriminate'][name](scene) for name in ('r1', 'r2')]
    return [ADVERSARIAL['relativistic']().discriminate(critic(scene.real), critic(scene.fake)), *terms]

  def total(params):
    adversarial, r1, r2 = losses(params)
    return adversarial + GAMMA / 2 * (r1 + r2)

  found, gradients = jit(lambda x: (losses(x), jax.grad(total)(x)), quick=True)(official('D'))
  expected = [ARRAYS[name] for name in ('d_adversarial', 'r1', 'r2')]
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  assert_close(gradients, official('gradD'))


@pytest.mark.row(2)
def test_blocks_are_the_identity_at_the_start_so_that_the_discriminator_is_linear():
  x = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
  params = jit(DISCRIMINATOR.init, quick=True)(jax.random.key(1), x)['params']
  last = [x for path, x in flatten_dict(params).items() if path[-2] == 'conv_2']
  assert len(last) == 2 and not any(x.any() for x in last)
  a, b = (quick_judge(params, y) for y in (x, 2 * x))
  np.testing.assert_allclose(b, 2 * a, rtol=1e-5)


@pytest.mark.row(2)
def test_kernels_start_with_the_published_deviations():
  """sqrt(2 / 1.04) L^(-1/4) / sqrt(fan in) in blocks, L = 4 of them, and 1 / sqrt(fan in) elsewhere."""
  network = r3gan.Generator(widths=(64, 32), groups=(4, 2), blocks=(2, 2), channels=3)
  params = jit(network.init, quick=True)(jax.random.key(0), jnp.zeros((1, 64)))['params']
  gain = (2 / 1.04) ** 0.5 * 4**-0.25
  block = params['size_4']['block_1']
  for kernel, expected in (
    (block['conv_0']['kernel'], gain / 64**0.5),
    (block['conv_1']['kernel'], gain / (9 * 32) ** 0.5),  # groups of the inner width, 128 / 4
    (params['size_8']['widths']['conv']['kernel'], 1 / 64**0.5),
    (params['size_4']['basis'], 1),
    (params['size_4']['dense']['kernel'], 1 / 64**0.5),
  ):
    assert float(kernel.std()) == pytest.approx(expected, rel=0.1)


def test_the_heads_embedding_starts_as_a_map_of_classes_with_the_gain_of_its_size():
  """1 / sqrt(size) / sqrt(classes)."""
  network = r3gan.Discriminator(widths=(32, 16), groups=(4, 2), blocks=(1, 1))
  head = heads.make_head('bilinear', 1, (10,), network)
  params = head.init(jax.random.key(0), jnp.zeros((1, 256)), jnp.zeros((1, 1), jnp.int32))['params']
  assert set(params['linear']) == {'kernel'}
  assert float(params['embed_0']['embedding'].std()) == pytest.approx(1 / (10 * 256) ** 0.5, rel=0.1)
