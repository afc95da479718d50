"""From a discriminator's features to its verdict."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.networks.told import Told


class Verdict(NamedTuple):
  """What a discriminator says: outputs [B, K], float32, and the features [B, F] that they come from."""

  outputs: Array
  features: Array


class Linear(nn.Module):
  """Features [B, F] -> outputs [B, K]."""

  outputs: int = 1
  counts: tuple[int, ...] = ()

  @nn.compact
  def __call__(self, features: Array, labels: Array | None = None) -> Array:
    return nn.Dense(self.outputs, name='linear')(features.astype(jnp.float32))


class Projection(nn.Module):
  """Linear, and the product of features and an embedding of each label (Miyato and Koyama, 2018)."""

  outputs: int = 1
  counts: tuple[int, ...] = ()

  @nn.compact
  def __call__(self, features: Array, labels: Array) -> Array:
    features = features.astype(jnp.float32)
    out = nn.Dense(self.outputs, name='linear')(features)
    for k, count in enumerate(self.counts):
      embedded = nn.Embed(count, features.shape[-1], name=f'embed_{k}')(labels[:, k])
      out += (embedded * features).sum(-1, keepdims=True)
    return out


HEADS = {'linear': Linear, 'projection': Projection}


class Discriminator(nn.Module):
  """A backbone with a head: examples (and labels, and what it is told beside) to a Verdict."""

  backbone: nn.Module
  head: nn.Module

  def setup(self):
    self.told = Told()

  def __call__(self, x: Array, labels: Array | None = None, told: Array | None = None) -> Verdict:
    return self.conclude(self.features(x, labels), labels, told)

  def features(self, x: Array, labels: Array | None = None) -> Array:
    """What the head sees."""
    return self.backbone(x, labels)

  def conclude(
    self, features: Array, labels: Array | None = None, told: Array | None = None
  ) -> Verdict:
    """The verdict on features; `told` adds outputs of its own to the head's."""
    outputs = self.head(features, labels)
    if told is not None:
      outputs += self.told(told, features.astype(jnp.float32))
    return Verdict(outputs, features)


def make_head(name: str, outputs: int, counts: tuple[int, ...]) -> nn.Module:
  """The head that `config.model.head` names; raises UserError if there is none, or no labels for it."""
  if name not in HEADS:
    raise UserError(f'model.head={name!r} is unknown; there are {listing(HEADS)}.')
  if name == 'projection' and not counts:
    raise UserError(f'model.head={name!r} needs labels: name some of the data in config.attributes.')
  return HEADS[name](outputs, counts)


class Conditioned(nn.Module):
  """Latents [B, z] with an embedding of each label behind them: how a generator is told labels."""

  generator: nn.Module
  counts: tuple[int, ...]
  size: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, z: Array, labels: Array | None = None) -> Array:
    embedded = [
      nn.Embed(count, self.size, name=f'embed_{k}')(labels[:, k]) for k, count in enumerate(self.counts)
    ]
    return self.generator(jnp.concatenate([z, *embedded], -1))
