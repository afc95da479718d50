"""Multilayer perceptrons for points and small images: the networks of toy experiments.

ReLU in the generator, leaky ReLU (0.2) in the discriminator; kernels by He et al., biases 0.
"""

import functools
import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array, image_shape
from decoupled_gan.layers.linear import Linear
from decoupled_gan.layers.named_norms import Norm
from decoupled_gan.networks.heads import Last
from decoupled_gan.networks.staged import Links, Staged, condition_of, norm_of

HE = nn.initializers.he_normal()


class Generator(Staged):
  """z [B, z] -> examples [B, *shape]; images go through tanh, points do not."""

  shape: tuple[int, ...]
  width: int
  depth: int
  norm: Norm = Norm()
  condition: Links = ()
  dtype: Any = jnp.float32

  def chain(self):
    hidden = functools.partial(Hidden, self.width, nn.relu, self.norm, self.dtype)
    last = functools.partial(Out, self.shape, self.norm.spectral)
    return dict(self.condition) | {f'hidden_{i}': hidden for i in range(self.depth)} | {'out': last}


class Discriminator(Staged):
  """Examples -> features [B, width]."""

  width: int
  depth: int
  norm: Norm = Norm()
  dtype: Any = jnp.float32

  @property
  def last(self) -> Last:
    return Last(spectral=self.norm.spectral)

  def chain(self):
    leaky = functools.partial(nn.leaky_relu, negative_slope=0.2)
    hidden = functools.partial(Hidden, self.width, leaky, self.norm, self.dtype)
    return {f'hidden_{i}': hidden for i in range(self.depth)}


class Hidden(nn.Module):
  """Linear, norm, activation: [B, ...] -> [B, width]."""

  width: int
  activation: Any
  norm: Norm
  dtype: Any

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    dense = Linear(
      self.width, spectral=self.norm.spectral, kernel_init=HE, dtype=self.dtype, name='dense'
    )  # fmt: skip
    return self.activation(self.norm('norm', dense(x.reshape(len(x), -1)), labels))


class Out(nn.Module):
  """[B, F] -> examples [B, *shape], float32."""

  shape: tuple[int, ...]
  spectral: bool

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    dense = Linear(math.prod(self.shape), spectral=self.spectral, name='dense')
    x = dense(x.astype(jnp.float32)).reshape(-1, *self.shape)
    return jnp.tanh(x) if len(self.shape) == 3 else x


def generator(config: ConfigDict) -> nn.Module:
  """The generator that `config.model` describes."""
  image = (*image_shape(config), config.image_channels)
  shape = (config.vector_size,) if config.vector_size else image
  model, norm = config.model, norm_of(config, 'generator')
  condition = condition_of(config, norm)
  return Generator(shape, model.width, model.depth, norm, condition, jnp.dtype(config.compute_dtype))


def discriminator(config: ConfigDict) -> nn.Module:
  """The discriminator's backbone that `config.model` describes."""
  model, norm = config.model, norm_of(config, 'discriminator')
  return Discriminator(model.width, model.depth, norm, jnp.dtype(config.compute_dtype))
