"""Adversarial losses of logits: pure functions, computed in float32, each a mean."""

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.losses import f32


def least_squares(logits: Array, target: float) -> Array:
  """mean (logits - target)^2 over all elements: LSGAN (Mao et al., ICCV 2017, eq. 9), a=0, b=c=1.

  Without their factor 1/2, as CycleGAN and NICE-GAN have it. A discriminator minimises it with
  target 1 on real images plus with target 0 on fakes; a generator with target 1 on fakes.
  """
  return jnp.square(f32(logits) - target).mean()


def logistic(logits: Array, real: bool) -> Array:
  """mean softplus(-logits) if they are to count as real, else mean softplus(logits).

  The GAN loss of Goodfellow et al., 2014; a generator that minimises it with real=True is the
  non-saturating one.
  """
  logits = f32(logits)
  return jax.nn.softplus(-logits if real else logits).mean()
