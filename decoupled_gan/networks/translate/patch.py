"""PatchGAN, the discriminator of patches (Isola et al., CVPR 2017).

A fully convolutional network gives a map of logits, each of which sees a patch: 70x70 px with the three
strided layers of pix2pix, CycleGAN and CUT (a 30x30 map of 256 px). Borders are zeros. With `antialias`
(CUT) the strided convolutions keep the size and a fixed filter halves it.
"""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array, typed
from decoupled_gan.errors import UserError
from decoupled_gan.layers.conv import Conv
from decoupled_gan.layers.resample import blurred_half
from decoupled_gan.networks.translate import INITS, normaliser


class PatchGAN(nn.Module):
  """Images [B, H, W, C] -> logits [B, h, w, 1], float32.

  Attributes:
    layers: strided ones; the official n_layers_D.
    norm, own_statistics: see `normaliser`.
    initial: of INITS.
  """

  width: int = 64
  layers: int = 3
  norm: str = 'instance'
  antialias: bool = False
  initial: str = 'normal'
  own_statistics: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    _check(x.shape[1:3], self.layers)
    conv = functools.partial(
      Conv, kernel_size=4, padding=1, pad='zero', dtype=self.dtype, kernel_init=INITS[self.initial],
      bias_init=nn.initializers.zeros,
    )  # fmt: skip
    for i in range(self.layers + 1):
      halves = i < self.layers
      stride = 2 if halves and not self.antialias else 1
      biased = i == 0 or self.norm == 'instance'
      x = conv(self.width * min(2**i, 8), stride=stride, use_bias=biased, name=f'conv_{i}')(x)
      if i:
        x = normaliser(self.norm, self.own_statistics, f'norm_{i}')(x)
      x = nn.leaky_relu(x, 0.2)
      x = blurred_half(x) if halves and self.antialias else x
    return conv(1, name='logits')(x).astype(jnp.float32)


def _check(shape: tuple[int, int], layers: int):
  """Raises UserError unless two more layers of 4x4 fit on what is left."""
  smallest = 2**layers * 3
  if min(shape) < smallest:
    raise UserError(
      f'image_size={typed(shape)} is too small for model.d_layers={layers}: the smallest is {smallest}.'
    )
