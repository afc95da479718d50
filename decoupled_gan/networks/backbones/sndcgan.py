"""The standard CNN of Spectral Normalization (Miyato et al., ICLR 2018, arXiv 1802.05957, Table 3).

The generator starts at an eighth of the size with 8 `width` channels and doubles three times by 4 x 4
kernels; the discriminator has seven convolutions, 3 x 3 and 4 x 4 (stride 2) in turns. All N(0, 0.02).
`width` is 64 as published, at 32 px (CIFAR-10) and 48 px (STL-10).

Batch normalisation is for each unit of the first layer and for each channel of the others
(chainer-gan-lib: common/net.py). Leaky slopes are 0.1 (google/compare_gan: sndcgan.py); *where we
differ*: chainer-gan-lib has its framework's 0.2.
"""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import image_shape
from decoupled_gan.errors import UserError
from decoupled_gan.layers.named_norms import Norm
from decoupled_gan.networks.backbones.dcgan import INIT, Conv, Flatten, Start, pixels
from decoupled_gan.networks.backbones.staged import Links, Staged, condition_of, norm_of
from decoupled_gan.networks.heads import Last

SLOPE = 0.1


class Generator(Staged):
  """z [B, z] -> images [B, S, S, C] in [-1, 1]."""

  size: int
  channels: int
  width: int
  norm: Norm
  condition: Links = ()
  dtype: Any = jnp.float32

  def chain(self):
    start = functools.partial(Start, self.size // 8, 8 * self.width, self.norm, True, dtype=self.dtype)
    up = functools.partial(Conv, activation=nn.relu, norm=self.norm, transposed=True, dtype=self.dtype)
    image = functools.partial(
      Conv, self.channels, pixels, self.norm.left_out, kernel_size=3, stride=1, dtype=self.dtype
    )
    ups = {f'up_{i}': functools.partial(up, n * self.width) for i, n in enumerate((4, 2, 1))}
    return {**dict(self.condition), 'start': start, **ups, 'image': image}


class Discriminator(Staged):
  """Images [B, S, S, C] -> features [B, (S/8)^2 x 8 width]."""

  width: int
  norm: Norm
  dtype: Any = jnp.float32

  @property
  def last(self) -> Last:
    return Last(spectral=self.norm.spectral, kernel_init=INIT)

  def chain(self):
    leaky = functools.partial(nn.leaky_relu, negative_slope=SLOPE)
    conv = functools.partial(Conv, activation=leaky, norm=self.norm, dtype=self.dtype)
    same = functools.partial(conv, kernel_size=3, stride=1)
    stages = {'conv_0': functools.partial(same, self.width, norm=self.norm.left_out)}
    for i, n in enumerate((2, 4, 8)):
      stages[f'down_{i}'] = functools.partial(conv, n * self.width)
      stages[f'conv_{i + 1}'] = functools.partial(same, n * self.width)
    return stages | {'features': Flatten}


def generator(config: ConfigDict) -> nn.Module:
  """The generator that `config.model` describes."""
  size, norm = _size(config), norm_of(config, 'generator')
  condition, dtype = condition_of(config, norm), jnp.dtype(config.compute_dtype)
  return Generator(size, config.image_channels, config.model.width, norm, condition, dtype)


def discriminator(config: ConfigDict) -> nn.Module:
  """The discriminator's backbone that `config.model` describes."""
  _size(config)
  norm = norm_of(config, 'discriminator')
  return Discriminator(config.model.width, norm, jnp.dtype(config.compute_dtype))


def _size(config: ConfigDict) -> int:
  height, width = image_shape(config)
  if config.vector_size or height != width or height % 8:
    raise UserError(
      f'image_size={config.image_size}: the backbone sndcgan makes squares whose side is a multiple of '
      '8 px; for points there is mlp.'
    )
  return height
