"""Labels that are quantities: the pull of a generator towards neighbours (Zheng, Zhang, Zheng, 2021).

Continuous Conditional GANs with Generator Regularization, arXiv 2103.14884: few values of a condition
are trained on, and between them a generator may do what it likes; a Lipschitz penalty on it says that
near conditions give near examples of the same latent.

*What we know of it*: the abstract says the penalty, and no code was found. The form of the quotient, its
power, the law of conditions (uniform over `low`..`high`, unseen ones too), that of neighbours (normal)
and all constants are our choice. Both networks are told quantities as any label, see configs/gan.py's
`label_waves`: the generator behind its latents, the discriminator by projection.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.terms import term
from decoupled_gan.terms.scenes import Scene


@term('generate')
def neighbours(
  scene: Scene,
  scale: float = 0.1,
  least: float = 0.01,
  power: float = 1.0,
  low: float = 0.0,
  high: float = 1.0,
) -> Array:
  """mean (|G(z, y + d) - G(z, y)| / |d|)^power; y ~ U(low, high), d ~ N(0, scale^2), |d| >= least."""
  if scene.labels is None or not jnp.issubdtype(scene.labels.dtype, jnp.floating):
    raise UserError('neighbours are of labels that are quantities: config.attributes.<name> = ().')
  shape = scene.labels.shape
  y = low + (high - low) * scene.uniform('neighbours', shape)
  d = scale * jax.random.normal(scene.key('distances of neighbours'), shape)
  d = jnp.where(d < 0, -1, 1) * jnp.maximum(jnp.abs(d), least)
  z = scene.z[: len(y)]
  return jnp.power(quotients(scene.gan.generator, z, y, d), power).mean()


def quotients(generator: Callable, z: Array, y: Array, d: Array) -> Array:
  """|G(z, y + d) - G(z, y)| / |d|, [B]: norms over all axes of an example.

  Both are of one call, so that a generator with batch normalisation sees them in one batch.
  """
  made = generator(jnp.concatenate([z, z]), jnp.concatenate([y, y + d])).astype(jnp.float32)
  moved = (made[len(z) :] - made[: len(z)]).reshape(len(z), -1)
  squares = [jnp.square(x).sum(-1) for x in (moved, d)]
  above, below = (jnp.sqrt(jnp.maximum(x, 1e-24)) for x in squares)  # no slope, not NaN, at 0
  return above / below
