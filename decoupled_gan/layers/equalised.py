"""StyleGAN2's layers: equalised learning rates, modulated convolution, resampling by FIR filters.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, section 2.2
and appendix B; the constants are those of the official PyTorch code of StyleGAN2-ADA.

Equalised: weights are stored with unit variance and scaled when used, so that Adam moves all of them
at one relative speed. *Where we differ*: half precision is bfloat16, whose range is that of float32;
the official float16 needs the weights and styles divided by their maxima first, which cancels.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.resample import conv_resampled

NOISE = ('random', 'const', 'none')
"""Per-pixel noise of the synthesis: fresh (training), the fixed maps of the network, or none."""


def unit_normal(key, shape, dtype=jnp.float32):
  return jax.random.normal(key, shape, dtype)


def activate(
  x: Array, bias: Array | None, activation: str, gain: float = 1.0, clamp: float | None = None
) -> Array:
  """Adds the bias [C], then 'lrelu' (slope 0.2, times sqrt 2) or 'linear', times gain, clamped.

  Args:
    clamp: limit of the absolute value before `gain`, None for none.
  """
  if bias is not None:
    x = x + bias.astype(x.dtype).reshape((1,) * (x.ndim - 1) + (-1,))
  scale = gain
  if activation == 'lrelu':
    x, scale = nn.leaky_relu(x, 0.2), gain * math.sqrt(2)
  x = x * scale
  return x if clamp is None else jnp.clip(x, -clamp * gain, clamp * gain)


class EqualisedDense(nn.Module):
  """Linear layer, float32: [B, I] -> [B, features]."""

  features: int
  activation: str = 'linear'
  bias_init: float = 0.0
  lr_multiplier: float = 1.0

  @nn.compact
  def __call__(self, x: Array) -> Array:
    stored = nn.initializers.normal(1 / self.lr_multiplier)
    kernel = self.param('kernel', stored, (x.shape[-1], self.features))
    bias = self.param('bias', nn.initializers.constant(self.bias_init), (self.features,))
    x = x.astype(jnp.float32) @ (kernel * (self.lr_multiplier / math.sqrt(x.shape[-1])))
    return activate(x, bias * self.lr_multiplier, self.activation)


class EqualisedConv(nn.Module):
  """Convolution, resampling, bias, activation: [B, H, W, I] -> [B, H', W', features].

  Attributes:
    up, down: whether the size is doubled or halved.
    gain: factor of the output, clamp included.
  """

  features: int
  kernel_size: int = 3
  up: bool = False
  down: bool = False
  use_bias: bool = True
  activation: str = 'lrelu'
  gain: float = 1.0
  clamp: float | None = None
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
    kernel = self.param('kernel', unit_normal, shape) / math.sqrt(math.prod(shape[:3]))
    bias = self.param('bias', nn.initializers.zeros, shape[-1:]) if self.use_bias else None
    x = conv_resampled(x.astype(self.dtype), kernel.astype(self.dtype), self.up, self.down)
    return activate(x, bias, self.activation, self.gain, self.clamp)


class StyledConv(nn.Module):
  """Modulated 3x3 convolution, demodulated, with noise: [B, H, W, I], w [B, D] -> [B, H', W', O].

  The style scales the input's channels and the norm of the kernel so scaled divides the output's,
  which equals the paper's convolution by a kernel of each image's own.

  Attributes:
    noisy: whether there is noise, and its learned strength.
  """

  features: int
  up: bool = False
  clamp: float | None = None
  dtype: Any = jnp.float32
  noisy: bool = True

  @nn.compact
  def __call__(self, x: Array, w: Array, noise: str) -> Array:
    style = EqualisedDense(x.shape[-1], bias_init=1.0, name='affine')(w)  # [B, I]
    kernel = self.param('kernel', unit_normal, (3, 3, x.shape[-1], self.features))
    bias = self.param('bias', nn.initializers.zeros, (self.features,))
    demodulation = jax.lax.rsqrt(style**2 @ (kernel**2).sum((0, 1)) + 1e-8)  # [B, O]
    x = x.astype(self.dtype) * style[:, None, None].astype(self.dtype)
    x = conv_resampled(x, kernel.astype(self.dtype), self.up)
    x = x * demodulation[:, None, None].astype(self.dtype)
    if self.noisy:
      strength = self.param('noise_strength', nn.initializers.zeros, ())
      pixels = self._noise(noise, x.shape[:3])
      x = x if pixels is None else x + (pixels * strength).astype(self.dtype)
    return activate(x, bias, 'lrelu', clamp=self.clamp)

  def _noise(self, kind: str, shape) -> Array | None:
    """Standard normal [B or 1, H, W, 1] in float32, or None."""
    fixed = self.variable('noise', 'map', lambda: unit_normal(self.make_rng('params'), (*shape[1:], 1)))
    if kind == 'random':
      return jax.random.normal(self.make_rng('noise'), (*shape, 1))
    return fixed.value[None] if kind == 'const' else None


class ToImage(nn.Module):
  """Modulated 1x1 convolution, not demodulated: [B, H, W, I], w [B, D] -> float32 [B, H, W, C]."""

  channels: int
  clamp: float | None = None
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, w: Array) -> Array:
    inputs = x.shape[-1]
    style = EqualisedDense(inputs, bias_init=1.0, name='affine')(w) / math.sqrt(inputs)
    kernel = self.param('kernel', unit_normal, (1, 1, inputs, self.channels))
    bias = self.param('bias', nn.initializers.zeros, (self.channels,))
    x = x.astype(self.dtype) * style[:, None, None].astype(self.dtype)
    x = conv_resampled(x, kernel.astype(self.dtype))
    return activate(x, bias, 'linear', clamp=self.clamp).astype(jnp.float32)


def append_deviation(x: Array, group_size: int) -> Array:
  """One more channel: the mean standard deviation of a group of images. [B,H,W,C] -> [B,H,W,C+1].

  A group is every (B / size)-th image, as in the official code; size is group_size, or B if that is
  smaller. Where it does not divide B, groups are of the greatest size that divides both.
  """
  batch, height, width, _ = x.shape
  size = math.gcd(group_size, batch)
  groups = x.astype(jnp.float32).reshape(size, batch // size, *x.shape[1:])
  deviation = jnp.sqrt(groups.var(0) + 1e-8).mean((1, 2, 3))  # [B / size]
  deviation = jnp.tile(deviation, size).reshape(batch, 1, 1, 1).astype(x.dtype)
  return jnp.concatenate([x, jnp.broadcast_to(deviation, (batch, height, width, 1))], -1)
