"""The projector of CUT (Park et al., ECCV 2020): features at some places, to vectors of unit length."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.networks.translate import INITS

LEAST_NORM = 1e-7  # added to a norm before it divides, as in the official code
TINY = 1e-24  # below the root, so that the gradient at a vector of zeros is 0, not NaN


class Projector(nn.Module):
  """Maps [B, h, w, c], and places in each -> vectors [B, places, features]; a network for each map.

  Attributes:
    features: of both linear layers.
    initial: of INITS.
  """

  features: int = 256
  initial: str = 'xavier'
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, maps: Sequence[Array], places: Sequence[Array]) -> list[Array]:
    """`places`: for each map indices [places] of its pixels, row by row."""
    found = []
    for i, (x, chosen) in enumerate(zip(maps, places, strict=True)):
      x = x.reshape(x.shape[0], -1, x.shape[-1])[:, chosen]
      for j in range(2):
        dense = nn.Dense(
          self.features, kernel_init=INITS[self.initial], dtype=self.dtype, name=f'map_{i}_dense_{j}'
        )
        x = dense(x if j == 0 else nn.relu(x))
      x = x.astype(jnp.float32)
      found.append(x / (jnp.sqrt(jnp.square(x).sum(-1, keepdims=True) + TINY) + LEAST_NORM))
    return found
