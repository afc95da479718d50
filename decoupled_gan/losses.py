"""Losses: pure functions, computed in float32, each a mean unless it says otherwise."""

import jax
import jax.numpy as jnp

from decoupled_gan.types import Array


def _f32(x: Array) -> Array:
  return x.astype(jnp.float32)


def l1(x: Array, y: Array) -> Array:
  """mean |x - y| over all elements; x and y have one shape."""
  return jnp.abs(_f32(x) - _f32(y)).mean()


def least_squares(logits: Array, target: float) -> Array:
  """mean (logits - target)^2 over all elements: LSGAN (Mao et al., ICCV 2017, eq. 9), a=0, b=c=1.

  Without their factor 1/2, as CycleGAN and NICE-GAN have it. A discriminator minimises it with
  target 1 on real images plus with target 0 on fakes; a generator with target 1 on fakes.
  """
  return jnp.square(_f32(logits) - target).mean()


def mse(x: Array, y: Array) -> Array:
  """mean (x - y)^2 over all elements; x and y have one shape."""
  return jnp.square(_f32(x) - _f32(y)).mean()


def logistic(logits: Array, real: bool) -> Array:
  """mean softplus(-logits) if they are to count as real, else mean softplus(logits).

  The GAN loss of Goodfellow et al., 2014; a generator that minimises it with real=True is the
  non-saturating one.
  """
  logits = _f32(logits)
  return jax.nn.softplus(-logits if real else logits).mean()


def cosine(x: Array, y: Array) -> Array:
  """Mean cosine between the vectors along the last axis of x and y, in [-1, 1]."""
  x, y = _f32(x), _f32(y)
  squares = (x * x).sum(-1) * (y * y).sum(-1)
  return ((x * y).sum(-1) * jax.lax.rsqrt(jnp.maximum(squares, 1e-16))).mean()
