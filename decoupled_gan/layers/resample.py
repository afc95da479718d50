"""Resampling by a small FIR filter, alone and around convolutions, as StyleGAN2 and CUT do it.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020; the filter
is theirs, the outer product of [1, 3, 3, 1] / 8 with itself. It is separable, so that each axis is
filtered alone, as a sum of shifted slices: grouped convolutions are several times slower on CPUs, and
the zeros that upsampling would insert are never made. Plain `lax` operations: derivatives of any
order.

`rescaled_8_bit` is another: the bicubic filter of MATLAB's imresize (Keys, a = -0.5), as SinGAN has it.
"""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array
from decoupled_gan.layers import conv_ops, extent

TAPS = (1.0, 3.0, 3.0, 1.0)


def upfirdn(
  x: Array,
  taps: Sequence[float] = TAPS,
  up: int = 1,
  down: int = 1,
  pad: tuple[int, int] = (0, 0),
  gain: float = 1.0,
) -> Array:
  """Inserts zeros, pads, filters and decimates both axes of x [B, H, W, C] alike.

  Each pixel is followed by up - 1 zeros, the last one too; then come `pad` zeros before and after;
  then the convolution (not correlation) with the normalised taps wherever it fits; then every
  `down`-th pixel from the first. Sizes become (up * H + sum(pad) - len(taps)) // down + 1.

  Args:
    gain: of the two axes together; up**2 keeps the brightness of upsampled images.
  """
  scale = gain**0.5 / sum(taps)
  return _filter_both(x, tuple(tap * scale for tap in taps), up, down, pad)


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4))  # equal shapes are traced once
def _filter_both(x, taps, up, down, pad):
  for axis in (1, 2):
    x = _filter(x, axis, taps, up, down, pad)
  return x


