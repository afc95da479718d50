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


def cross_entropy(logits: Array, target: float) -> Array:
  """mean of -target log p - (1 - target) log(1 - p) with p = sigmoid(logits), over all elements.

  The GAN loss of Goodfellow et al. (NeurIPS 2014): a discriminator minimises it with target 1 on
  real images plus with target 0 on fakes; a generator with target 1 on fakes (the non-saturating
  form). ln 2 at logits of 0, whatever the target.
  """
  logits = _f32(logits)
  return (jax.nn.softplus(logits) - target * logits).mean()
