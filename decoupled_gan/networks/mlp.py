"""Multilayer perceptrons for points and small images: the networks of toy experiments.

ReLU in the generator, leaky ReLU (0.2) in the discriminator; kernels by He et al., biases 0.
"""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array, image_shape

HE = nn.initializers.he_normal()


class Generator(nn.Module):
  """z [B, z] -> examples [B, *shape]; images go through tanh, points do not."""

  shape: tuple[int, ...]
  width: int
  depth: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, z: Array, labels: Array | None = None) -> Array:
    x = z
    for i in range(self.depth):
      x = nn.relu(nn.Dense(self.width, kernel_init=HE, dtype=self.dtype, name=f'dense_{i}')(x))
    x = nn.Dense(math.prod(self.shape), name='out')(x.astype(jnp.float32))
    x = x.reshape(-1, *self.shape)
    return jnp.tanh(x) if len(self.shape) == 3 else x


class Discriminator(nn.Module):
  """Examples -> features [B, width]."""

  width: int
  depth: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, labels: Array | None = None) -> Array:
    x = x.reshape(len(x), -1)
    for i in range(self.depth):
      x = nn.Dense(self.width, kernel_init=HE, dtype=self.dtype, name=f'dense_{i}')(x)
      x = nn.leaky_relu(x, 0.2)
    return x


def generator(config: ConfigDict) -> nn.Module:
  """The generator that `config.model` describes."""
  image = (*image_shape(config), config.image_channels)
  shape = (config.vector_size,) if config.vector_size else image
  return Generator(shape, config.model.width, config.model.depth, jnp.dtype(config.compute_dtype))


def discriminator(config: ConfigDict) -> nn.Module:
  """The discriminator's backbone that `config.model` describes."""
  return Discriminator(config.model.width, config.model.depth, jnp.dtype(config.compute_dtype))
