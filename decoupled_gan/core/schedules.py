"""Numbers that change with the step: what `config.anneal` says.

An entry is `(end, steps, shape)`: the number goes from where it starts to `end` within `steps` steps,
and stays. Shapes are 'linear' and 'cosine' (half a period: flat at both ends). The shape 'steps' is
another: the number is multiplied by `end` after every `steps` steps.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.errors import UserError, listing

SHAPES = {'linear': lambda x: x, 'cosine': lambda x: (1 - jnp.cos(jnp.pi * x)) / 2}
"""Share of the steps -> share of the way."""


def schedule(start: float, entry: Sequence | None, where: str) -> Callable:
  """step -> number; constant without an entry. `where` begins the error."""
  if entry is None:
    return lambda step: start
  if len(entry) != 3 or entry[2] not in (*SHAPES, 'steps') or entry[1] < 1:
    raise UserError(
      f'{where}={tuple(entry)!r} is not (end, steps, shape), as in (0.1, 10000, "cosine"); shapes are '
      f'{listing((*SHAPES, "steps"))}, and steps at least 1.'
    )
  end, steps, shape = entry
  if shape == 'steps':
    return lambda step: start * jnp.power(end, jnp.floor(jnp.asarray(step) / steps))
  return lambda step: start + (end - start) * SHAPES[shape](jnp.clip(step / steps, 0, 1))


def entry_of(anneal: ConfigDict, *path: str):
  """The entry below `config.anneal` at `path`, or None."""
  for name in path:
    if name not in anneal:
      return None
    anneal = anneal[name]
  return anneal
