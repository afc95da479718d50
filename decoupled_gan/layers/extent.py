"""Images of many sizes through one program: maps that are larger than what is in them.

A program is compiled for one size. An image that is smaller lies in the upper left of its arrays, and
what lies beyond has no meaning. A convolution without padding reads nothing beyond from where it has to
give something; so all that has to know are the borders (mirrored, repeated or zeros) and what looks at a
whole image (its mean, variance, maximum). They ask `size_of` here, and do by indices and masks what they
otherwise do by slices: the same numbers, up to the order of sums. Tiles would not do: instance
normalisation and its relatives are statistics of the whole image.

Outside of `inside`, which is everywhere but in such a program, nothing here changes anything.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import jax.numpy as jnp

from decoupled_gan.core.types import Array

_current: ContextVar[tuple[tuple[int, int], Array] | None] = ContextVar('extent', default=None)


@contextlib.contextmanager
def inside(whole: tuple[int, int], own: Array) -> Iterator[None]:
  """While a network is traced: its images have the size `whole`, of which int32 `own` [2] is filled.

  Every map must be as many times smaller or larger as its image, in both sides: sizes are multiples of
  what the network halves.
  """
  token = _current.set((whole, own))
  try:
    yield
  finally:
    _current.reset(token)


def size_of(x: Array) -> tuple[Array, Array] | None:
  """(height, width) of what is in a map x [B, H, W, C]: traced scalars; None if that is all of it."""
  current = _current.get()
  if current is None:
    return None
  whole, own = current
  return tuple(own[i] * x.shape[1 + i] // whole[i] for i in range(2))


def pixels_of(x: Array) -> int | Array:
  """How many pixels of a map are filled; float32 where it depends on the image."""
  size = size_of(x)
  if size is None:
    return x.shape[1] * x.shape[2]
  return size[0].astype(jnp.float32) * size[1].astype(jnp.float32)


def mask(x: Array) -> Array | None:
  """What of a map x is filled, [1, H, W, 1]; None if all is."""
  size = size_of(x)
  if size is None:
    return None
  rows, columns = (jnp.arange(n) < own for n, own in zip(x.shape[1:3], size, strict=True))
  return (rows[:, None] & columns[None])[None, :, :, None]


def cleared(x: Array) -> Array:
  """x with zeros beyond what is filled."""
  filled = mask(x)
  return x if filled is None else jnp.where(filled, x, jnp.zeros((), x.dtype))


def bordered(x: Array, pad: int, mode: str) -> Array:
  """x with a border of `pad` pixels around what is filled: 'reflect', 'edge' or 'constant' (zeros)."""
  size = size_of(x)
  if size is None or mode == 'constant':
    return jnp.pad(cleared(x), ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode=mode)
  for axis, own in zip((1, 2), size, strict=True):
    places = jnp.arange(-pad, x.shape[axis] + pad)
    if mode == 'reflect':
      places = jnp.abs(places)
      places = jnp.where(places < own, places, 2 * (own - 1) - places)
    x = jnp.take(x, jnp.clip(places, 0, own - 1), axis)
  return x


def places(x: Array) -> Array | slice:
  """The place of each of a map's numbers, [H W C] row by row, among those of what is filled."""
  size = size_of(x)
  if size is None:
    return slice(None)
  rows, columns, channels = jnp.indices(x.shape[1:], sparse=True)
  found = (rows * size[1] + columns) * x.shape[3] + channels
  return jnp.minimum(found, found.size - 1).reshape(-1)


def pooled_mean(x: Array) -> Array:
  """The mean over the pixels of x [B, H, W, C]: [B, C]."""
  return x.mean((1, 2)) if size_of(x) is None else cleared(x).sum((1, 2)) / pixels_of(x)


def pooled_maximum(x: Array) -> Array:
  """The maximum over the pixels of x [B, H, W, C]: [B, C]."""
  filled = mask(x)
  return (x if filled is None else jnp.where(filled, x, -jnp.inf)).max((1, 2))


def moments(x: Array, axes: tuple[int, ...], ddof: int = 0) -> tuple[Array, Array]:
  """Mean and variance of x over axes, reduced dimensions kept; float32 whatever x's dtype."""
  x = x.astype(jnp.float32)
  if size_of(x) is None:
    return x.mean(axes, keepdims=True), x.var(axes, keepdims=True, ddof=ddof)
  if not {1, 2} <= set(axes):
    raise ValueError(f'moments over {axes} of images that do not fill their arrays')
  count = pixels_of(x)
  for axis in set(axes) - {1, 2}:
    count = count * x.shape[axis]
  mean = cleared(x).sum(axes, keepdims=True) / count
  return mean, jnp.square(cleared(x - mean)).sum(axes, keepdims=True) / (count - ddof)
