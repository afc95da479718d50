"""Several networks of one kind as one: parameters and statistics get a leading axis, a group each stays.

A sum over members keeps their gradients apart, so that a council or several discriminators are one row
of the table. *Note*: transformations that look at a whole group (clipping by its global norm) couple
the members.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn

COLLECTIONS = ('params', 'spectral', 'batch_stats', 'averages')


def stacked(
  network: type[nn.Module], count: int, in_axes: Any = None, methods: tuple[str, ...] = ('__call__',)
) -> Callable[..., nn.Module]:
  """A constructor of `count` networks, each with parameters of its own.

  Args:
    in_axes: of the inputs, as `jax.vmap` has them: None gives each member the same input, 0 its own.
      Outputs have the members along their first axis.
    methods: those that are called.

  Noise is drawn for each member on its own.
  """
  return nn.vmap(
    network,
    in_axes=in_axes,
    out_axes=0,
    axis_size=count,
    variable_axes=dict.fromkeys(COLLECTIONS, 0),
    split_rngs={'params': True, 'noise': True},
    methods=methods,
  )
