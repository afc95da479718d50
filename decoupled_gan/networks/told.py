"""How a discriminator is told numbers beside an example: StyleGAN2's mapping network and a projection.

Karras et al., 2020 (networks.py with c_dim > 0), as Diffusion-GAN tells the time of its noise (Wang et
al., ICLR 2023): an embedding of the numbers, normalised, then 8 layers; its product with features.

A quirk that comes with it: the embedding W t + b of a single number t is normalised to unit second
moment, so that with b = 0, as it begins, all t > 0 are the same vector, and only 0 is another.
"""

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.equalised import EqualisedDense

LAYERS = 8


class Told(nn.Module):
  """(numbers [B, n], features [B, F]) -> outputs [B, 1]."""

  @nn.compact
  def __call__(self, told: Array, features: Array) -> Array:
    size = features.shape[-1]
    x = EqualisedDense(size, name='embed')(told)
    x = x * (jnp.square(x).mean(-1, keepdims=True) + 1e-8) ** -0.5
    for i in range(LAYERS):
      x = EqualisedDense(size, 'lrelu', lr_multiplier=0.01, name=f'fc{i}')(x)
    return (EqualisedDense(size, name='out')(features) * x).sum(-1, keepdims=True) / size**0.5
