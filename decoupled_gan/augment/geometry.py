"""Affine maps of images, sampled without aliasing: the execution of ADA's geometric transforms.

Homogeneous 3 x 3 matrices for (x, y, 1), in pixels, x to the right and y down.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from decoupled_gan.augment.wavelets import SYM6
from decoupled_gan.core.types import Array

MARGIN = len(SYM6) // 4  # px that the filter on the way down needs around the image


def _matrix(rows) -> Array:
  """[B, 3, 3] of three rows of three, each [B] or a number."""
  return jnp.stack([jnp.stack(jnp.broadcast_arrays(*row), -1) for row in rows], -2)


def _with(like: Array, *numbers: float):
  return [jnp.full_like(like, number) for number in numbers]


def scale(x: Array, y: Array) -> Array:
  zero, one = _with(x, 0, 1)
  return _matrix([[x, zero, zero], [zero, y, zero], [zero, zero, one]])


def translate(x: Array, y: Array) -> Array:
  zero, one = _with(x, 0, 1)
  return _matrix([[one, zero, x], [zero, one, y], [zero, zero, one]])


def rotate(angle: Array) -> Array:
  zero, one = _with(angle, 0, 1)
  cos, sin = jnp.cos(angle), jnp.sin(angle)
  return _matrix([[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]])


def compose(factors: Sequence[Array], count: int, size: int) -> Array:
  """The product [B, n, n] of matrices, the first the leftmost; the identity if there are none."""
  product = jnp.broadcast_to(jnp.eye(size)[None], (count, size, size))
  for factor in factors:
    product = jnp.matmul(product, factor, precision='highest')
  return product


def warp(x: Array, inverse: Array) -> Array:
  """Images x [B, H, W, C] through affine maps about their centres; what lies outside is reflected.

  Twice as large, sampled bilinearly, and down again, each time through sym6.

  Args:
    inverse: [B, 3, 3], from the pixels of the output to those of x.
  """
  count, height, width, _ = x.shape
  large = along_axes(x, enlarging(height), enlarging(width))
  one, half = _with(inverse[:, 0, 0], 1, 0.5)
  # In pixels of half the size, whose centres lie half a pixel further.
  inverse = compose([scale(2 * one, 2 * one), inverse, scale(half, half)], count, 3)
  inverse = compose([translate(-half, -half), inverse, translate(half, half)], count, 3)
  shape = 2 * (height + 2 * MARGIN), 2 * (width + 2 * MARGIN)
  return along_axes(sample(large, inverse, shape), reducing(height), reducing(width))


def along_axes(x: Array, rows: np.ndarray, columns: np.ndarray) -> Array:
  """The linear maps [H', H] and [W', W] of both axes of images [B, H, W, C].

  Resampling is a product of matrices here: dots compile a hundred times as fast as sums of slices, of
  which R1 needs the derivatives' derivatives, and are what accelerators are made for.
  """
  x = jnp.einsum('bhwc,ih->biwc', x, rows, precision='highest')
  return jnp.einsum('biwc,jw->bijc', x, columns, precision='highest')


@functools.cache
def enlarging(size: int) -> np.ndarray:
  """[2 (3n - 2), n]: n pixels reflected at both ends, doubled by zeros in between, filtered."""
  padded = np.pad(np.eye(size), [(size - 1, size - 1), (0, 0)], 'reflect')
  spread = np.zeros((2 * len(padded), size))
  spread[::2] = padded
  spread = np.pad(spread, [(6, 5), (0, 0)])
  return _filtered(spread, 2 * np.array(SYM6) / sum(SYM6))


@functools.cache
def reducing(size: int) -> np.ndarray:
  """[n, 2 (n + 6)]: one pixel cut at both ends, filtered by the mirrored taps, every second kept."""
  cut = np.eye(2 * (size + 2 * MARGIN))[1:-1]
  return _filtered(cut, np.array(SYM6[::-1]) / sum(SYM6))[::2]


def _filtered(columns: np.ndarray, taps: np.ndarray) -> np.ndarray:
  """Each column convolved with `taps`, wherever they fit."""
  full = [np.convolve(column, taps, 'valid') for column in columns.T]
  return np.stack(full, 1).astype(np.float32)


def sample(x: Array, inverse: Array, shape: tuple[int, int]) -> Array:
  """Images of `shape` whose pixels are those of x at the mapped places, bilinearly, 0 outside."""
  height, width = x.shape[1:3]
  down = jnp.arange(shape[0]) + 0.5 - shape[0] / 2
  across = jnp.arange(shape[1]) + 0.5 - shape[1] / 2

  def along(row, size):  # where in x the pixels of the output are, along one axis of x
    a, b, c = (row[:, i, None, None] for i in range(3))
    return a * across[None, None, :] + b * down[None, :, None] + c + (size - 1) / 2

  at_x, at_y = along(inverse[:, 0], width), along(inverse[:, 1], height)
  left, top = jnp.floor(at_x), jnp.floor(at_y)
  found = 0.0
  for i, share_y in enumerate((top + 1 - at_y, at_y - top)):
    for j, share_x in enumerate((left + 1 - at_x, at_x - left)):
      row, column = (top + i).astype(jnp.int32), (left + j).astype(jnp.int32)
      inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
      row, column = jnp.clip(row, 0, height - 1), jnp.clip(column, 0, width - 1)
      pixels = jax.vmap(lambda image, row, column: image[row, column])(x, row, column)
      found += (share_y * share_x * inside)[..., None] * pixels
  return found
