"""DCGAN (Radford, Metz, Chintala, ICLR 2016, arXiv 1511.06434), for squares of 8 px or more.

In the form that everybody copies, soumith/dcgan.torch: 4 x 4 kernels of N(0, 0.02) without biases; the
generator starts at 4 x 4 px, where it has `width` x 2^(n-1) channels, and doubles the size and halves
the channels n times; the discriminator does the reverse. Batch normalisation with scales of N(1, 0.02)
everywhere but in the generator's last and the discriminator's first layer; ReLU and leaky ReLU (0.2);
tanh. `width` is the number of channels at half the size: 64 as published, at 64 px.

*Where we differ*: other sizes by the same rule; biases where a network has no norm; running averages
move by 0.1 a step, so that they follow a generator that changes fast. The authors' first code
(Newmu/dcgan_code) has 5 x 5 kernels, a width of 128 and a norm for each unit of the first layer.
"""

import functools
import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.layers.linear import Linear
from decoupled_gan.layers.named_norms import Norm
from decoupled_gan.networks.backbones.staged import (
  Flatten,
  Links,
  Staged,
  condition_of,
  norm_of,
  square_size,
)
from decoupled_gan.networks.heads import Last

START = 4  # px
INIT = nn.initializers.normal(0.02)
SCALE_STD = 0.02


class Generator(Staged):
  """z [B, z] -> images [B, S, S, C] in [-1, 1]."""

  size: int
  channels: int
  width: int
  norm: Norm
  condition: Links = ()
  dtype: Any = jnp.float32

  def chain(self):
    doublings = int(math.log2(self.size // START))
    widths = [self.width * 2**i for i in reversed(range(doublings))]
    bare = self.norm.kind == 'none'
    start = functools.partial(Start, START, widths[0], self.norm, use_bias=bare, dtype=self.dtype)
    up = functools.partial(Conv, transposed=True, use_bias=bare, dtype=self.dtype)
    return {
      **dict(self.condition),
      'start': start,
      **{f'up_{i}': functools.partial(up, w, nn.relu, self.norm) for i, w in enumerate(widths[1:])},
      'image': functools.partial(up, self.channels, pixels, self.norm.left_out),
    }


class Discriminator(Staged):
  """Images [B, S, S, C] -> features [B, 4 x 4 x width x 2^(n-1)]."""

  size: int
  width: int
  norm: Norm
  dtype: Any = jnp.float32

  @property
  def last(self) -> Last:
    return Last(use_bias=self.norm.kind == 'none', spectral=self.norm.spectral, kernel_init=INIT)

  def chain(self):
    bare, leaky = self.norm.kind == 'none', functools.partial(nn.leaky_relu, negative_slope=0.2)
    down = functools.partial(Conv, use_bias=bare, dtype=self.dtype)
    stages = {}
    for i in range(int(math.log2(self.size // START))):
      norm = self.norm if i else self.norm.left_out
      stages[f'down_{i}'] = functools.partial(down, self.width * 2**i, leaky, norm)
    return stages | {'features': Flatten}


class Start(nn.Module):
  """Linear, norm, ReLU: z [B, z] -> [B, size, size, features].

  Attributes:
    each_unit: whether pixels of one channel are normalised apart.
  """

  size: int
  features: int
  norm: Norm
  each_unit: bool = False
  use_bias: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, z: Array, labels: Array | None) -> Array:
    dense = Linear(
      self.size**2 * self.features, use_bias=self.use_bias, spectral=self.norm.spectral,
      kernel_init=INIT, dtype=self.dtype, name='dense',
    )  # fmt: skip
    x, shape = dense(z), (-1, self.size, self.size, self.features)
    x = x if self.each_unit else x.reshape(shape)
    return nn.relu(self.norm('norm', x, labels)).reshape(shape)


class Conv(nn.Module):
  """Convolution, norm, activation: [B, H, W, I] -> [B, H', W', features]."""

  features: int
  activation: Any
  norm: Norm
  kernel_size: int = 4
  stride: int = 2
  transposed: bool = False
  use_bias: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    conv = SameConv(
      self.features, self.kernel_size, self.stride, self.transposed, self.use_bias,
      spectral=self.norm.spectral, kernel_init=INIT, dtype=self.dtype, name='conv',
    )  # fmt: skip
    return self.activation(self.norm('norm', conv(x), labels))


def pixels(x: Array) -> Array:
  """What a generator's last layer gives, as float32 in [-1, 1]."""
  return jnp.tanh(x.astype(jnp.float32))


def generator(config: ConfigDict) -> nn.Module:
  """The generator that `config.model` describes."""
  size = square_size(config, 'dcgan', 2 * START)
  norm = norm_of(config, 'generator', scale_std=SCALE_STD)
  condition, dtype = condition_of(config, norm), jnp.dtype(config.compute_dtype)
  return Generator(size, config.image_channels, config.model.width, norm, condition, dtype)


def discriminator(config: ConfigDict) -> nn.Module:
  """The discriminator's backbone that `config.model` describes."""
  size = square_size(config, 'dcgan', 2 * START)
  norm = norm_of(config, 'discriminator', scale_std=SCALE_STD)
  return Discriminator(size, config.model.width, norm, jnp.dtype(config.compute_dtype))
