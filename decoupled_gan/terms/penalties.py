"""Penalties on the discriminator's slope: norms over all axes but the first, means over that."""

import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.terms import Scene, slopes, term


@term('discriminate', 'regularise')
def gradient_penalty(scene: Scene, slope: float = 1.0) -> Array:
  """mean (|grad D| - 1)^2 between real and fake (Gulrajani et al., NIPS 2017, eq. 3); weight 10."""
  return jnp.square(slopes(scene.critic, scene.between) - slope).mean()


@term('discriminate', 'regularise')
def r1(scene: Scene) -> Array:
  """mean |grad D|^2 on real examples (Mescheder et al., ICML 2018, eq. 9); weight gamma / 2."""
  return jnp.square(slopes(scene.critic, scene.real)).mean()


@term('discriminate', 'regularise')
def r2(scene: Scene) -> Array:
  """mean |grad D|^2 on fakes (Mescheder et al., ICML 2018, eq. 10); weight gamma / 2."""
  return jnp.square(slopes(scene.critic, scene.fake)).mean()
