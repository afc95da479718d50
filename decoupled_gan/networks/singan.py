"""SinGAN's networks and its pyramid (Rott Shaham et al., ICCV 2019, section 2.1; tamarott/SinGAN).

Five convolutions of 3 px without padding: each output sees a patch of 11 px, at every scale.
"""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.conv import Conv
from decoupled_gan.layers.norm import TorchBatchNorm
from decoupled_gan.losses import f32
from decoupled_gan.networks.translate import INITS

BORDER = 5  # px that five convolutions of 3 px take on each side
SLOPE = 0.2
Sizes = tuple[tuple[int, int], ...]


class Patches(nn.Module):
  """Images [B, H, W, C] -> [B, H - 10, W - 10, features], without a last activation: the discriminator.

  `track` is that of TorchBatchNorm.
  """

  width: int
  features: int = 1
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, track: bool = True) -> Array:
    around_1 = lambda key, shape: 1 + INITS['normal'](key, shape)  # noqa: E731
    for name in ('head', 'body_0', 'body_1', 'body_2'):
      x = Conv(self.width, 3, dtype=self.dtype, kernel_init=INITS['normal'], name=name)(x)
      x = TorchBatchNorm(scale_init=around_1, name=f'{name}_norm')(x, track)
      x = jnp.where(x > 0, x, SLOPE * x)
    return f32(Conv(self.features, 3, dtype=self.dtype, kernel_init=INITS['normal'], name='tail')(x))


class Generator(nn.Module):
  """What is added to an image [B, H, W, C], from the image and noise; the border is zeros."""

  width: int
  channels: int = 3
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, noise: Array, image: Array, track: bool = True) -> Array:
    sides = (BORDER, BORDER)
    given = jnp.pad(noise + image, ((0, 0), sides, sides, (0, 0)))
    patches = Patches(self.width, self.channels, self.dtype, name='patches')
    return jnp.tanh(patches(given, track)) + image


def pyramid(
  height: int, width: int, least: int = 25, most: int = 250, ratio: float = 0.75
) -> tuple[Sizes, float]:
  """(sizes of the scales, the coarsest first; the ratio of one to the next), as the code has them.

  Args:
    least: px of the shorter side at the coarsest scale.
    most: px of the longer side at the finest; larger images are made smaller first.
    ratio: that is aimed at; the one returned fits `least` exactly.
  """
  short, long = min(height, width), max(height, width)
  down = lambda share: math.ceil(math.log(share, ratio))  # noqa: E731
  steps = down(least / short) + 1 - down(min(most, long) / long)
  scale = min(most / long, 1)
  height, width = (math.ceil(n * scale) for n in (height, width))
  if steps < 1 or least > min(height, width):
    return ((height, width),), ratio
  fitting = (least / min(height, width)) ** (1 / steps)
  powers = [fitting ** (steps - i) for i in range(steps + 1)]
  return tuple((math.ceil(height * p), math.ceil(width * p)) for p in powers), fitting


def widths(base: int, scales: int, most: int = 128) -> tuple[int, ...]:
  """Features of each scale: twice as many after every four, up to `most`."""
  return tuple(min(base * 2 ** (n // 4), most) for n in range(scales))
