"""Self-attention over the pixels of a map (Zhang et al., SAGAN, ICML 2019, eq. 1 to 3).

As the official code has it, which the published models are from: theta, phi (C/8 channels), g (C/2) and
the way back are 1 x 1 convolutions without bias; keys and values are max-pooled 2 x 2; the softmax is
over keys, without the 1/sqrt(d) of transformers; the result is added with a weight gamma that starts at
0.

*Where we differ* from the paper's equations, with the code: the pooling, and C/2 rather than C/8 for g.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.conv import SameConv

GLOROT = nn.initializers.glorot_uniform()


def attend(theta: Array, phi: Array) -> Array:
  """Queries [B, N, D], keys [B, M, D] -> weights [B, N, M], float32, which sum to 1 over keys."""
  logits = jnp.einsum('bnd,bmd->bnm', theta.astype(jnp.float32), phi.astype(jnp.float32))
  return jax.nn.softmax(logits, -1)


class SelfAttention(nn.Module):
  """x + gamma o(attention g(x)): [B, H, W, C] -> the same. C is at least 8.

  The weights [B, HW, keys] are sown into the collection 'attention', where a caller makes it mutable.

  Attributes:
    pool: whether keys and values are max-pooled, H and W then being even.
  """

  spectral: bool = False
  pool: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    batch, height, width, channels = x.shape

    def conv(features, name):
      return SameConv(
        features, 1, 1, use_bias=False, spectral=self.spectral, kernel_init=GLOROT, dtype=self.dtype,
        name=name,
      )  # fmt: skip

    def flat(y, pool=False):
      if pool:  # not nn.max_pool, whose gradient is slow on CPUs
        y = y.reshape(batch, height // 2, 2, width // 2, 2, -1).max((2, 4))
      return y.reshape(batch, -1, y.shape[-1])

    theta = flat(conv(channels // 8, 'theta')(x))
    phi = flat(conv(channels // 8, 'phi')(x), self.pool)
    g = flat(conv(channels // 2, 'g')(x), self.pool)
    weights = attend(theta, phi)
    if not self.is_initializing():  # or the maps of that call would become a part of the state
      self.sow('attention', 'weights', weights)
    mixed = jnp.einsum('bnm,bmd->bnd', weights.astype(g.dtype), g)
    gamma = self.param('gamma', nn.initializers.zeros, ())
    y = conv(channels, 'o')(mixed.reshape(batch, height, width, -1))
    return x + gamma.astype(y.dtype) * y
