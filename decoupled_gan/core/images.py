"""Between the world's images (uint8, 0..255) and the networks' (float32, -1..1)."""

import jax
import jax.numpy as jnp
import numpy as np


def to_float(batch):
  """uint8 leaves of a pytree become float32 in [-1, 1], (x / 255 - 0.5) / 0.5; others stay."""

  def convert(x):
    return (x.astype(jnp.float32) / 255 - 0.5) / 0.5 if x.dtype == jnp.uint8 else x

  return jax.tree.map(convert, batch)


def to_uint8(images) -> np.ndarray:
  """Images in [-1, 1] as uint8, rounded to the nearest level and clipped."""
  return np.clip(np.rint(np.asarray(images, np.float32) * 127.5 + 127.5), 0, 255).astype(np.uint8)
