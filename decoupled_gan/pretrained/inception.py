"""The Inception of FID: Szegedy et al.'s third (CVPR 2016) with TensorFlow's weights of 2015-12-05.

Features are the 2048 means of the last maps ('pool3'), logits the 1008 classes without their bias, as
the Inception score has them. Three things differ from torchvision's network: means over 3x3 windows do
not count the border, the last block pools by the maximum, and the first image's values are
(x - 128) / 128. The published weights are pytorch-fid's conversion (Apache-2.0), which torch-fidelity
uses too.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from decoupled_gan.core.types import Array
from decoupled_gan.layers import conv_ops
from decoupled_gan.machine import pickles
from decoupled_gan.pretrained import weights

NAME = 'inception'
INPUT_SIZE = 299
FILE = 'pt_inception-2015-12-05-6726825d.pth'
SHA256 = '6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2'
URL = f'https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}'
_EPS = 1e-3  # of the normalisations


class Layer(nn.Module):
  """Zero padding, a convolution, its folded normalisation, ReLU."""

  features: int
  kernel: tuple[int, int] = (1, 1)
  stride: int = 1
  padding: tuple[int, int] = (0, 0)

  @nn.compact
  def __call__(self, x: Array) -> Array:
    shape = (*self.kernel, x.shape[-1], self.features)
    kernel = self.param('kernel', nn.initializers.lecun_normal(), shape)
    bias = self.param('bias', nn.initializers.zeros, (self.features,))
    x = jnp.pad(x, ((0, 0), *((p, p) for p in self.padding), (0, 0)))
    return jax.nn.relu(conv_ops.conv(x, kernel, self.stride) + bias.reshape(1, 1, 1, -1))


def _max(x: Array, stride: int = 2, padding: int = 0) -> Array:
  ends = ((0, 0), (padding, padding), (padding, padding), (0, 0))
  return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, stride, stride, 1), ends)


def _mean(x: Array) -> Array:
  """Over 3x3 windows, of the pixels that there are."""
  return nn.avg_pool(x, (3, 3), padding='SAME', count_include_pad=False)


class Branches(nn.Module):
  """A Mixed block: several chains of layers side by side, and one after pooling, concatenated.

  Attributes:
    chains: each a tuple of (name, features, kernel height, width, stride); a tuple of such in the
      last place is a fork, whose outputs are concatenated.
    pool: '' the mean and then a layer of `pooled` features, 'max' the same with the maximum,
      'reduce' the maximum at stride 2 and no layer.
  """

  chains: tuple
  pooled: int = 0
  pool: str = ''

  @nn.compact
  def __call__(self, x: Array) -> Array:
    outputs = []
    for chain in self.chains:
      y = [x]
      for step in chain:
        fork = step if isinstance(step[0], tuple) else (step,)
        y = [self._layer(spec, y[0]) for spec in fork]
      outputs += y
    if self.pool == 'reduce':
      outputs.append(_max(x))
    else:
      around = _max(x, 1, 1) if self.pool == 'max' else _mean(x)
      outputs.append(Layer(self.pooled, name='branch_pool')(around))
    return jnp.concatenate(outputs, -1)

  def _layer(self, spec, x):
    name, features, height, width, stride = spec
    padding = (height // 2, width // 2) if stride == 1 else (0, 0)
    return Layer(features, (height, width), stride, padding, name=f'branch{name}')(x)


def _a(pooled: int) -> Branches:
  """35 x 35."""
  return Branches(
    (
      (('1x1', 64, 1, 1, 1),),
      (('5x5_1', 48, 1, 1, 1), ('5x5_2', 64, 5, 5, 1)),
      (('3x3dbl_1', 64, 1, 1, 1), ('3x3dbl_2', 96, 3, 3, 1), ('3x3dbl_3', 96, 3, 3, 1)),
    ),
    pooled,
  )


def _b() -> Branches:
  """35 x 35 to 17 x 17."""
  return Branches(
    (
      (('3x3', 384, 3, 3, 2),),
      (('3x3dbl_1', 64, 1, 1, 1), ('3x3dbl_2', 96, 3, 3, 1), ('3x3dbl_3', 96, 3, 3, 2)),
    ),
    pool='reduce',
  )


def _c(n: int) -> Branches:
  """17 x 17, with kernels of 1 x 7 and 7 x 1."""
  return Branches(
    (
      (('1x1', 192, 1, 1, 1),),
      (('7x7_1', n, 1, 1, 1), ('7x7_2', n, 1, 7, 1), ('7x7_3', 192, 7, 1, 1)),
      (
        ('7x7dbl_1', n, 1, 1, 1),
        ('7x7dbl_2', n, 7, 1, 1),
        ('7x7dbl_3', n, 1, 7, 1),
        ('7x7dbl_4', n, 7, 1, 1),
        ('7x7dbl_5', 192, 1, 7, 1),
      ),
    ),
    192,
  )


def _d() -> Branches:
  """17 x 17 to 8 x 8."""
  return Branches(
    (
      (('3x3_1', 192, 1, 1, 1), ('3x3_2', 320, 3, 3, 2)),
      (
        ('7x7x3_1', 192, 1, 1, 1),
        ('7x7x3_2', 192, 1, 7, 1),
        ('7x7x3_3', 192, 7, 1, 1),
        ('7x7x3_4', 192, 3, 3, 2),
      ),
    ),
    pool='reduce',
  )


def _e(pool: str) -> Branches:
  """8 x 8."""
  return Branches(
    (
      (('1x1', 320, 1, 1, 1),),
      (('3x3_1', 384, 1, 1, 1), (('3x3_2a', 384, 1, 3, 1), ('3x3_2b', 384, 3, 1, 1))),
      (
        ('3x3dbl_1', 448, 1, 1, 1),
        ('3x3dbl_2', 384, 3, 3, 1),
        (('3x3dbl_3a', 384, 1, 3, 1), ('3x3dbl_3b', 384, 3, 1, 1)),
      ),
    ),
    192,
    pool,
  )


class Inception(nn.Module):
  """Images [N, 299, 299, 3] in 0..255 -> {'features': [N, 2048], 'logits': [N, 1008]}."""

  @nn.compact
  def __call__(self, images: Array) -> dict[str, Array]:
    x = (images.astype(jnp.float32) - 128) / 128
    x = Layer(32, (3, 3), 2, name='Conv2d_1a_3x3')(x)
    x = Layer(32, (3, 3), name='Conv2d_2a_3x3')(x)
    x = _max(Layer(64, (3, 3), 1, (1, 1), name='Conv2d_2b_3x3')(x))
    x = Layer(80, name='Conv2d_3b_1x1')(x)
    x = _max(Layer(192, (3, 3), name='Conv2d_4a_3x3')(x))
    blocks = {'5b': _a(32), '5c': _a(64), '5d': _a(64), '6a': _b()}
    blocks |= {'6b': _c(128), '6c': _c(160), '6d': _c(160), '6e': _c(192)}
    blocks |= {'7a': _d(), '7b': _e(''), '7c': _e('max')}
    for name, block in blocks.items():
      x = block.copy(name=f'Mixed_{name}')(x)
    x = x.mean((1, 2))
    logits = nn.Dense(1008, name='fc')
    both = logits(x)
    return {'features': x, 'logits': both - logits.variables['params']['bias'].reshape(1, -1)}


def build() -> Inception:
  return Inception()


def load() -> dict:
  """The published weights (96 MB); raises UserError where they are missing or other ones."""
  return convert(pickles.read_tensors(weights.read(FILE, SHA256, URL), FILE))


def convert(state: dict) -> dict:
  """Variables of `Inception` from the published state dict."""
  state = {key.replace('.conv.', '.'): value for key, value in state.items()}
  convolutions = [key.removesuffix('.bn.weight') for key in state if key.endswith('.bn.weight')]
  return weights.folded(state, {name: f'{name}.bn' for name in convolutions}, _EPS)