def _filter(x, axis, taps, up, down, pad):
  filtered = up * x.shape[axis] + sum(pad) - len(taps) + 1
  phases = [_phase(x, axis, taps, up, pad[0], q, -(-filtered // up)) for q in range(up)]
  if up == 1:
    return _slice(phases[0], axis, 0, -(-filtered // down), down) if down > 1 else phases[0]
  stacked = jnp.stack(phases, axis + 1)
  shape = (*x.shape[:axis], up * phases[0].shape[axis], *x.shape[axis + 1 :])
  return _slice(stacked.reshape(shape), axis, 0, -(-filtered // down), down)


def _phase(x, axis, taps, up, before, phase, length):
  """Samples phase, phase + up, ... of the filtered signal: those taps that do not meet zeros."""
  offsets = {}
  for k, tap in enumerate(reversed(taps)):
    if (phase + k - before) % up == 0:
      offsets[(phase + k - before) // up] = tap
  left = max(0, -min(offsets))
  right = max(0, max(offsets) + length - x.shape[axis])
  x = jnp.pad(x, [(left, right) if i == axis else (0, 0) for i in range(x.ndim)])
  return sum(_slice(x, axis, left + start, length, 1) * tap for start, tap in offsets.items())


def _slice(x, axis, start, length, stride):
  index = [slice(None)] * x.ndim
  index[axis] = slice(start, start + (length - 1) * stride + 1, stride)
  return x[tuple(index)]


def upsample(x: Array) -> Array:
  """Twice the size: [B, H, W, C] -> [B, 2H, 2W, C]."""
  return upfirdn(x, up=2, pad=(2, 1), gain=4.0)


def downsample(x: Array) -> Array:
  """Half the size: [B, H, W, C] -> [B, H/2, W/2, C]."""
  return upfirdn(x, down=2, pad=(1, 1))


def blurred_half(x: Array) -> Array:
  """Half the size by [1, 2, 1] with a mirrored border: CUT's downsampling (Zhang, ICML 2019)."""
  return upfirdn(conv_ops.reflect_pad(x, 1), taps=(1.0, 2.0, 1.0), down=2)


def blurred_double(x: Array) -> Array:
  """Twice the size by [1, 3, 3, 1] with a repeated border: CUT's upsampling."""
  padded = extent.bordered(x, 1, 'edge')
  return upsample(padded)[:, 2:-2, 2:-2]


def nearest_double(x: Array) -> Array:
  """Each pixel as 2x2 pixels: [B, H, W, C] -> [B, 2H, 2W, C]."""
  return x.repeat(2, 1).repeat(2, 2)


def conv_doubled(x: Array, kernel: Array, border: str = 'edge') -> Array:
  """A padded 3x3 convolution of `nearest_double(x)`: [B, H, W, I] -> [B, 2H, 2W, O].

  Of the 9 taps that a pixel sees, those that fall on one small pixel are added first: 2x2 taps for
  each of the 4 places within a small pixel, 16 products where there were 36.

  Args:
    kernel: [3, 3, I, O].
    border: of the small image: 'edge' is the mirrored border of the large one, 'constant' its zeros.
  """
  batch, height, width, _ = x.shape
  outputs = kernel.shape[-1]
  for axis in (0, 1):  # [3, ...] -> [2 places, 2 taps, ...], then the same of what is now axis 2
    at = 2 * axis
    first, middle, last = jnp.split(kernel, 3, at)
    places = jnp.concatenate([first, middle + last], at), jnp.concatenate([first + middle, last], at)
    kernel = jnp.stack(places, at)
  kernel = kernel.transpose(1, 3, 4, 0, 2, 5).reshape(2, 2, -1, 4 * outputs)
  padded = extent.bordered(x, 1, border)
  y = conv_ops.conv(padded, kernel).reshape(batch, height + 1, width + 1, 2, 2, outputs)
  rows = [
    jnp.stack([y[:, i : i + height, j : j + width, i, j] for j in range(2)], 3) for i in range(2)
  ]
  return jnp.stack(rows, 2).reshape(batch, 2 * height, 2 * width, outputs)


def mean_halved(x: Array) -> Array:
  """Means of 2x2 pixels: [B, H, W, C] -> [B, H/2, W/2, C]."""
  batch, height, width, channels = x.shape
  return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def conv_halved(x: Array, kernel: Array) -> Array:
  """`mean_halved` of a 3x3 convolution padded with zeros: [B, H, W, I] -> [B, H/2, W/2, O].

  One 4x4 convolution of stride 2: 16 products where there were 36.

  Args:
    kernel: [3, 3, I, O].
  """
  for axis in (0, 1):
    ends = [[(0, 0)] * axis + [end] + [(0, 0)] * (3 - axis) for end in ((0, 1), (1, 0))]
    kernel = (jnp.pad(kernel, ends[0]) + jnp.pad(kernel, ends[1])) / 2
  return conv_ops.conv(extent.bordered(x, 1, 'constant'), kernel, 2)


def conv_resampled(x: Array, kernel: Array, up: bool = False, down: bool = False) -> Array:
  """A convolution of size 1 or 3 that keeps, doubles or halves the size of its input.

  Args:
    x: [B, H, W, I].
    kernel: [k, k, I, O]. Correlation, but true convolution (the adjoint of strided correlation)
      when a 3x3 kernel doubles the size: the convention of the official checkpoints.
  """
  if kernel.shape[0] == 1:
    y = conv_ops.conv(downsample(x) if down else x, kernel)
    return upsample(y) if up else y
  if up:
    return upfirdn(conv_ops.conv_transpose(x, kernel, 2), pad=(1, 1), gain=4.0)
  if down:
    return conv_ops.conv(upfirdn(x, pad=(2, 2)), kernel, 2)
  return conv_ops.conv(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), kernel)


def bicubic_matrix(size: int, scale: float) -> np.ndarray:
  """float32 [ceil(size * scale), size]: MATLAB's imresize of one axis.

  The filter is as much wider as an axis becomes shorter; the border is mirrored, its last pixel too.
  (`jax.image.resize` has the same filter, and weighs what is left of it at the border.)
  """
  count, narrow = math.ceil(size * scale), min(scale, 1)
  centres = (np.arange(count) + 0.5) / scale - 0.5
  first = np.floor(centres - 2 / narrow).astype(int)
  taps = first[:, None] + np.arange(math.ceil(4 / narrow) + 2)
  x = np.abs((centres[:, None] - taps) * narrow)
  near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
  weights = np.where(x <= 1, near, np.where(x <= 2, far, 0))
  weights /= weights.sum(1, keepdims=True)
  mirrored = np.concatenate([np.arange(size), np.arange(size)[::-1]])
  matrix = np.zeros((count, size))
  np.add.at(matrix, (np.arange(count)[:, None], mirrored[taps % (2 * size)]), weights)
  return matrix.astype(np.float32)


def rescaled_8_bit(x: Array, scale: float) -> Array:
  """Images [B, H, W, C] in [-1, 1], cut off to 8 bits and resized bicubically: no gradient passes.

  The result has sizes ceil(scale * H), ceil(scale * W) and is clipped, not rounded.
  """
  levels = jnp.floor(jnp.clip((x + 1) / 2, 0, 1) * 255 + 1e-3)
  rows, columns = (jnp.asarray(bicubic_matrix(n, scale)) for n in x.shape[1:3])
  resized = jnp.einsum('hi,wj,bijc->bhwc', rows, columns, levels, precision='highest')
  return stop_gradient(jnp.clip(resized / 127.5 - 1, -1, 1))
