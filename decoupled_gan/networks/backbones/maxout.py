"""The networks of the first GAN (Goodfellow et al., NIPS 2014; goodfeli/adversarial: mnist.yaml).

A generator of two layers of 1200 ReLU and a sigmoid; a discriminator of two layers of 240 maxout units,
each the largest of 5 linear pieces, with dropout: inputs are kept with probability 0.8, those of other
layers with 0.5, and what is kept is scaled up. Kernels are uniform, +-0.05 and +-0.005.
`model.width` is the 240.

*Where we differ*: images are in [-1, 1] and tanh(x / 2) is their sigmoid; the last bias begins at 0
rather than at the logit of the pixels' means; latents are of U(-1, 1) rather than +-sqrt 3; there is no
dropout before the last, linear layer, which is the head's.
"""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array, example_shape
from decoupled_gan.layers.linear import Linear
from decoupled_gan.layers.named_norms import Norm
from decoupled_gan.networks.backbones.staged import Links, Staged, check_bare, condition_of
from decoupled_gan.networks.heads import Last

PIECES, TIMES = 5, 5  # of a maxout unit; ReLU for each unit of the discriminator
KEPT = (0.8, 0.5)  # at the input of the discriminator, and before its second layer


def around_zero(reach: float):
  """An initialiser: U(-reach, reach)."""
  return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -reach, reach)


class Generator(Staged):
  """z [B, z] -> images [B, *shape] in [-1, 1]."""

  shape: tuple[int, ...]
  width: int
  condition: Links = ()
  dtype: Any = jnp.float32

  def chain(self):
    hidden = functools.partial(Rectified, TIMES * self.width, self.dtype)
    return {
      **dict(self.condition),
      'hidden_0': hidden,
      'hidden_1': hidden,
      'image': functools.partial(Pixels, self.shape),
    }


class Discriminator(Staged):
  """Images -> features [B, width]; in training with dropout."""

  width: int
  dtype: Any = jnp.float32

  @property
  def last(self) -> Last:
    return Last(kernel_init=around_zero(0.005))

  def chain(self):
    return {
      f'hidden_{i}': functools.partial(Maxout, self.width, kept, self.dtype)
      for i, kept in enumerate(KEPT)
    }


class Rectified(nn.Module):
  """Linear, ReLU."""

  features: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    dense = Linear(self.features, kernel_init=around_zero(0.05), dtype=self.dtype, name='dense')
    return nn.relu(dense(x))


class Pixels(nn.Module):
  """[B, F] -> images, float32."""

  shape: tuple[int, ...]

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    dense = Linear(math.prod(self.shape), kernel_init=around_zero(0.05), name='dense')
    return jnp.tanh(dense(x.astype(jnp.float32)) / 2).reshape(-1, *self.shape)


class Maxout(nn.Module):
  """Dropout where there is a stream `noise`, then units that are the largest of their pieces."""

  features: int
  kept: float
  dtype: Any

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    x = x.reshape(x.shape[0], -1)
    drop = nn.Dropout(1 - self.kept, rng_collection='noise', deterministic=not self.has_rng('noise'))
    dense = Linear(
      PIECES * self.features, kernel_init=around_zero(0.005), dtype=self.dtype, name='dense'
    )  # fmt: skip
    return dense(drop(x)).reshape(x.shape[0], self.features, PIECES).max(-1)


def generator(config: ConfigDict) -> nn.Module:
  """The generator that `config.model` describes, of images or points (in [-1, 1])."""
  check_bare(config, 'maxout', 'generator')
  condition, dtype = condition_of(config, Norm()), jnp.dtype(config.compute_dtype)
  return Generator(example_shape(config), config.model.width, condition, dtype)


def discriminator(config: ConfigDict) -> nn.Module:
  """The discriminator's backbone that `config.model` describes."""
  check_bare(config, 'maxout', 'discriminator')
  return Discriminator(config.model.width, jnp.dtype(config.compute_dtype))
