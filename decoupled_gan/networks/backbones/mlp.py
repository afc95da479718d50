"""Multilayer perceptrons for points and small images: the networks of toy experiments.

ReLU in the generator and leaky ReLU (0.2) in the discriminator, or SiLU or tanh in both; kernels by He
et al., biases 0. `model.frequencies` = n shows each number as n sines and n cosines of it first, as the
notebook of Adversarial Flow Models does (Lin et al., ICML 2026): frequencies from 100 down to 0.01.
"""

import functools
import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array, example_shape
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers.linear import Linear
from decoupled_gan.layers.named_norms import Norm
from decoupled_gan.networks.backbones.staged import Flatten, Links, Staged, condition_of, norm_of
from decoupled_gan.networks.heads import Last

HE = nn.initializers.he_normal()
ACTIVATIONS = {
  'relu': (nn.relu, functools.partial(nn.leaky_relu, negative_slope=0.2)),
  'silu': (nn.silu, nn.silu),
  'tanh': (nn.tanh, nn.tanh),
}
"""Of the generator and of the discriminator."""


class Generator(Staged):
  """z [B, z] -> examples [B, *shape]; images go through tanh, points do not."""

  shape: tuple[int, ...]
  width: int
  depth: int
  norm: Norm = Norm()
  condition: Links = ()
  dtype: Any = jnp.float32
  activation: Any = nn.relu

  def chain(self):
    hidden = functools.partial(Hidden, self.width, self.activation, self.norm, self.dtype)
    last = functools.partial(Out, self.shape, self.norm.spectral)
    return dict(self.condition) | {f'hidden_{i}': hidden for i in range(self.depth)} | {'out': last}


class Discriminator(Staged):
  """Examples -> features [B, width]; without hidden layers, the examples as vectors."""

  width: int
  depth: int
  norm: Norm = Norm()
  condition: Links = ()
  dtype: Any = jnp.float32
  activation: Any = ACTIVATIONS['relu'][1]

  @property
  def last(self) -> Last:
    return Last(spectral=self.norm.spectral)

  def chain(self):
    hidden = functools.partial(Hidden, self.width, self.activation, self.norm, self.dtype)
    layers = {f'hidden_{i}': hidden for i in range(self.depth)} or {'features': Flatten}
    return dict(self.condition) | layers


class Waves(nn.Module):
  """[B, ...] of D numbers -> [B, 2 n D]: sines and cosines of 100 x / 10000^(i / (n - 1))."""

  frequencies: int

  def __call__(self, x: Array, labels: Array | None) -> Array:
    n = self.frequencies
    rates = 100 * 10_000.0 ** -(jnp.arange(n) / max(n - 1, 1))
    angles = (x.reshape(x.shape[0], -1, 1) * rates[None, None]).reshape(x.shape[0], -1)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1)


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
    return self.activation(self.norm('norm', dense(x.reshape(x.shape[0], -1)), labels))


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
  return Generator(example_shape(config), *_fields(config, 'generator'))


def discriminator(config: ConfigDict) -> nn.Module:
  """The discriminator's backbone that `config.model` describes."""
  return Discriminator(*_fields(config, 'discriminator'))


def _fields(config: ConfigDict, player: str) -> tuple:
  model, norm = config.model, norm_of(config, player)
  if model.activation not in ACTIVATIONS:
    known = listing(ACTIVATIONS)
    raise UserError(f'model.activation={model.activation!r} is unknown; there are {known}.')
  activation = ACTIVATIONS[model.activation][player == 'discriminator']
  waves = functools.partial(Waves, model.frequencies)
  first = (('waves', waves),) if model.frequencies else ()
  told = condition_of(config, norm) if player == 'generator' else ()
  return model.width, model.depth, norm, (*told, *first), jnp.dtype(config.compute_dtype), activation
