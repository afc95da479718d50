"""Losses: pure functions of arrays, computed in float32. Weights live in the routes."""

import jax.numpy as jnp

from decoupled_gan.core.types import Array


def f32(x: Array) -> Array:
  """`x` in float32, in which losses are computed whatever the networks compute in."""
  return x.astype(jnp.float32)
