"""The networks of GANs N' Roses (Chong and Forsyth, 2021, arXiv 2106.06561), of StyleGAN2's layers.

  Encoder              images -> content [B, h, w, c] and style [B, S]
  Decoder              content and style -> images: modulated convolutions without noise or a constant
  Discriminator        three outputs: patches, the whole, and how much a batch deviates
  LatentDiscriminator  styles -> logits

Layers and names of widths are those of networks/stylegan2.py. The two deviations are over the whole
batch, on however many devices: per-device ones, as torch's, would be others.
"""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.equalised import EqualisedConv, EqualisedDense, StyledConv, ToImage
from decoupled_gan.layers.resample import upsample
from decoupled_gan.networks.stylegan2 import Pyramid

HALF = math.sqrt(0.5)
LOCAL, WHOLE = 32, 8  # px of the two maps that a discriminator judges


class Residual(nn.Module):
  """(branch + skip) / sqrt 2, both at half the size if `halved`: [B, H, W, I] -> [B, H', W', features].

  A block that keeps its size keeps its width, and its skip is its input.
  """

  features: int
  halved: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    skip = x * HALF
    if self.halved:
      skip = EqualisedConv(
        self.features, 1, down=True, use_bias=False, activation='linear', gain=HALF, dtype=self.dtype,
        name='skip',
      )(x)  # fmt: skip
    x = EqualisedConv(x.shape[-1], dtype=self.dtype, name='conv0')(x)
    x = EqualisedConv(self.features, down=self.halved, gain=HALF, dtype=self.dtype, name='conv1')(x)
    return x + skip


class Trunk(nn.Module):
  """Images [B, S, S, C] -> features at `smallest` px (S if that is smaller)."""

  pyramid: Pyramid
  smallest: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    size = self.pyramid.size
    x = EqualisedConv(self.pyramid.channels(size), 1, dtype=self.dtype, name='rgb')(x)
    while size > self.smallest:
      size //= 2
      x = Residual(self.pyramid.channels(size), dtype=self.dtype, name=f'to_{size}')(x)
    return x


class Encoder(nn.Module):
  """Images [B, S, S, C] -> (content [B, S / 2^downs, ..., c], style [B, style_size]), float32.

  Attributes:
    downs: how often the content's size is halved.
    blocks: residual ones at that size.
  """

  pyramid: Pyramid
  downs: int = 3
  blocks: int = 1
  style_size: int = 8
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> tuple[Array, Array]:
    size = self.pyramid.size >> self.downs
    x = Trunk(self.pyramid, size, self.dtype, name='trunk')(x)
    for i in range(self.blocks):
      x = Residual(x.shape[-1], False, self.dtype, name=f'block_{i}')(x)
    content = style = x
    for i in range(2):
      content = EqualisedConv(x.shape[-1], 1, dtype=self.dtype, name=f'content_{i}')(content)
    while size > 4:
      size //= 2
      conv = EqualisedConv(
        self.pyramid.channels(size), down=True, dtype=self.dtype, name=f'style_{size}'
      )
      style = conv(style)
    style = style.reshape(style.shape[0], -1)
    style = EqualisedDense(self.pyramid.channels(4), 'lrelu', name='style_hidden')(style)
    return content.astype(jnp.float32), EqualisedDense(self.style_size, name='style')(style)


class Decoder(nn.Module):
  """Content and styles [B, style_size] -> images [B, S, S, C], float32, not limited to [-1, 1].

  Attributes:
    blocks: residual ones at the content's size.
    w_dim, layers: of the mapping, whose rate is a hundredth.
  """

  pyramid: Pyramid
  blocks: int = 1
  w_dim: int = 512
  layers: int = 5
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, style: Array) -> Array:
    w, p = style, self.pyramid
    for i in range(self.layers):
      w = EqualisedDense(self.w_dim, 'lrelu', lr_multiplier=0.01, name=f'mapping_{i}')(w)

    def conv(x, features, name, up=False):
      return StyledConv(features, up, dtype=self.dtype, noisy=False, name=name)(x, w, 'none')

    def shown(x, name):
      return ToImage(p.image_channels, dtype=self.dtype, name=name)(x, w)

    features, size = x.shape[-1], x.shape[1]
    for i in range(self.blocks):
      y = conv(conv(x, features, f'block_{i}_conv0'), features, f'block_{i}_conv1')
      x = (y + x) * HALF
    x = conv(x, features, 'conv')
    image = shown(x, 'rgb')
    while size < p.size:
      size *= 2
      x = conv(x, p.channels(size), f'to_{size}_conv0', up=True)
      x = conv(x, p.channels(size), f'to_{size}_conv1')
      image = upsample(image) + shown(x, f'to_{size}_rgb')
    return image


class Generator(nn.Module):
  """Images of one domain, and styles of the other -> images of the other. Attributes: see its parts."""

  pyramid: Pyramid
  downs: int = 3
  blocks: int = 1
  style_size: int = 8
  w_dim: int = 512
  layers: int = 5
  dtype: Any = jnp.float32

  def setup(self):
    p = self.pyramid
    self.encoder = Encoder(p, self.downs, self.blocks, self.style_size, self.dtype)
    self.decoder = Decoder(p, self.blocks, self.w_dim, self.layers, self.dtype)

  def encode(self, x: Array) -> tuple[Array, Array]:
    return self.encoder(x)

  def decode(self, content: Array, style: Array) -> Array:
    return self.decoder(content, style)

  def __call__(self, x: Array, style: Array) -> Array:
    return self.decoder(self.encoder(x)[0], style)


def batch_deviation(x: Array) -> Array:
  """The biased standard deviation over a batch: [B, F] -> [1, F]."""
  return jnp.sqrt(x.var(0, keepdims=True) + 1e-8)


class Discriminator(nn.Module):
  """Images [B, S, S, C] -> logits [B, 32, 32, 1], [B, 8, 8, 1] and [B, 1]; the last one of the batch.

  Attributes:
    hidden: features whose deviation is judged.
  """

  pyramid: Pyramid
  hidden: int = 128
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> tuple[Array, Array, Array]:
    def logits(x, name):
      return EqualisedConv(1, 1, activation='linear', name=name)(x.astype(jnp.float32))

    local = Trunk(self.pyramid, LOCAL, self.dtype, name='local')(x)
    whole = Trunk(self.pyramid, WHOLE, self.dtype, name='whole')(x)
    y = EqualisedConv(self.pyramid.channels(4), down=True, dtype=self.dtype, name='batch_conv')(whole)
    y = EqualisedDense(self.hidden, 'lrelu', name='batch_hidden')(y.reshape(y.shape[0], -1))
    deviation = EqualisedDense(1, name='batch_logits')(batch_deviation(y))
    deviation = jnp.broadcast_to(deviation, (x.shape[0], 1))
    return logits(local, 'local_logits'), logits(whole, 'whole_logits'), deviation


class LatentDiscriminator(nn.Module):
  """Styles [B, S] -> logits [B, 1]; before the last two layers the batch's mean deviation joins."""

  hidden: int = 256
  layers: int = 4

  @nn.compact
  def __call__(self, x: Array) -> Array:
    for i in range(self.layers):
      x = EqualisedDense(self.hidden, 'lrelu', name=f'layer_{i}')(x)
    deviation = jnp.broadcast_to(batch_deviation(x).mean(), (x.shape[0], 1))
    x = EqualisedDense(self.hidden, 'lrelu', name='joined')(jnp.concatenate([x, deviation], 1))
    return EqualisedDense(1, name='logits')(x)
