"""Affine maps of images, sampled without aliasing: the execution of ADA's geometric transforms.

Homogeneous 3 x 3 matrices for (x, y, 1), in pixels, x to the right and y down.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from decoupled_gan.augment.wavelets import SYM6
from decoupled_gan.core.types import Array
from decoupled_gan.layers.resample import upfirdn

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
  edges = [(0, 0), (height - 1, height - 1), (width - 1, width - 1), (0, 0)]
  large = upfirdn(jnp.pad(x, edges, 'reflect'), SYM6, up=2, pad=(6, 5), gain=4.0)
  one, half = _with(inverse[:, 0, 0], 1, 0.5)
  # In pixels of half the size, whose centres lie half a pixel further.
  inverse = compose([scale(2 * one, 2 * one), inverse, scale(half, half)], count, 3)
  inverse = compose([translate(-half, -half), inverse, translate(half, half)], count, 3)
  shape = 2 * (height + 2 * MARGIN), 2 * (width + 2 * MARGIN)
  sampled = sample(large, inverse, shape)
  return upfirdn(sampled[:, 1:-1, 1:-1], SYM6[::-1], down=2)


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
