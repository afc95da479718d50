"""The networks of SRGAN (Ledig et al., CVPR 2017, arXiv 1609.04802, figure 4).

  Generator      images in [0, 1] -> images 4 times as large: SRResNet, whose blocks work at the small
                 size, and pixel shuffles at the end. Fully convolutional: images of any size.
  Discriminator  images of the size of training -> one logit each; its dense layer knows the size

Where the paper says nothing: borders are zeros, the output goes through tanh (as in most code, and as
the targets lie in [-1, 1]), a PReLU has one slope (torch's default), which begins at 0.25.
"""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.conv import Conv, torch_kernel
from decoupled_gan.layers.conv_ops import pixel_shuffle
from decoupled_gan.layers.norm import TorchBatchNorm

STAGES = ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2))
"""(multiple of the width, stride) of the discriminator's convolutions behind the first."""


class PReLU(nn.Module):
  """x where it is positive, else a learned multiple of it."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    slope = self.param('slope', nn.initializers.constant(0.25), ())
    return jnp.where(x > 0, x, slope.astype(x.dtype) * x)


class Generator(nn.Module):
  """Images [B, h, w, C] in [0, 1] -> images [B, 4h, 4w, channels] in (-1, 1), float32.

  Attributes:
    doublings: of the size, 2 in the paper.

  `track` is that of TorchBatchNorm.
  """

  width: int = 64
  blocks: int = 16
  channels: int = 3
  doublings: int = 2
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, track: bool = True) -> Array:
    conv = functools.partial(Conv, pad='zero', dtype=self.dtype)

    def normed(x, name):
      y = conv(self.width, 3, 1, 1, name=name)(x)
      return TorchBatchNorm(name=f'{name}_norm')(y, track)

    x = first = PReLU(name='stem_slope')(conv(self.width, 9, 1, 4, name='stem')(x))
    for i in range(self.blocks):
      y = PReLU(name=f'block_{i}_slope')(normed(x, f'block_{i}_conv_0'))
      x = x + normed(y, f'block_{i}_conv_1')
    x = first + normed(x, 'trunk')
    for i in range(self.doublings):
      x = pixel_shuffle(conv(4 * self.width, 3, 1, 1, name=f'up_{i}')(x), 2)
      x = PReLU(name=f'up_{i}_slope')(x)
    x = conv(self.channels, 9, 1, 4, name='output')(x)
    return jnp.tanh(x.astype(jnp.float32))


class Discriminator(nn.Module):
  """Images [B, H, W, C] -> logits [B, 1], float32.

  Attributes:
    hidden: of the dense layer.
  """

  width: int = 64
  hidden: int = 1024
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    conv = functools.partial(Conv, pad='zero', padding=1, kernel_size=3, dtype=self.dtype)
    x = nn.leaky_relu(conv(self.width, name='stem')(x), 0.2)
    for i, (multiple, stride) in enumerate(STAGES):
      x = conv(multiple * self.width, stride=stride, name=f'conv_{i}')(x)
      x = nn.leaky_relu(TorchBatchNorm(name=f'norm_{i}')(x), 0.2)
    dense = functools.partial(nn.Dense, kernel_init=torch_kernel, dtype=self.dtype)
    x = nn.leaky_relu(dense(self.hidden, name='hidden')(x.reshape(len(x), -1)), 0.2)
    return dense(1, name='logits')(x).astype(jnp.float32)
