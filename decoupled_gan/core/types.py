"""The words of the project that are data: the kinds of a batch, Losses, Routes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

Array = jax.Array
Losses = dict[str, Array]
"""Loss name -> scalar, float32, unweighted: weights live in the routes."""

Routes = Mapping[str, Mapping[str, Mapping[str, float]]]
"""routes[phase][loss][group] = weight. A missing cell is no gradient and no optimizer call."""


class Pair(NamedTuple):
  """One value for each of the two image domains; a pytree, so `jax.tree.map` reaches into it.

  As a batch: images of each domain that have nothing to do with those of the other.
  """

  a: Any
  b: Any

  @property
  def swapped(self) -> 'Pair':
    """The two values with their domains exchanged."""
    return Pair(self.b, self.a)


DIRECTIONS = {'a_to_b': 'b', 'b_to_a': 'a'}
"""Direction of a translator -> the domain it makes."""


class Aligned(NamedTuple):
  """An image and what it is to become: row i of both shows the same thing, pixel by pixel."""

  input: Any
  target: Any


class Labelled(NamedTuple):
  """Images and their attributes: labels int32 [B, K], the number of the value of each attribute.

  The attributes are those of `config.attributes`, in sorted order.
  """

  image: Any
  labels: Any


class Plain(NamedTuple):
  """Images alone."""

  image: Any


Batch = Pair | Aligned | Labelled | Plain
"""What an objective gets, of the kind that its method names as BATCH.

Images [B, H, W, C] in [-1, 1]. In the data pipeline images are uint8, and uint8 means image.
"""
