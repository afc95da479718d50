"""The one optimiser of searches: a batch of variables of a frozen run, moved by gradients.

Rows are searched side by side and do not know of each other: the loss is the sum of theirs, and the
optimizers are ones that look at each number alone. A search is a pytree of arrays: it can be kept, and
advanced further, with the result of one that was never stopped.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from decoupled_gan.core.types import Array

CHUNK = 50  # steps from one sign of life to the next


class Search(NamedTuple):
  """Where a search stands: steps done, the variables, what the optimizer keeps, the last losses [B]."""

  step: Array
  variables: Any
  memory: Any
  losses: Array


def begin(variables, optimizer, count: int) -> Search:
  """A search of `count` rows that has not begun."""
  return Search(jnp.int32(0), variables, optimizer.init(variables), jnp.full((count,), jnp.inf))


def advance(
  search: Search,
  loss: Callable[[Any, Array], Array],
  optimizer: optax.GradientTransformation,
  steps: int,
  tidy: Callable[[Any], Any] = lambda variables: variables,
) -> Search:
  """`steps` steps more.

  Args:
    loss: (variables, step) -> [B], the loss of each row.
    tidy: what the variables are brought to after each step: a projection.
  """

  def step(search, _):
    def total(variables):
      losses = loss(variables, search.step)
      return losses.sum(), losses

    gradient, losses = jax.grad(total, has_aux=True)(search.variables)
    updates, memory = optimizer.update(gradient, search.memory, search.variables)
    moved = tidy(optax.apply_updates(search.variables, updates))
    return Search(search.step + 1, moved, memory, losses), None

  return jax.lax.scan(step, search, None, length=steps)[0]


def run(search: Search, further: Callable[[Search, int], Search], steps: int, told: Callable) -> Search:
  """The search after `steps` steps in all, in chunks.

  Args:
    further: (search, n) -> the search n steps later.
    told: (steps done) -> anything, after each chunk.
  """
  while (done := int(search.step)) < steps:
    search = further(search, min(CHUNK, steps - done))
    told(int(search.step))
  return search


def decaying(rate: float, steps: int) -> optax.Schedule:
  """`rate` for the first half of the steps, then down to 0 in a line."""
  return lambda step: rate * jnp.clip(2 * (1 - step / steps), 0, 1)


def best(losses: Array, *trees):
  """Of R restarts of B rows, losses [R, B], each row's best: trees of [R, B, ...] become [B, ...]."""
  chosen = jnp.argmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf), 0)
  rows = jnp.arange(losses.shape[1])
  return (losses[chosen, rows], *(jax.tree.map(lambda x: x[chosen, rows], tree) for tree in trees))
