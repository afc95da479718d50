"""MH-GAN: a Metropolis-Hastings chain of fakes (Turner et al., ICML 2019, arXiv 1811.11357).

Proposals are fresh fakes, whatever the chain is at. From x to y with probability

  min(1, (1 / D(x) - 1) / (1 / D(y) - 1))  =  min(1, exp(d(y) - d(x)))

d the log odds. Where D is right its law tends to that of data. A chain begins at the score of a real
example, which is never returned: if nothing is accepted it begins anew (in the end the best proposal is
taken, and told). A sample is the last state of a chain of its own, of 640 proposals as published.

Measured: benchmarks/samplers.py --seeds=0, as in rejection.py: share of good points 0.229 (generator
0.194), KL 0.067. After D learned on for 1,500 steps chains stick to far fakes that it overrates: 0.169,
KL 1.22.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.sampling.calibration import Calibration
from decoupled_gan.sampling.frozen import Frozen, each

STEPS = 640


def acceptance(old: Array, new: Array) -> Array:
  """The probability of going from log odds `old` to `new`, [B]."""
  return jnp.exp(jnp.minimum(new - old, 0.0))


def chain(
  propose: Callable[[Array], tuple[Any, Array]], keys: Array, start: Array, steps: int,
  accept: Callable[[Array, Array], Array] = acceptance, name: str = 'log_odds',
) -> tuple[Any, dict[str, Array]]:  # fmt: skip
  """(states at the end, {what is told: [B]}) of chains of independent proposals.

  Args:
    propose: keys [B] -> (states, a pytree [B, ...]; log odds [B]).
    keys: of the chains [B].
    start: log odds [B] to begin at.
    accept: (old, new) -> the probability of going from the one to the other, [B].
    name: what `accept` goes by, where it is not log odds.
  """

  def step(carry, number):
    state, odds, accepted, best, best_odds = carry
    own = each(keys, number)
    new, new_odds = propose(own)
    u = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 1)))(own)
    goes = u < accept(odds, new_odds)
    better = new_odds > best_odds
    state, best = _chosen(goes, new, state), _chosen(better, new, best)
    odds, best_odds = jnp.where(goes, new_odds, odds), jnp.maximum(new_odds, best_odds)
    return (state, odds, accepted + goes, best, best_odds), None

  shapes = jax.eval_shape(lambda: propose(keys)[0])
  nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
  count = jnp.zeros((len(keys),), jnp.int32)
  begun = (nothing, start, count, nothing, jnp.full((len(keys),), -jnp.inf))
  (state, odds, accepted, best, best_odds), _ = jax.lax.scan(step, begun, jnp.arange(steps))
  moved = accepted > 0
  told = {name: jnp.where(moved, odds, best_odds), 'kept': moved, 'accepted': accepted / steps}
  return _chosen(moved, state, best), told


def _chosen(which: Array, new, old):
  """`new` in the rows where `which` is true."""
  return jax.tree.map(
    lambda x, y: jnp.where(which.reshape(-1, *[1] * (x.ndim - 1)), x, y), new, old
  )


def sample(
  frozen: Frozen, keys: Array, labels: Array | None, calibration: Calibration, start: Array,
  steps: int = STEPS,
) -> tuple[Array, dict[str, Array]]:  # fmt: skip
  """Examples [B, ...], the ends of each key's chain, and {what is told: [B]}.

  Args:
    start: log odds of real examples, [n]; each chain begins at one of them.
  """

  def propose(keys):
    x = frozen.draw(jax.vmap(frozen.latents)(keys), labels)
    return x, calibration(frozen.score(x, labels))

  which = jax.vmap(lambda key: jax.random.randint(jax.random.fold_in(key, 2), (), 0, len(start)))
  return chain(propose, keys, start[which(each(keys, steps))], steps)
