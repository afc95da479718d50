"""Minibatch discrimination (Salimans et al., NIPS 2016, arXiv 1606.03498, section 3.2).

It couples the examples of a batch, whatever devices these are on: the batch is the global one. A penalty
on each example's slope does not go together with it.
"""

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array


class MinibatchDiscrimination(nn.Module):
  """How near each example is to the others of its batch (section 3.2): [B, F] -> [B, kernels].

  o_b(i) = sum_j exp(-|M_ib - M_jb|_1), M = f T with T [F, kernels, dims]. As in the paper j = i is in
  the sum, where it is always 1. *Where we differ*: the official code leaves i out, normalises T's
  weights and gives o a bias, all of which a linear layer behind it can learn.
  """

  kernels: int = 100
  dims: int = 5

  @nn.compact
  def __call__(self, features: Array) -> Array:
    shape = (features.shape[-1], self.kernels, self.dims)
    kernel = self.param('kernel', nn.initializers.normal(0.05), shape)
    m = jnp.einsum('bf,fkd->bkd', features, kernel)
    return jnp.exp(-jnp.abs(m[:, None] - m[None]).sum(-1)).sum(1)
