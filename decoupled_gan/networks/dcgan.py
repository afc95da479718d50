"""DCGAN (Radford, Metz, Chintala, ICLR 2016, arXiv 1511.06434), for squares of 8 px or more.

The generator starts at 4 x 4 px with `width` x 2^(n-1) channels and doubles n times, as the
discriminator halves; 5 x 5 kernels of N(0, 0.02), batch normalisation everywhere but in the generator's
last and the discriminator's first layer, ReLU and leaky ReLU (0.2), tanh.
"""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array, image_shape
from decoupled_gan.errors import UserError
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.layers.norm import BatchNorm

START = 4  # px
INIT = nn.initializers.normal(0.02)
NORMS = ('batch', 'none')


class Generator(nn.Module):
  """z [B, z] -> images [B, S, S, C] in [-1, 1]."""

  size: int
  channels: int
  width: int
  norm: str = 'batch'
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, z: Array, labels: Array | None = None) -> Array:
    doublings = int(math.log2(self.size // START))
    features = self.width * 2 ** (doublings - 1)
    x = nn.Dense(START * START * features, kernel_init=INIT, dtype=self.dtype, name='start')(z)
    x = x.reshape(-1, START, START, features)
    for i in range(doublings):
      x = nn.relu(BatchNorm(name=f'norm_{i}')(x) if self.norm == 'batch' else x)
      last = i == doublings - 1
      features = self.channels if last else features // 2
      x = SameConv(
        features, transposed=True, kernel_init=INIT, dtype=self.dtype, name=f'up_{i}'
      )(x)  # fmt: skip
    return jnp.tanh(x.astype(jnp.float32))


class Discriminator(nn.Module):
  """Images [B, S, S, C] -> features [B, 4 x 4 x width x 2^(n-1)]."""

  size: int
  width: int
  norm: str = 'batch'
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, labels: Array | None = None) -> Array:
    for i in range(int(math.log2(self.size // START))):
      x = SameConv(self.width * 2**i, kernel_init=INIT, dtype=self.dtype, name=f'down_{i}')(x)
      if i and self.norm == 'batch':
        x = BatchNorm(name=f'norm_{i}')(x)
      x = nn.leaky_relu(x, 0.2)
    return x.reshape(len(x), -1)


def generator(config: ConfigDict) -> nn.Module:
  """The generator that `config.model` describes."""
  return Generator(
    _size(config), config.image_channels, config.model.width, config.model.norm_generator,
    jnp.dtype(config.compute_dtype),
  )  # fmt: skip


def discriminator(config: ConfigDict) -> nn.Module:
  """The discriminator's backbone that `config.model` describes."""
  norm = config.model.norm_discriminator
  return Discriminator(_size(config), config.model.width, norm, jnp.dtype(config.compute_dtype))


def _size(config: ConfigDict) -> int:
  height, width = image_shape(config)
  if config.vector_size or height != width or height < 2 * START or height & (height - 1):
    raise UserError(
      f'image_size={config.image_size}: the backbone dcgan makes squares whose side is a power of two '
      f'from {2 * START} px; for points there is mlp.'
    )
  for field in ('norm_generator', 'norm_discriminator'):
    if config.model[field] not in NORMS:
      raise UserError(f'model.{field}={config.model[field]!r} is unknown; there are batch and none.')
  return height
