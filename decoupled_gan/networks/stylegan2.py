"""The networks of StyleGAN2 (Karras et al., CVPR 2020), in the form of StyleGAN2-ADA (NeurIPS 2020).

  z [B, z_dim] --Mapping--> w [B, w_dim] --Synthesis--> image [B, S, S, C]     (skip architecture)
  image --Discriminator--> logits [B, 1] and the features of each block        (residual architecture)

Parameter names are those of the official PyTorch code, weights as `kernel` in HWIO and [in, out].
"""

import math
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.layers.equalised import (
  EqualisedConv,
  EqualisedDense,
  StyledConv,
  ToImage,
  append_deviation,
  unit_normal,
)
from decoupled_gan.layers.resample import upsample
from decoupled_gan.networks.heads import Verdict
from decoupled_gan.networks.told import Told


@dataclass(frozen=True)
class Pyramid:
  """What generator and discriminator share: the sizes of their blocks and the widths at each.

  Attributes:
    size: of the images, a power of two from 16.
    base, largest: a block at r x r pixels has min(base // r, largest) channels.
    image_channels: 1 or 3.
    half_blocks: how many of the largest blocks compute in `half_dtype`; the others in float32.
    clamp: limit of the activations' absolute value, None for none.
  """

  size: int
  base: int = 16384
  largest: int = 512
  image_channels: int = 3
  half_blocks: int = 0
  half_dtype: Any = jnp.bfloat16
  clamp: float | None = 256.0

  def __post_init__(self):
    if self.size < 16 or self.size & (self.size - 1):
      near = 2 ** max(4, round(math.log2(max(self.size, 1))))
      raise UserError(f'image_size={self.size} must be a power of two from 16: try {near}.')
    if self.base < self.size:
      raise UserError(
        f'model.channel_base={self.base} leaves no channels at image_size={self.size}: it must be at '
        f'least the size; {64 * self.size} is usual.'
      )

  def sizes(self, smallest: int = 4) -> list[int]:
    """Of the blocks, ascending."""
    return [2**k for k in range(2, int(math.log2(self.size)) + 1) if 2**k >= smallest]

  def channels(self, size: int) -> int:
    return min(self.base // size, self.largest)

  def dtype(self, size: int):
    return self.half_dtype if size * 2**self.half_blocks > self.size else jnp.float32

  @property
  def num_ws(self) -> int:
    """How many layers the generator has whose style can be chosen."""
    return 2 * len(self.sizes())


class Mapping(nn.Module):
  """z [B, z_dim] -> w [B, w_dim].

  The average of w, for truncation, is kept in the collection 'averages'.
  """

  w_dim: int = 512
  layers: int = 8
  average_decay: float = 0.995

  @nn.compact
  def __call__(self, z: Array, track: bool = False) -> Array:
    """`track`: moves the average by this batch, where 'averages' is mutable."""
    average = self.variable('averages', 'w', jnp.zeros, (self.w_dim,))
    x = z * (jnp.mean(z**2, -1, keepdims=True) + 1e-8) ** -0.5
    for i in range(self.layers):
      x = EqualisedDense(self.w_dim, 'lrelu', lr_multiplier=0.01, name=f'fc{i}')(x)
    if track and not self.is_initializing() and self.is_mutable_collection('averages'):
      now = stop_gradient(x).mean(0)
      average.value = now + self.average_decay * (average.value - now)
    return x

  def truncate(self, w: Array, psi: float) -> Array:
    """w moved to the average: 0 is the average itself, 1 leaves w as it is."""
    average = self.get_variable('averages', 'w')[None]
    return w if psi == 1 else average + psi * (w - average)


class SynthesisBlock(nn.Module):
  """One size of the synthesis: x and the image of half the size, and the styles of its layers.

  w: [B, layers, w_dim]; one entry for each convolution and one for the image.
  """

  size: int
  pyramid: Pyramid

  @nn.compact
  def __call__(self, x: Array | None, image: Array | None, w: Array, noise: str):
    p = self.pyramid
    channels, dtype = p.channels(self.size), p.dtype(self.size)
    if x is None:
      const = self.param('const', unit_normal, (self.size, self.size, channels))
      x = jnp.broadcast_to(const[None], (w.shape[0], *const.shape))
    else:
      x = StyledConv(channels, True, p.clamp, dtype, name='conv0')(x, w[:, -3], noise)
    x = StyledConv(channels, False, p.clamp, dtype, name='conv1')(x, w[:, -2], noise)
    shown = ToImage(p.image_channels, p.clamp, dtype, name='torgb')(x, w[:, -1])
    return x, shown if image is None else upsample(image) + shown


class Synthesis(nn.Module):
  """Styles ws [B, num_ws, w_dim] -> images [B, S, S, C], float32, not limited to [-1, 1]."""

  pyramid: Pyramid

  def setup(self):
    for size in self.pyramid.sizes():
      setattr(self, f'b{size}', SynthesisBlock(size, self.pyramid))

  def __call__(self, ws: Array, noise: str = 'random') -> Array:
    return self.features(ws, noise)[0]

  def features(self, ws: Array, noise: str = 'random') -> tuple[Array, dict[int, Array]]:
    """Images, and {size: what the block of that size gives, [B, size, size, channels], float32}."""
    x, image, found = None, None, {}
    for k, size in enumerate(self.pyramid.sizes()):
      # A block's image style is the next block's first one.
      styles = ws[:, max(0, 2 * k - 1) : 2 * k + 2]
      x, image = getattr(self, f'b{size}')(x, image, styles, noise)
      found[size] = x.astype(jnp.float32)
    return image, found

  def resume(self, x: Array, image: Array, w: Array, noise: str = 'random') -> Array:
    """Images from the blocks larger than x, which all get the style w.

    Args:
      x: [B, r, r, channels at r], in place of the features of the block of size r.
      image: [B, r, r, C], in place of the image that the blocks up to r have made.
      w: [B, w_dim].
    """
    styles = jnp.broadcast_to(w[:, None], (w.shape[0], 3, w.shape[-1]))
    for size in self.pyramid.sizes(2 * x.shape[1]):
      x, image = getattr(self, f'b{size}')(x, image, styles, noise)
    return image


class Generator(nn.Module):
  """Latents z [B, z_dim] -> images [B, S, S, C]."""

  pyramid: Pyramid
  w_dim: int = 512
  mapping_layers: int = 8

  def setup(self):
    self.mapping = Mapping(self.w_dim, self.mapping_layers)
    self.synthesis = Synthesis(self.pyramid)

  def __call__(self, z: Array, truncation: float = 1.0, noise: str = 'random') -> Array:
    w = self.mapping.truncate(self.mapping(z), truncation)
    return self.synthesis(self.broadcast(w), noise)

  def broadcast(self, w: Array) -> Array:
    """[B, w_dim] -> [B, num_ws, w_dim]."""
    return jnp.broadcast_to(w[:, None], (w.shape[0], self.pyramid.num_ws, w.shape[-1]))


class DiscriminatorBlock(nn.Module):
  """[B, r, r, channels] -> [B, r/2, r/2, channels of the next], residual."""

  size: int
  pyramid: Pyramid

  @nn.compact
  def __call__(self, x: Array) -> Array:
    p = self.pyramid
    dtype, half = p.dtype(self.size), math.sqrt(0.5)
    here, below = p.channels(self.size), p.channels(self.size // 2)
    if self.size == p.size:
      x = EqualisedConv(here, 1, clamp=p.clamp, dtype=dtype, name='fromrgb')(x)
    skip = EqualisedConv(
      below, 1, down=True, use_bias=False, activation='linear', gain=half, dtype=dtype, name='skip'
    )(x)
    x = EqualisedConv(here, clamp=p.clamp, dtype=dtype, name='conv0')(x)
    x = EqualisedConv(below, down=True, gain=half, clamp=p.clamp, dtype=dtype, name='conv1')(x)
    return skip + x


class Discriminator(nn.Module):
  """Images [B, S, S, C] -> logits [B, 1] and {size: what the block that halves to it gives}.

  Attributes:
    group_size: of the minibatch deviation.
  """

  pyramid: Pyramid
  group_size: int = 8

  def setup(self):
    for size in self.pyramid.sizes(8):
      setattr(self, f'b{size}', DiscriminatorBlock(size, self.pyramid))
    self.b4 = Epilogue(self.pyramid, self.group_size)

  def __call__(self, x: Array) -> tuple[Array, dict[int, Array]]:
    features = self.features(x)
    return self.conclude(features[4]).outputs, features

  def conclude(self, x: Array, told: Array | None = None) -> Verdict:
    """From features [B, 4, 4, channels] to logits, and the vectors [B, channels] they come from."""
    return self.b4(x.astype(jnp.float32), told)

  def features(self, x: Array) -> dict[int, Array]:
    """Those of each image alone: only the logits depend on the others of the batch."""
    features = {}
    for size in reversed(self.pyramid.sizes(8)):
      x = features[size // 2] = getattr(self, f'b{size}')(x)
    return features


class Epilogue(nn.Module):
  """[B, 4, 4, channels] -> logits [B, 1], float32, with the vectors [B, channels] they come from.

  Where it is told numbers, the logits are those vectors' product with what it makes of them.
  """

  pyramid: Pyramid
  group_size: int

  @nn.compact
  def __call__(self, x: Array, told: Array | None = None) -> Verdict:
    channels = x.shape[-1]
    x = append_deviation(x, self.group_size)
    x = EqualisedConv(channels, clamp=self.pyramid.clamp, name='conv')(x)
    x = EqualisedDense(channels, 'lrelu', name='fc')(x.reshape(x.shape[0], -1))
    if told is None:
      return Verdict(EqualisedDense(1, name='out')(x), x)
    return Verdict(Told(name='told')(told, x), x)
