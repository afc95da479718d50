"""Losses: pure functions, computed in float32, each a mean unless it says otherwise."""

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
