"""Contrastive losses of features: pure functions, computed in float32."""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array
from decoupled_gan.losses import f32

SAME_PLACE = -10.0  # in place of a patch's product with itself, before the temperature: e^-143 of 1


def patch_nce(queries: Array, keys: Array, temperature: float = 0.07) -> Array:
  """PatchNCE (Park et al., ECCV 2020, eq. 3): each query is nearest to the key of its own place.

  The mean cross-entropy of finding, for query i of an image, key i among the keys of that image, by
  products over `temperature`. No gradient reaches the keys. As in the official code the key i counts
  twice: once as itself, once among the others with the product -10, which is nothing.

  Args:
    queries, keys: [B, S, C], of unit length.
  """
  queries, keys = f32(queries), f32(stop_gradient(keys))
  products = jnp.einsum('bic,bjc->bij', queries, keys, precision='highest')
  itself = jnp.eye(products.shape[1], dtype=bool)[None]
  positive = (queries * keys).sum(-1, keepdims=True)
  others = jnp.where(itself, SAME_PLACE, products)
  logits = jnp.concatenate([positive, others], -1) / temperature
  return -jax.nn.log_softmax(logits, -1)[..., 0].mean()
