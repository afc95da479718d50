"""StackGAN++'s tree of generators, its discriminators and its conditioner (Zhang et al., TPAMI 2018).

Architecture by the official code, hanzhanggit/StackGAN-v2, model.py. A gated linear unit (GLU) halves
the channels: the first half times the sigmoid of the second. Everything is padded by zeros; kernels are
orthogonal at first, scales of batch normalisation N(1, 0.02), the discriminators' last biases torch's.
"""

import functools
import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.conv import Conv, SameConv
from decoupled_gan.layers.linear import Linear
from decoupled_gan.layers.norm import TorchBatchNorm

START = 4  # px of the first maps, and of the discriminators' last ones
ORTHOGONAL = nn.initializers.orthogonal()
leaky = functools.partial(nn.leaky_relu, negative_slope=0.2)


def around_one(key: Array, shape) -> Array:
  """N(1, 0.02)."""
  return 1 + 0.02 * jax.random.normal(key, shape)


class Condition(NamedTuple):
  """The Gaussian of a description: mean and log variance, [B, E] each."""

  mean: Array
  log_variance: Array

  def drawn(self, normal: Array) -> Array:
    """The condition [B, E] that standard normal numbers make: conditioning augmentation."""
    return self.mean + jnp.exp(self.log_variance / 2) * normal


class Conditioner(nn.Module):
  """Descriptions [B, T] -> Condition: a linear layer and a GLU.

  Descriptions shorter than what is made of them are enlarged at first, so that a number of the one has
  the mean square of a number of the other, as with the code's 1024 numbers of a text. Else a condition's
  noise of variance 1 drowns its mean.
  """

  size: int

  @nn.compact
  def __call__(self, description: Array) -> Condition:
    larger = max(1.0, math.sqrt(4 * self.size / description.shape[-1]))
    init = nn.initializers.orthogonal(larger)
    x = Linear(4 * self.size, kernel_init=init, name='dense')(description)
    return Condition(*jnp.split(nn.glu(x), 2, -1))


class Gated(nn.Module):
  """Convolution of 3 px, batch normalisation, GLU: [B, H, W, I] -> [B, H, W, features].

  Attributes:
    enlarged: whether each pixel becomes 2 x 2 before.

  `track` is that of TorchBatchNorm, here and below.
  """

  features: int
  enlarged: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, track: bool = True) -> Array:
    x = SameConv(
      2 * self.features, 3, 1, use_bias=False, kernel_init=ORTHOGONAL, dtype=self.dtype, name='conv',
      resized='doubled' if self.enlarged else '',
    )(x)  # fmt: skip
    return nn.glu(TorchBatchNorm(scale_init=around_one, name='norm')(x, track))


