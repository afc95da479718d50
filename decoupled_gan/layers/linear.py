"""Linear layers and embeddings, optionally spectrally normalised (Miyato et al., ICLR 2018).

An embedding's table [count, features] is normalised as one matrix, as the projection discriminators of
Miyato and Koyama (ICLR 2018) and of SAGAN have it; conv.py tells of the norm's estimate.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.conv import spectral_norm


class Linear(nn.Module):
  """[B, I] -> [B, features]; the norm divides the kernel and not the bias."""

  features: int
  use_bias: bool = True
  spectral: bool = False
  kernel_init: Any = nn.initializers.lecun_normal()
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    kernel = self.param('kernel', self.kernel_init, (x.shape[-1], self.features))
    if self.spectral:
      kernel = kernel / spectral_norm(self, kernel)
    y = x.astype(self.dtype) @ kernel.astype(self.dtype)
    if not self.use_bias:
      return y
    bias = self.param('bias', nn.initializers.zeros, (self.features,))
    return y + bias.astype(self.dtype)[None]


class Embed(nn.Module):
  """Numbers [B] of `count` -> [B, features], float32; integers, of whatever type."""

  count: int
  features: int
  spectral: bool = False
  embedding_init: Any = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal', out_axis=0)

  @nn.compact
  def __call__(self, numbers: Array) -> Array:
    table = self.param('embedding', self.embedding_init, (self.count, self.features))
    if self.spectral:
      table = table / spectral_norm(self, table.T)
    return table[numbers.astype(jnp.int32)]


def waves(quantities: Array, count: int) -> Array:
  """[B] as [B, 2 count]: cosines and sines of 1, 2, ... times it, over sqrt(count); 0: as it is, [B, 1].

  Of an angle the norm is 1, and near angles may look far apart: what is between known ones is hard.
  """
  if count == 0:
    return quantities[:, None]
  angles = quantities[:, None] * jnp.arange(1, count + 1)[None]
  return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], 1) / count**0.5
