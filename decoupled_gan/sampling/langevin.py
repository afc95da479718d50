"""DDLS: Langevin dynamics in a generator's latents (Che et al., NeurIPS 2020, arXiv 2003.06060).

The energy of a latent is its prior's minus the log odds d that its example is real,

  E(z) = |z|^2 / 2 - d(G(z)),    z <- z - eps / 2 grad E + sqrt(eps) n,   n ~ N(0, 1)

Where D is right, G(z) then has the law of data. The step of 0.01 and 1,000 of them are from memory of
the paper, not read there. `corrected` accepts each step as Metropolis and Hastings would (MALA), which
makes the law exact at any step. Every prior of the generic method is made of normal z, so that z is
normal here too where codes are uniform.

Measured: benchmarks/samplers.py --seeds=0, as in rejection.py, with a rate of 0.001: share of good
points 0.216 (generator 0.194), KL 0.053; after D learned on for 1,500 steps 0.367, KL 0.119.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.sampling.calibration import Calibration
from decoupled_gan.sampling.frozen import Frozen, each

STEPS = 1000
EPS = 0.01


def energy(z: Array, log_odds: Array) -> Array:
  """[B], up to constants."""
  return jnp.square(z).sum(-1) / 2 - log_odds


def moved(z: Array, gradient: Array, noise: Array, eps: float = EPS) -> Array:
  """z after a step."""
  return z - eps / 2 * gradient + eps**0.5 * noise


def walk(
  log_odds: Callable[[Array], Array], keys: Array, z: Array, steps: int = STEPS, eps: float = EPS,
  corrected: bool = False,
) -> tuple[Array, Array]:  # fmt: skip
  """(z [B, D] after the steps, the share of them that was accepted [B]).

  Args:
    log_odds: z [B, D] -> [B], each of its own row.
  """

  def slope(z):
    def total(z):
      energies = energy(z, log_odds(z))
      return energies.sum(), energies

    (_, energies), gradient = jax.value_and_grad(total, has_aux=True)(z)
    return energies, gradient

  def step(carry, number):
    z, energies, gradient, accepted = carry
    own = each(keys, number)
    noise = jax.vmap(lambda key: jax.random.normal(key, z.shape[1:]))(own)
    new = moved(z, gradient, noise, eps)
    new_energies, new_gradient = slope(new)
    if not corrected:
      return (new, new_energies, new_gradient, accepted + 1), None
    back = jnp.square(z - new + eps / 2 * new_gradient).sum(-1) / (2 * eps)
    ratio = energies - new_energies + jnp.square(noise).sum(-1) / 2 - back
    u = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 1)))(own)
    goes = jnp.log(u) < ratio
    z, gradient = (
      jnp.where(goes[:, None], x, y) for x, y in ((new, z), (new_gradient, gradient))
    )
    return (z, jnp.where(goes, new_energies, energies), gradient, accepted + goes), None

  begun = (z, *slope(z), jnp.zeros((len(z),), jnp.int32))
  (z, _, _, accepted), _ = jax.lax.scan(step, begun, jnp.arange(steps))
  return z, accepted / steps


def sample(
  frozen: Frozen, keys: Array, labels: Array | None, calibration: Calibration, steps: int = STEPS,
  eps: float = EPS, corrected: bool = False,
) -> tuple[Array, dict[str, Array]]:  # fmt: skip
  """Examples [B, ...] of walks that begin at each key's z, and {what is told: [B]}."""

  def log_odds(z):
    return calibration(frozen.score(frozen.draw(z, labels), labels))

  start = jax.vmap(frozen.latents)(each(keys, 0))
  z, accepted = walk(log_odds, each(keys, 1), start, steps, eps, corrected)
  x = frozen.draw(z, labels)
  return x, {'log_odds': calibration(frozen.score(x, labels)), 'accepted': accepted}
