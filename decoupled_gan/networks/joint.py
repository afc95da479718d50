"""Networks of pairs: a generator, an encoder, and what judges an example together with its latents.

The perceptrons of BiGAN's permutation-invariant MNIST (jeffdonahue/bigan, --nobias --nogain): no biases
and no gains anywhere, kernels of N(0, 0.02), and latents that enter a second time, added before the
second layer's norm. Images are in [0, 1] inside the networks and in [-1, 1] outside.

BigBiGAN's discriminator (Donahue and Simonyan, NeurIPS 2019) here in the same size: F of the example, H
of the latents, J of both features, and a score of each. Its published networks (BigGAN, ResNet-50,
residual perceptrons of 2,048 and 4,096 units) are not.
"""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.norm import BatchNorm

INIT = nn.initializers.normal(0.02)


def dense(features: int, name: str, init=INIT) -> nn.Module:
  return nn.Dense(features, use_bias=False, kernel_init=init, name=name)


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

  @nn.compact
  def __call__(self, z: Array) -> Array:
    x = nn.relu(norm('norm_0')(dense(self.width, 'dense_0')(z)))
    x = dense(self.width, 'dense_1')(x) + dense(self.width, 'again')(z)
    x = dense(math.prod(self.shape), 'out')(nn.relu(norm('norm_1')(x))).reshape(-1, *self.shape)
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

  @nn.compact
  def __call__(self, x: Array) -> Code:
    x = leaky(dense(self.width, 'dense_0')(flat(x)))
    x = leaky(norm('norm_1')(dense(self.width, 'dense_1')(x)))
    mean = dense(self.z_dim, 'out')(x)
    mean = 2 * nn.sigmoid(mean) - 1 if self.bounded else mean
    return Code(mean, nn.softplus(dense(self.z_dim, 'std')(x)) if self.stochastic else None)


class Discriminator(nn.Module):
  """(examples, latents) -> logits [B, 1], or the features [B, width] that they are made of.

  The last layer begins at 0: all logits are 0 then, and losses 0.6931.
  """

  width: int

  @nn.compact
  def __call__(self, x: Array, z: Array, features: bool = False) -> Array:
    x = leaky(dense(self.width, 'dense_0')(flat(x)))
    x = dense(self.width, 'dense_1')(x) + dense(self.width, 'latents')(z)
    x = leaky(norm('norm_1')(x))
    return x if features else dense(1, 'out', nn.initializers.zeros)(x)


class Scores(NamedTuple):
  """What BigBiGAN's discriminator says of pairs, [B, 1] each."""

  image: Array
  latent: Array
  joint: Array


class ScoringDiscriminator(nn.Module):
  """(examples, latents) -> Scores; no norms, so that each pair is judged alone."""

  width: int

  @nn.compact
  def __call__(self, x: Array, z: Array) -> Scores:
    f = _perceptron(self.width, 'f', flat(x))
    h = _perceptron(self.width, 'h', z)
    j = _perceptron(self.width, 'j', jnp.concatenate([f, h], -1))
    return Scores(*(nn.Dense(1, name=f'score_{name}')(y) for name, y in (('f', f), ('h', h), ('j', j))))


def _perceptron(width: int, name: str, x: Array) -> Array:
  """Two layers with biases, by He et al."""
  for i in range(2):
    x = leaky(nn.Dense(width, kernel_init=nn.initializers.he_normal(), name=f'{name}_{i}')(x))
  return x