class Residual(nn.Module):
  """x + a gated and a plain convolution of it."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, track: bool = True) -> Array:
    y = Gated(x.shape[-1], dtype=self.dtype, name='gated')(x, track)
    y = conv(x.shape[-1], 3, 1, self.dtype, 'conv')(y)
    return x + TorchBatchNorm(scale_init=around_one, name='norm')(y, track)


class Root(nn.Module):
  """Codes [B, N] -> the first hidden maps [B, S, S, features]: F_0 of the paper."""

  size: int
  features: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, codes: Array, track: bool = True) -> Array:
    doublings = int(math.log2(self.size // START))
    first = 2**doublings * self.features
    dense = Linear(2 * START**2 * first, False, kernel_init=ORTHOGONAL, dtype=self.dtype, name='dense')
    x = dense(codes)[:, None, None]  # each unit is normalised apart
    x = nn.glu(TorchBatchNorm(scale_init=around_one, name='norm')(x, track))
    x = x.reshape(-1, START, START, first)
    for i in range(doublings):
      x = Gated(first // 2 ** (i + 1), True, self.dtype, name=f'up_{i}')(x, track)
    return x


class Branch(nn.Module):
  """Hidden maps [B, S, S, F] and the condition [B, E] -> maps [B, 2 S, 2 S, F/2]: F_i of the paper."""

  blocks: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, condition: Array, track: bool = True) -> Array:
    features = x.shape[-1]
    x = Gated(features, dtype=self.dtype, name='joint')(beside(condition, x), track)
    for i in range(self.blocks):
      x = Residual(self.dtype, name=f'residual_{i}')(x, track)
    return Gated(features // 2, True, self.dtype, name='up')(x, track)


class Tree(nn.Module):
  """(codes [B, N], condition [B, E]) -> images [B, S, S, C] in [-1, 1] of each scale, coarsest first.

  Attributes:
    size: px of the coarsest scale; each of the others has twice as many.
    scales: how many.
    width: features at the coarsest scale.
    blocks: residual blocks between two scales.
  """

  size: int
  scales: int
  width: int
  channels: int = 3
  blocks: int = 2
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, codes: Array, condition: Array, track: bool = True) -> list[Array]:
    images = []
    for i in range(self.scales):
      if i == 0:
        x = Root(self.size, self.width, self.dtype, name='stem')(codes, track)
      else:
        x = Branch(self.blocks, self.dtype, name=f'branch_{i}')(x, condition, track)
      image = conv(self.channels, 3, 1, self.dtype, f'image_{i}')(x)
      images.append(jnp.tanh(image.astype(jnp.float32)))
    return images


class Discriminator(nn.Module):
  """Of one scale: `features` of images, and what two heads say of them.

  Attributes:
    size: px of the images.
    width: features at half the size.
    top: features of the last maps, of 4 x 4 px.
  """

  size: int
  width: int
  top: int
  dtype: Any = jnp.float32

  def setup(self):
    downs = int(math.log2(self.size // START))
    found = [Plain(self.width * 2**i, 4, 2, i > 0, self.dtype) for i in range(downs)]
    halved = self.width * 2 ** (downs - 1) // 2
    while halved >= self.top:
      found.append(Plain(halved, 3, 1, True, self.dtype))
      halved //= 2
    self.trunk = found
    self.joint = Plain(self.top, 3, 1, True, self.dtype)
    self.conditional, self.unconditional = Last(self.dtype), Last(self.dtype)

  def features(self, images: Array) -> Array:
    """Images [B, S, S, C] -> maps [B, 4, 4, top]."""
    for layer in self.trunk:
      images = layer(images)
    return images

  def looks_real(self, features: Array) -> Array:
    """Logits [B]: are these images real?"""
    return self.unconditional(features)

  def fits(self, features: Array, condition: Array) -> Array:
    """Logits [B]: are these images real, and what was described?"""
    return self.conditional(self.joint(beside(condition, features)))


class Plain(nn.Module):
  """Convolution, batch normalisation if `normed`, leaky ReLU (0.2)."""

  features_out: int
  kernel_size: int
  stride: int
  normed: bool
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    x = conv(self.features_out, self.kernel_size, self.stride, self.dtype, 'conv')(x)
    return leaky(TorchBatchNorm(scale_init=around_one, name='norm')(x) if self.normed else x)


class Last(nn.Module):
  """Maps [B, 4, 4, F] -> logits [B], float32."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    x = Conv(1, START, START, dtype=self.dtype, kernel_init=ORTHOGONAL, name='conv')(x)
    return x.reshape(-1).astype(jnp.float32)


def conv(features: int, kernel_size: int, stride: int, dtype, name: str) -> Conv:
  """A convolution without bias, with one pixel of zeros around its input."""
  return Conv(
    features, kernel_size, stride, 1, False, dtype=dtype, pad='zero', kernel_init=ORTHOGONAL, name=name
  )


def beside(condition: Array, x: Array) -> Array:
  """The condition [B, E] at every pixel, before the channels of x [B, H, W, C]."""
  planes = condition.astype(x.dtype)[:, None, None]
  planes = jnp.broadcast_to(planes, (*x.shape[:3], planes.shape[-1]))
  return jnp.concatenate([planes, x], -1)
