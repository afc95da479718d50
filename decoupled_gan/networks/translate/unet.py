"""The U-Net of pix2pix (Isola, Zhu, Zhou, Efros, CVPR 2017, arXiv 1611.07004), by its official code.

`downs` levels, each of half the size: down_0 is the outermost convolution, down_{downs-1} the innermost,
of 1 px at the published size, and up_i brings level i + 1 back to the size of level i's input. Widths w,
2w, 4w, 8w, 8w, ... What goes down is also handed across, beside what comes up.

The innermost level is normalised on its way up only (official since 2018): 1 px of one image, less its
mean, would be 0. ED//GAN's U-Net (networks/edgan.py) is an older relative with other borders.
"""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.conv import Conv, ConvTranspose
from decoupled_gan.networks.translate import INITS, dropped, normaliser


class UNet(nn.Module):
  """Images [B, H, W, C] -> images [B, H, W, channels] in (-1, 1), float32; 2**downs divides H and W.

  Attributes:
    downs: levels, 5 at least: 8 for 256 px, 7 for 128.
    dropout: of half the units on the way up, in the levels between the innermost one and the first
      of width 8w; see `dropped`.
    norm, own_statistics: see `normaliser`.
    initial: of INITS.
  """

  width: int = 64
  downs: int = 8
  channels: int = 3
  dropout: bool = True
  norm: str = 'batch'
  initial: str = 'normal'
  own_statistics: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, track: bool = True) -> Array:
    init, zeros, biased = INITS[self.initial], nn.initializers.zeros, self.norm == 'instance'
    innermost = self.downs - 1
    norm = functools.partial(normaliser, self.norm, self.own_statistics, track=track)
    skips = []
    for i in range(self.downs):
      x = nn.leaky_relu(x, 0.2) if i else x
      x = Conv(
        self.width * min(2**i, 8), 4, 2, 1, biased, dtype=self.dtype, pad='zero', kernel_init=init,
        bias_init=zeros, name=f'down_{i}',
      )(x)  # fmt: skip
      if 0 < i < innermost:
        x = norm(f'down_norm_{i}')(x)
      skips.append(x)
    x = skips.pop()
    for i in range(innermost, 0, -1):
      features = self.width * min(2 ** (i - 1), 8)
      x = ConvTranspose(features, 4, biased, self.dtype, init, name=f'up_{i}')(nn.relu(x))
      x = norm(f'up_norm_{i}')(x)
      if self.dropout and 4 <= i < innermost:
        x = dropped(self, x)
      x = jnp.concatenate([skips.pop(), x], -1)
    x = ConvTranspose(self.channels, 4, True, self.dtype, init, name='up_0')(nn.relu(x))
    return jnp.tanh(x.astype(jnp.float32))
