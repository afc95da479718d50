"""Distances between images or features: pure functions, computed in float32, each a mean."""

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.losses import f32


def l1(x: Array, y: Array) -> Array:
  """mean |x - y| over all elements; x and y have one shape."""
  return jnp.abs(f32(x) - f32(y)).mean()


def mse(x: Array, y: Array) -> Array:
  """mean (x - y)^2 over all elements; x and y have one shape."""
  return jnp.square(f32(x) - f32(y)).mean()


def cosine(x: Array, y: Array) -> Array:
  """Mean cosine between the vectors along the last axis of x and y, in [-1, 1]."""
  x, y = f32(x), f32(y)
  squares = (x * x).sum(-1) * (y * y).sum(-1)
  return ((x * y).sum(-1) * jax.lax.rsqrt(jnp.maximum(squares, 1e-16))).mean()
