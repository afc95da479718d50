"""BAGAN's networks (IBM/BAGAN: balancing_gan.py): a generator that decodes, and a trunk with two heads.

  generator  dense 32 w ReLU, dense 4 w x s x s ReLU; doubled (nearest) and convolved, 5 x 5, 8 w ReLU,
             while the size is below half, and once more with 4 w; 2 x 2, tanh; no biases
  trunk      3 x 3 convolutions w at stride 2, 2 w, 4 w at stride 2, 8 w, and pairs of 8 w, the first at
             stride 2, until s px are left; leaky ReLU (0.3, Keras' own) and dropout 0.3 behind each

w is `width`, 32 as published, and s the `start`, 8 px (7 for MNIST's 28). Encoder and discriminator are
that trunk with a linear layer. Dropout is active where noise is given, which is in training.

*Where we differ*: sizes below 4 s leave fewer pixels than s; kernels start as Keras has them by default
(Glorot, uniform), which the official code may set otherwise.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.layers.resample import nearest_double
from decoupled_gan.losses import f32

GLOROT = nn.initializers.glorot_uniform()
SLOPE, DROPPED = 0.3, 0.3


def dense(features: int, name: str, use_bias: bool = True) -> nn.Module:
  return nn.Dense(features, use_bias, kernel_init=GLOROT, name=name)


class Generator(nn.Module):
  """Codes [B, n] -> images [B, size, size, channels] in [-1, 1]."""

  size: int
  channels: int
  start: int
  width: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, codes: Array) -> Array:
    def conv(x: Array, features: int, kernel: int, name: str) -> Array:
      layer = SameConv(
        features, kernel, 1, use_bias=False, kernel_init=GLOROT, dtype=self.dtype, name=name
      )
      return layer(x)

    w, size = self.width, self.start
    x = nn.relu(dense(32 * w, 'dense_0', False)(codes))
    x = nn.relu(dense(4 * w * size * size, 'dense_1', False)(x)).reshape(-1, size, size, 4 * w)
    while size < self.size:
      size *= 2
      features = 8 * w if size < self.size else 4 * w
      x = nn.relu(conv(nearest_double(x), features, 5, f'conv_{size}'))
    return jnp.tanh(f32(conv(x, self.channels, 2, 'image')))


class Trunk(nn.Module):
  """Images [B, S, S, C] -> features [B, F]."""

  start: int
  width: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    w, layers = self.width, [(1, 2), (2, 1), (4, 2), (8, 1)]
    while x.shape[1] // 2 ** sum(stride == 2 for _, stride in layers) > self.start:
      layers += [(8, 2), (8, 1)]
    for i, (times, stride) in enumerate(layers):
      x = SameConv(
        times * w, 3, stride, kernel_init=GLOROT, dtype=self.dtype, name=f'conv_{i}'
      )(x)  # fmt: skip
      x = nn.leaky_relu(x, SLOPE)
      x = nn.Dropout(DROPPED, rng_collection='noise')(x, deterministic=not self.has_rng('noise'))
    return f32(x).reshape(len(x), -1)


class Headed(nn.Module):
  """The trunk and a linear layer: images -> [B, outputs]."""

  trunk: Trunk
  outputs: int

  @nn.compact
  def __call__(self, x: Array) -> Array:
    return dense(self.outputs, 'out')(self.trunk(x))
