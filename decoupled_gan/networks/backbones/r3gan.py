"""R3GAN's networks (Huang et al., NeurIPS 2024, arXiv 2501.05441): residual, grouped, without any norm.

A stage for each size from 4 px on, of `widths` channels and `blocks` residual blocks: x + 1 x 1
(act(grouped 3 x 3 (act(1 x 1 x)))), widths w -> 2w -> 2w -> w, where act is a bias and a leaky ReLU
(0.2); convolutions have no biases. Kernels are normal of std gain / sqrt(fan in); the first two of a
block have the gain sqrt(2 / 1.04) L^(-1/4), L blocks in all, and the last is 0: at the start each block
is the identity.

  generator      a learned 4 x 4 basis times a linear map of z; sizes are doubled by the filter
                 [1, 3, 3, 1] behind a 1 x 1 convolution, if widths differ; 1 x 1 to the image, without
                 tanh
  discriminator  the reverse; a depthwise 4 x 4 convolution makes the features, and the head is linear

Of a conditional one, an embedding of the labels is behind z, and the head is `bilinear`. Source:
brownvc/R3GAN (R3GAN/Networks.py). *Where we differ*: labels of several attributes have an embedding
each; images leave the generator as float32, whatever the stages compute in.
"""

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.layers import conv_ops
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.layers.linear import Linear
from decoupled_gan.layers.named_norms import Norm
from decoupled_gan.layers.resample import downsample, upsample
from decoupled_gan.networks.backbones.staged import (
  Links,
  Staged,
  check_bare,
  condition_of,
  square_size,
)
from decoupled_gan.networks.heads import Last

START = 4  # px
SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))


def scaled(gain: float = 1.0):
  """N(0, gain^2 / fan in); zeros of gain 0."""
  if not gain:
    return nn.initializers.zeros
  return nn.initializers.variance_scaling(gain**2, 'fan_in', 'normal')


class Generator(Staged):
  """z [B, z] -> images [B, S, S, C].

  Attributes:
    widths, groups, blocks: of the stages at 4, 8, ... px.
    float32_upto: px of the largest stage that computes in float32 whatever `dtype` is.
  """

  widths: tuple[int, ...]
  groups: tuple[int, ...]
  blocks: tuple[int, ...]
  channels: int
  float32_upto: int = START
  condition: Links = ()
  dtype: Any = jnp.float32

  def chain(self):
    stages = dict(self.condition)
    for i, size, inner in _inner(self):
      stages[f'size_{size}'] = functools.partial(Growing, self.widths[i], inner, size == START)
    return stages | {'image': functools.partial(Image, self.channels, inner.dtype)}


class Discriminator(Staged):
  """Images [B, S, S, C] -> features [B, widths[0]]; attributes as the generator's."""

  widths: tuple[int, ...]
  groups: tuple[int, ...]
  blocks: tuple[int, ...]
  float32_upto: int = START
  dtype: Any = jnp.float32

  @property
  def last(self) -> Last:
    return Last(use_bias=False, kernel_init=scaled(), embed_init=_of_classes)

  def chain(self):
    stages = {}
    for i, size, inner in reversed(list(_inner(self))):
      stages = stages or {'image': functools.partial(Convolved, self.widths[i], inner.dtype)}
      narrower = self.widths[i - 1] if i else 0
      stages[f'size_{size}'] = functools.partial(Shrinking, self.widths[i], inner, narrower)
    return stages | {'features': Basis}


class Inner(NamedTuple):
  """The blocks of one stage: how many, of how many groups, how many all stages have, in what dtype."""

  blocks: int
  groups: int
  total: int
  dtype: Any

  def __call__(self, x: Array) -> Array:
    gain = GAIN * self.total**-0.25
    for i in range(self.blocks):
      x = Block(self.groups, gain, self.dtype, name=f'block_{i}')(x)
    return x


def _inner(network) -> Iterator[tuple[int, int, Inner]]:
  """(number, px, blocks) of each stage, from 4 px on."""
  for i, (groups, blocks) in enumerate(zip(network.groups, network.blocks, strict=True)):
    size = START << i
    dtype = jnp.float32 if size <= network.float32_upto else network.dtype
    yield i, size, Inner(blocks, groups, sum(network.blocks), dtype)


