"""From a discriminator's features to its verdict."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.losses.classification import Answer, Classification


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
  """A backbone with a head: examples (and labels) to a Verdict."""

  backbone: nn.Module
  head: nn.Module

  def __call__(self, x: Array, labels: Array | None = None) -> Verdict:
    features = self.backbone(x, labels)
    return Verdict(self.head(features, labels), features)


def make_head(name: str, outputs: int, counts: tuple[int, ...]) -> nn.Module:
  """The head that `config.model.head` names; raises UserError if there is none, or no labels for it."""
  if name not in HEADS:
    raise UserError(f'model.head={name!r} is unknown; there are {listing(HEADS)}.')
  if name == 'projection' and not counts:
    raise UserError(f'model.head={name!r} needs labels: name some of the data in config.attributes.')
  return HEADS[name](outputs, counts)


class Classes(nn.Module):
  """Features [B, F] -> an Answer: what a loss of classes has to learn of `count` classes."""

  count: int
  loss: Classification

  @nn.compact
  def __call__(self, features: Array) -> Answer:
    features = features.astype(jnp.float32)
    found = {
      'centres': lambda key: self.loss.initial_centres(key, self.count, features.shape[-1]),
      'bias': lambda key: self.loss.initial_bias(self.count),
    }
    there = {name: jax.eval_shape(make, jax.random.key(0)) is not None for name, make in found.items()}
    return Answer(features, *[self.param(n, make) if there[n] else None for n, make in found.items()])


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
