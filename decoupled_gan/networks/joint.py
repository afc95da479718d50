"""Networks of pairs: a generator, an encoder, and what judges an example together with its latents.

The perceptrons of BiGAN's permutation-invariant MNIST (jeffdonahue/bigan, --nobias --nogain): no biases
and no gains anywhere, kernels of N(0, 0.02), and latents that enter a second time, added before the
second layer's norm. Images are in [0, 1] inside the networks and in [-1, 1] outside.

BigBiGAN's discriminator (Donahue and Simonyan, NeurIPS 2019) here in the same size: F of the example, H
of the latents, J of both features, and a score of each. Its published networks (BigGAN, ResNet-50,
residual perceptrons of 2,048 and 4,096 units) are not.
"""

import functools
import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.norm import BatchNorm
from decoupled_gan.losses import f32

INIT = nn.initializers.normal(0.02)


def dense(features: int, name: str, dtype, init=INIT) -> nn.Module:
  return nn.Dense(features, use_bias=False, kernel_init=init, dtype=dtype, name=name)


def norm(name: str) -> nn.Module:
  """Batch normalisation that learns neither scale nor shift."""
  return BatchNorm(epsilon=1e-5, momentum=0.9, scale_init=None, use_bias=False, name=name)


def leaky(x: Array) -> Array:
  return nn.leaky_relu(x, 0.2)


def flat(x: Array) -> Array:
  """Examples [B, ...] as vectors; of images the values go from [-1, 1] to [0, 1]."""
  return x if x.ndim == 2 else (x.reshape(len(x), -1) + 1) / 2


class Generator(nn.Module):
  """z [B, z_dim] -> examples [B, *shape]; images in [-1, 1] by a sigmoid, points as they are."""

  shape: tuple[int, ...]
  width: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, z: Array) -> Array:
    layer = functools.partial(dense, dtype=self.dtype)
    x = nn.relu(norm('norm_0')(layer(self.width, 'dense_0')(z)))
    x = layer(self.width, 'dense_1')(x) + layer(self.width, 'again')(z)
    x = layer(math.prod(self.shape), 'out')(nn.relu(norm('norm_1')(x)))
    x = f32(x).reshape(-1, *self.shape)
    return 2 * nn.sigmoid(x) - 1 if len(self.shape) > 1 else x


class Code(NamedTuple):
  """Latents' mean and standard deviation [B, z_dim]; `std` is None where the encoder is sure."""

  mean: Array
  std: Array | None = None

  def sample(self, key: Array | None) -> Array:
    """Latents, reparametrised."""
    if self.std is None:
      return self.mean
    return self.mean + self.std * jax.random.normal(key, self.mean.shape)


class Encoder(nn.Module):
  """Examples -> the Code of their latents.

  Attributes:
    bounded: the prior is U(-1, 1), and so is the mean's range.
    stochastic: a standard deviation as well, softplus of what the network gives.
  """

  z_dim: int
  width: int
  bounded: bool = True
  stochastic: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Code:
    layer = functools.partial(dense, dtype=self.dtype)
    x = leaky(layer(self.width, 'dense_0')(flat(x)))
    x = leaky(norm('norm_1')(layer(self.width, 'dense_1')(x)))
    mean = f32(layer(self.z_dim, 'out')(x))
    mean = 2 * nn.sigmoid(mean) - 1 if self.bounded else mean
    return Code(mean, nn.softplus(f32(layer(self.z_dim, 'std')(x))) if self.stochastic else None)


class Discriminator(nn.Module):
  """(examples, latents) -> logits [B, 1], or the features [B, width] that they are made of.

  The last layer begins at 0: all logits are 0 then, and losses 0.6931.
  """

  width: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, z: Array, features: bool = False) -> Array:
    layer = functools.partial(dense, dtype=self.dtype)
    x = leaky(layer(self.width, 'dense_0')(flat(x)))
    x = layer(self.width, 'dense_1')(x) + layer(self.width, 'latents')(z)
    x = leaky(norm('norm_1')(x))
    return f32(x if features else layer(1, 'out', init=nn.initializers.zeros)(x))


class Scores(NamedTuple):
  """What BigBiGAN's discriminator says of pairs, [B, 1] each."""

  image: Array
  latent: Array
  joint: Array


class ScoringDiscriminator(nn.Module):
  """(examples, latents) -> Scores; no norms, so that each pair is judged alone."""

  width: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, z: Array) -> Scores:
    f = self._perceptron('f', flat(x))
    h = self._perceptron('h', z)
    j = self._perceptron('j', jnp.concatenate([f, h], -1))
    score = functools.partial(nn.Dense, 1, dtype=self.dtype)
    return Scores(*(f32(score(name=f'score_{n}')(y)) for n, y in (('f', f), ('h', h), ('j', j))))

  def _perceptron(self, name: str, x: Array) -> Array:
    """Two layers with biases, by He et al."""
    layer = functools.partial(nn.Dense, kernel_init=nn.initializers.he_normal(), dtype=self.dtype)
    for i in range(2):
      x = leaky(layer(self.width, name=f'{name}_{i}')(x))
    return x
