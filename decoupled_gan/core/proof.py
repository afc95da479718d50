"""What a phase can move and losses read, proved by tracing: nothing is compiled, no array is made."""

from collections.abc import Callable, Mapping

import jax

from decoupled_gan.core.routing import Phase
from decoupled_gan.core.state import TrainState
from decoupled_gan.core.step import play
from decoupled_gan.core.types import Batch


def who_moves(phase: Phase, gan, optimizers, state: TrainState, batch: Batch) -> set[str]:
  """The groups whose parameters or optimizer state one play of `phase` can change.

  A group that stays leaves the traced step as the very variable that entered it: bit by bit the same,
  whatever the numbers are. `state` and `batch` may be abstract; images are float.
  """

  def run(state, batch):
    return play(phase, gan, optimizers, state, batch, jax.random.key(0))[0]

  jaxpr, out = jax.make_jaxpr(run, return_shape=True)(state, batch)
  came = dict(zip(_leaves(state), jaxpr.jaxpr.invars, strict=False))
  left = zip(_leaves(out), jaxpr.jaxpr.outvars, strict=True)
  return {name[1] for name, var in left if name[1] and var is not came[name]}


def readers(function: Callable[..., Mapping[str, jax.Array]], of, *others) -> list[str]:
  """The names of what function(of, *others) makes, {name: array}, that can depend on `of`.

  Arguments may be abstract. What a traced call inside takes counts as read by all that it gives.
  """
  jaxpr, out = jax.make_jaxpr(function, return_shape=True)(of, *others)
  jaxpr = jaxpr.jaxpr
  reached = {id(var) for var in jaxpr.invars[: len(jax.tree.leaves(of))]}
  for equation in jaxpr.eqns:
    if any(id(var) in reached for var in equation.invars):
      reached.update(map(id, equation.outvars))
  return [name for name, var in zip(sorted(out), jaxpr.outvars, strict=True) if id(var) in reached]


def _leaves(state: TrainState) -> list[tuple[str, str, str]]:
  """(field, group, path) of each leaf of a state, in its order."""
  found = []
  for path, _ in jax.tree_util.tree_flatten_with_path(state)[0]:
    field, *rest = path
    group = rest[0].key if field.name in ('params', 'opt') else ''
    found.append((field.name, group, jax.tree_util.keystr(path)))
  return found
