"""Adversarial examples: inputs within a ball around the given ones that make a score large.

Projected gradient steps (Madry et al., ICLR 2018, arXiv 1706.06083), in two norms:

  linf   x + step sign(g), then every value within eps of the given one
  l2     x + step g / |g|, then the whole within a distance of eps; per example

and after each step into the images' range. Sizes are in units of the inputs: images are in [-1, 1] here,
while papers measure in [0, 1]; `from_config` converts, once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing


@dataclass(frozen=True)
class Attack:
  """How an adversary moves.

  Attributes:
    norm: a word of NORMS.
    eps: radius of the ball; infinity: anywhere.
    step: length of a step.
    steps: how many.
    random_start: from a point of U(-eps, eps) in each value, rather than from the given input.
    bounds: (lowest, highest) value of an input.
  """

  norm: str
  eps: float
  step: float
  steps: int
  random_start: bool = False
  bounds: tuple[float, float] = (-1.0, 1.0)


def perturb(
  score: Callable[[Array], Array],
  x: Array,
  attack: Attack,
  key: Array | None = None,
  scale: Array | float = 1.0,
) -> Array:
  """Inputs near x [B, ...] that raise the score, as constants.

  Args:
    score: inputs -> [B], each a function of its own row: what is to be large. Parameters that it closes
      over should be `stop_gradient`ed, and its network in evaluation mode (`unbind` it).
    key: of the random start.
    scale: of eps and step; a number, or one for each example [B] (DAFA's classes).
  """
  x, scale = stop_gradient(x), jnp.reshape(jnp.asarray(scale, x.dtype), (-1, *[1] * (x.ndim - 1)))
  direction, project = NORMS[attack.norm]
  eps, step = attack.eps * scale, attack.step * scale
  slope = jax.grad(lambda x: score(x).astype(jnp.float32).sum())

  def better(_, moved):
    moved = moved + step * direction(slope(moved))
    return jnp.clip(x + project(moved - x, eps), *attack.bounds)

  start = x
  if attack.random_start:
    start = x + eps * jax.random.uniform(key, x.shape, x.dtype, -1, 1)
    start = jnp.clip(start, *attack.bounds)
  return stop_gradient(jax.lax.fori_loop(0, attack.steps, better, start))


def _length(x: Array) -> Array:
  """|x| of each example, [B, 1, ...]."""
  return jnp.sqrt(jnp.square(x).sum(tuple(range(1, x.ndim)), keepdims=True))


NORMS = {
  'linf': (jnp.sign, lambda d, eps: jnp.clip(d, -eps, eps)),
  'l2': (
    lambda g: g / (_length(g) + 1e-10),
    lambda d, eps: d * jnp.minimum(1, eps / (_length(d) + 1e-7)),
  ),
}
"""Name -> (gradient -> direction of a step, (difference, eps) -> difference within the ball)."""


def from_config(given, images: bool = True) -> Attack | None:
  """The attack of `config.losses.attack`: norm, eps, step, steps, random_start; None if steps is 0.

  Args:
    images: whether inputs are images: sizes are then given for values in [0, 1], as papers do, and
      doubled. Points have no bounds and sizes of their own.

  Raises UserError where its fields do not fit.
  """
  if not given.steps:
    return None
  if given.norm not in NORMS:
    raise UserError(f'losses.attack.norm={given.norm!r} is unknown; there are {listing(NORMS)}.')
  if given.random_start and (given.norm != 'linf' or given.eps == float('inf')):
    raise UserError(
      'losses.attack.random_start is from a cube: it goes with norm linf and a finite eps.'
    )
  factor, bounds = (2, (-1.0, 1.0)) if images else (1, (-float('inf'), float('inf')))
  return Attack(
    given.norm, factor * given.eps, factor * given.step, given.steps, given.random_start, bounds
  )