class Block(nn.Module):
  """x + its residual: [B, H, W, C] -> the same."""

  groups: int
  gain: float
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    channels = x.shape[-1]
    conv = functools.partial(SameConv, stride=1, use_bias=False, dtype=self.dtype)
    y = conv(2 * channels, 1, kernel_init=scaled(self.gain), name='conv_0')(x)
    y = self._activated(y, 'bias_0')
    grouped = conv(2 * channels, 3, groups=self.groups, kernel_init=scaled(self.gain), name='conv_1')
    y = self._activated(grouped(y), 'bias_1')
    return x + conv(channels, 1, kernel_init=scaled(0), name='conv_2')(y)

  def _activated(self, x: Array, name: str) -> Array:
    bias = self.param(name, nn.initializers.zeros, x.shape[-1:])
    return nn.leaky_relu(conv_ops.add_bias(x, bias), SLOPE)


class Growing(nn.Module):
  """A stage of the generator: z [B, z] -> [B, 4, 4, width], or [B, H, W, I] -> [B, 2H, 2W, width]."""

  width: int
  inner: Inner
  first: bool

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    x = x.astype(self.inner.dtype)
    if self.first:
      basis = self.param('basis', nn.initializers.normal(1.0), (START, START, self.width))
      weights = Linear(self.width, use_bias=False, kernel_init=scaled(), name='dense')(x)
      return self.inner(basis.astype(x.dtype)[None] * weights[:, None, None])
    return self.inner(upsample(_widened(x, self.width, self.inner.dtype)))


class Shrinking(nn.Module):
  """A stage of the discriminator: [B, H, W, width] -> [B, H/2, W/2, narrower]; the last keeps its size.

  Attributes:
    narrower: channels of the next stage; 0: there is none.
  """

  width: int
  inner: Inner
  narrower: int

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    x = self.inner(x.astype(self.inner.dtype))
    return _widened(downsample(x), self.narrower, self.inner.dtype) if self.narrower else x


class Convolved(nn.Module):
  """1 x 1 convolution: [B, H, W, I] -> [B, H, W, features]."""

  features: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array, labels: Array | None = None) -> Array:
    conv = SameConv(
      self.features, 1, 1, use_bias=False, kernel_init=scaled(), dtype=self.dtype, name='conv'
    )  # fmt: skip
    return conv(x)


class Image(nn.Module):
  """The last layer of the generator: images [B, S, S, channels], float32."""

  channels: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    return Convolved(self.channels, self.dtype, name='to')(x).astype(jnp.float32)


class Basis(nn.Module):
  """Depthwise convolution of a whole map: [B, 4, 4, C] -> features [B, C]."""

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    init = nn.initializers.normal(1 / START)  # a channel's own 16 pixels
    basis = self.param('basis', init, x.shape[1:])
    return (x * basis.astype(x.dtype)[None]).sum((1, 2))


def _widened(x: Array, width: int, dtype: Any) -> Array:
  return x if x.shape[-1] == width else Convolved(width, dtype, name='widths')(x)


def _of_classes(key, shape, dtype=jnp.float32):
  """Of an embedding [classes, size]: a linear map of one-hot classes, with gain 1 / sqrt(size)."""
  return nn.initializers.normal(1 / math.sqrt(math.prod(shape)))(key, shape, dtype)


def generator(config: ConfigDict) -> nn.Module:
  """The generator that `config.model` describes."""
  shape = _shape(config)
  condition = condition_of(config, Norm(), scaled())
  dtype = jnp.dtype(config.compute_dtype)
  return Generator(*shape, config.image_channels, config.model.float32_upto, condition, dtype)


def discriminator(config: ConfigDict) -> nn.Module:
  """The discriminator's backbone that `config.model` describes."""
  return Discriminator(*_shape(config), config.model.float32_upto, jnp.dtype(config.compute_dtype))


def _shape(config: ConfigDict) -> tuple[tuple[int, ...], ...]:
  """(widths, groups, blocks); raises UserError where they do not fit the size or each other."""
  check_bare(config, 'r3gan', 'generator', 'discriminator')
  size, model = square_size(config, 'r3gan', START), config.model
  stages = int(math.log2(size // START)) + 1
  shape = tuple(tuple(model[field]) for field in ('widths', 'groups', 'blocks'))
  for field, values in zip(('widths', 'groups', 'blocks'), shape, strict=True):
    if len(values) != stages:
      raise UserError(
        f'model.{field}={values}: {size} px have {stages} stages (4, 8, ... px), and each has a number.'
      )
  for width, groups in zip(*shape[:2], strict=True):
    if 2 * width % groups:
      raise UserError(
        f'model.groups: {groups} groups do not divide the 2 x {width} channels inside a block.'
      )
  return shape
