"""The words of the project that are data: Pair, Batch, Losses, Routes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

Array = jax.Array
Losses = dict[str, Array]
"""Loss name -> scalar, float32, unweighted: weights live in the routes."""

Routes = Mapping[str, Mapping[str, Mapping[str, float]]]
"""routes[phase][loss][group] = weight. A missing cell is no gradient and no optimizer call."""


class Pair(NamedTuple):
  """One value for each of the two image domains; a pytree, so `jax.tree.map` reaches into it."""

  a: Any
  b: Any

  @property
  def swapped(self) -> 'Pair':
    """The two values with their domains exchanged."""
    return Pair(self.b, self.a)


Batch = Pair
"""What an objective gets. Unpaired translation: a Pair of images [B, H, W, C] in [-1, 1]."""
