"""The dense networks of Improved Techniques' semi-supervised MNIST models (Salimans et al., NIPS 2016).

openai/improved-gan, mnist_svhn_cifar10: a generator of 500 and 500 softplus units, each layer batch
normalised (or virtually, `model.norm_generator`); a discriminator of 1000, 500, 250, 250 and 250 ReLU
units whose weights have length 1, with Gaussian noise of 0.3 at its input and 0.5 before its further
layers. `model.width` is the 250, `model.noise` the two noises.

*Where we differ*: images are in [-1, 1], so that the input's noise is 0.6 and tanh ends the generator;
there is no noise before the last, linear layer, which is the head's; norms have scales; nothing is
initialised by data.
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array, example_shape
from decoupled_gan.layers.named_norms import Norm
from decoupled_gan.networks.backbones.mlp import Hidden, Out
from decoupled_gan.networks.backbones.staged import (
  Links,
  Staged,
  check_bare,
  condition_of,
  norm_of,
)

WIDTHS = (4, 2, 1, 1, 1)  # times model.width


class Generator(Staged):
  """z [B, z] -> examples [B, *shape]; images go through tanh, points do not."""

  shape: tuple[int, ...]
  width: int
  norm: Norm
  condition: Links = ()
  dtype: Any = jnp.float32

  def chain(self):
    hidden = functools.partial(Hidden, 2 * self.width, nn.softplus, self.norm, self.dtype)
    last = functools.partial(Out, self.shape, self.norm.spectral)
    return {**dict(self.condition), 'hidden_0': hidden, 'hidden_1': hidden, 'out': last}


class Discriminator(Staged):
  """Examples -> features [B, width]; in training through noise of its own."""

  width: int
  noise: tuple[float, float]
  dtype: Any = jnp.float32

  def chain(self):
    return {
      f'hidden_{i}': functools.partial(Noisy, times * self.width, self.noise[min(i, 1)], self.dtype)
      for i, times in enumerate(WIDTHS)
    }


class Noisy(nn.Module):
  """Noise where there is a stream of it, a linear layer whose units have weights of length 1, ReLU."""

  features: int
  noise: float
  dtype: Any

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    x = x.reshape(x.shape[0], -1)
    if self.has_rng('noise'):
      x = x + self.noise * jax.random.normal(self.make_rng('noise'), x.shape, x.dtype)
    kernel = self.param('kernel', nn.initializers.normal(1.0), (x.shape[-1], self.features))
    bias = self.param('bias', nn.initializers.zeros, (self.features,))
    kernel = kernel / jnp.maximum(jnp.linalg.norm(kernel, axis=0, keepdims=True), 1e-12)
    return nn.relu(x.astype(self.dtype) @ kernel.astype(self.dtype) + bias[None].astype(self.dtype))


def generator(config: ConfigDict) -> nn.Module:
  """The generator that `config.model` describes."""
  norm, dtype = norm_of(config, 'generator'), jnp.dtype(config.compute_dtype)
  return Generator(example_shape(config), config.model.width, norm, condition_of(config, norm), dtype)


def discriminator(config: ConfigDict) -> nn.Module:
  """The discriminator's backbone that `config.model` describes."""
  check_bare(config, 'improved', 'discriminator')
  noise = tuple(config.model.noise)
  return Discriminator(config.model.width, noise, jnp.dtype(config.compute_dtype))
