"""What a discriminator sees of examples, and the draws that decide it."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax

from decoupled_gan.core.types import Array


class Seen(NamedTuple):
  """Examples as a discriminator sees them.

  Attributes:
    x: examples [B, ...], as large as they were.
    told: [B, n], what the discriminator is told beside them; None: nothing.
    draws: {word: [B, k] in [0, 1]}: what was drawn for them, where that is to be learned from.
  """

  x: Array
  told: Array | None = None
  draws: Mapping[str, Array] = {}


@dataclass(frozen=True)
class Draws:
  """Random numbers for each of `count` examples, each kind of them from a key of its own name.

  Attributes:
    p: with which probability a transform fires; a scalar, which may be above 1.
  """

  key: Array
  count: int
  p: Array | float = 1.0

  def named(self, name: str) -> Array:
    """A key that belongs to `name`."""
    return jax.random.fold_in(self.key, zlib.crc32(name.encode()))

  def uniform(self, name: str, size: int = 1) -> Array:
    """[B, size], U(0, 1)."""
    return jax.random.uniform(self.named(name), (self.count, size))

  def normal(self, name: str, size: int = 1) -> Array:
    """[B, size], N(0, 1)."""
    return jax.random.normal(self.named(name), (self.count, size))

  def integers(self, name: str, low: int, high: int) -> Array:
    """[B, 1], low..high, both included."""
    return jax.random.randint(self.named(name), (self.count, 1), low, high + 1)

  def fires(self, name: str, p: Array | float | None = None) -> Array:
    """[B, 1], whether the transform `name` is applied: one coin for each example."""
    return self.uniform(f'whether {name}') < (self.p if p is None else p)
