"""The networks of U-GAT-IT (Kim, Kim, Kang, Lee, ICLR 2020, arXiv 1907.10830), by official code.

  Generator      images -> stem, down_0, down_1, block_i -> attention by class activation -> style
                 -> adaptive_i (AdaLIN blocks with one gamma and beta) -> up_0, up_1 (LIN) -> tanh
  Discriminator  images -> strided convolutions -> attention by class activation -> a map of logits

The attention multiplies features by the raw weights with which their averages and maxima are scored:
two logits for each image. Where we differ in form, with the same numbers: the 1x1 convolution of the
features times both weights is one of the features with the weighted halves added, half the work; and a
convolution of an image whose pixels were doubled is written over the small image (`conv_doubled`).

`iterate` of the discriminator: whether a training call is a power iteration of its spectral norms.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array, typed
from decoupled_gan.errors import UserError
from decoupled_gan.layers import conv_ops, extent
from decoupled_gan.layers.conv import Conv, spectral_norm, torch_bias, torch_kernel
from decoupled_gan.layers.norm import LIN, AdaLIN, instance_normalise
from decoupled_gan.layers.resample import conv_doubled
from decoupled_gan.networks.nice import SpectralConv, Style


class Score(nn.Module):
  """Pooled features [B, C] -> logits [B, 1]; and the raw weights [C], which the attention takes."""

  spectral: bool = False

  @nn.compact
  def __call__(self, pooled: Array, iterate: bool = True) -> tuple[Array, Array]:
    kernel = self.param('kernel', torch_kernel, (pooled.shape[-1], 1))
    norm = spectral_norm(self, kernel, iterate) if self.spectral else 1.0
    return pooled @ kernel / norm, kernel[:, 0]


class Attention(nn.Module):
  """Features [B, h, w, C] -> (features mixed under attention, logits [B, 2] of average and maximum)."""

  spectral: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, iterate: bool = True) -> tuple[Array, Array]:
    channels, wide = x.shape[-1], x.astype(jnp.float32)
    by_average, average = Score(self.spectral, name='average')(extent.pooled_mean(wide), iterate)
    by_maximum, maximum = Score(self.spectral, name='maximum')(extent.pooled_maximum(wide), iterate)
    kernel = self.param('kernel', torch_kernel, (1, 1, 2 * channels, channels))
    bias = self.param('bias', torch_bias(2 * channels), (channels,))
    weights = jnp.concatenate([average, maximum])
    folded = (weights[:, None] * kernel[0, 0]).reshape(2, channels, channels).sum(0)
    mixed = conv_ops.conv(x, folded[None, None].astype(self.dtype))
    return conv_ops.add_bias(mixed, bias), jnp.concatenate([by_average, by_maximum], -1)


class Block(nn.Module):
  """x + norm(conv(relu(norm(conv(x))))), without biases; AdaLIN if there are a gamma and a beta."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, style: tuple[Array, Array] | None = None) -> Array:
    conv = lambda name: Conv(x.shape[-1], 3, 1, 1, False, dtype=self.dtype, name=name)  # noqa: E731

    def norm(y, name):
      return AdaLIN(clipped=True, name=name)(y, *style) if style else instance_normalise(y)

    y = nn.relu(norm(conv('conv_0')(x), 'norm_0'))
    return x + norm(conv('conv_1')(y), 'norm_1')


class UpBlock(nn.Module):
  """Twice the size: each pixel doubled, a 3x3 convolution, LIN, ReLU."""

  features: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    kernel = self.param('kernel', torch_kernel, (3, 3, x.shape[-1], self.features))
    x = conv_doubled(x.astype(self.dtype), kernel.astype(self.dtype))
    return nn.relu(LIN(clipped=True, name='norm')(x))


class Generator(nn.Module):
  """Images [B, H, W, C] -> (images [B, H, W, channels] in (-1, 1), logits [B, 2], heat [B, h, w]).

  The logits say whether the input is of the source domain; the heat is where the attention looked.

  Attributes:
    blocks: before the attention, and as many AdaLIN blocks behind it; the official n_res.
    full: whether gamma and beta come from all features (tied to one size) or from their averages.
  """

  width: int = 64
  blocks: int = 4
  channels: int = 3
  full: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> tuple[Array, Array, Array]:
    def activated(x, features, size, stride, name):
      conv = Conv(features, size, stride, size // 2, False, dtype=self.dtype, name=name)
      return nn.relu(instance_normalise(conv(x)))

    x = activated(x, self.width, 7, 1, 'stem')
    for i in range(2):
      x = activated(x, self.width * 2 ** (i + 1), 3, 2, f'down_{i}')
    for i in range(self.blocks):
      x = Block(self.dtype, name=f'block_{i}')(x)
    x, logits = Attention(dtype=self.dtype, name='attention')(x)
    x = nn.relu(x)
    heat = x.astype(jnp.float32).sum(-1)
    style = Style(x.shape[-1], self.full, self.dtype, name='style')(x)
    for i in range(self.blocks):
      x = Block(self.dtype, name=f'adaptive_{i}')(x, style)
    for i in range(2):
      x = UpBlock(self.width * 2 ** (1 - i), self.dtype, name=f'up_{i}')(x)
    x = Conv(self.channels, 7, 1, 3, use_bias=False, dtype=self.dtype, name='output')(x)
    return jnp.tanh(x.astype(jnp.float32)), logits, heat


class Discriminator(nn.Module):
  """Images [B, H, W, C] -> [logits of patches [B, h, w, 1], logits of the attention [B, 2]].

  Attributes:
    layers: the official n_layers: layers - 2 convolutions of stride 2, one of stride 1.
  """

  width: int = 64
  layers: int = 5
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, iterate: bool = True) -> list[Array]:
    for i in range(self.layers - 1):
      stride = 2 if i < self.layers - 2 else 1
      x = SpectralConv(self.width * 2**i, stride, self.dtype, name=f'conv_{i}')(x, iterate)
    x, logits = Attention(True, self.dtype, name='attention')(x, iterate)
    head = Conv(1, 4, 1, 1, use_bias=False, spectral=True, dtype=self.dtype, name='logits')
    return [head(nn.leaky_relu(x, 0.2), iterate).astype(jnp.float32), logits]


class TwoScales(nn.Module):
  """A domain's discriminators: 'global' of many strided layers and 'local' of few: a list of logits."""

  width: int = 64
  depths: tuple[int, int] = (7, 5)
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, iterate: bool = True) -> list[Array]:
    logits = []
    for depth, name in zip(self.depths, ('global', 'local'), strict=True):
      logits += Discriminator(self.width, depth, self.dtype, name=name)(x, iterate)
    return logits


def check_size(shape: tuple[int, int], depths: tuple[int, int]):
  """Raises UserError unless the discriminators of these depths can take the image size."""
  for depth, name in zip(depths, ('global', 'local'), strict=True):
    smallest = 3 * 2 ** (depth - 2)
    if depth < 3 or min(shape) < smallest:
      raise UserError(
        f'image_size={typed(shape)} is too small for model.depths={tuple(depths)}: the {name} '
        f'discriminator of {depth} layers needs {smallest}, and at least 3 layers. Take fewer.'
      )
