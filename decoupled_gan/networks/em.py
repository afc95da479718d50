"""GAN-EM's networks (zhaowt61/GAN-EM: GANEM.py): a generator, and what judges or assigns images.

  generator  [c, z], dense 1024, dense 128 x S/4 x S/4, deconvolution 64, deconvolution, sigmoid
  judge      convolutions 64, 128, 256, dense 1024, dense

4 x 4 kernels at stride 2, weights of N(0, 0.02); batch normalisation (of each unit, behind dense layers)
and ReLU, leaky (0.2) in judges. `channels` is 64; 0: perceptrons of two hidden layers, and points too.
Images are in [0, 1] inside the networks and in [-1, 1] outside.

*Where we differ*: sizes that 8 divides (32 px for their 28). Their assigner has batch normalisation that
is put into evaluation mode before it ever saw a batch, and stays there: it divides by 1 and subtracts 0
for ever, and only its scale and shift are left. Ours has neither (`normed=False`), and biases.
"""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.layers.norm import BatchNorm
from decoupled_gan.losses import f32

INIT = nn.initializers.normal(0.02)


def layers(dtype) -> tuple:
  """(dense, conv), each of (features, name), that compute in `dtype`."""

  def dense(features: int, name: str) -> nn.Module:
    return nn.Dense(features, kernel_init=INIT, dtype=dtype, name=name)

  def conv(features: int, name: str, transposed: bool = False) -> nn.Module:
    return SameConv(features, 4, 2, transposed, kernel_init=INIT, dtype=dtype, name=name)

  return dense, conv


def norm(name: str) -> nn.Module:
  """Batch normalisation as torch's defaults have it."""
  return BatchNorm(epsilon=1e-5, momentum=0.9, scale_init=nn.initializers.ones, name=name)


class Generator(nn.Module):
  """Codes [B, n] -> examples [B, *shape]; images in [-1, 1], points as they are."""

  shape: tuple[int, ...]
  width: int
  channels: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, codes: Array) -> Array:
    dense, conv = layers(self.dtype)
    x = nn.relu(norm('norm_0')(dense(self.width, 'dense_0')(codes)))
    if self.channels:
      height, width, channels = self.shape
      start = (height // 4, width // 4, 2 * self.channels)
      x = nn.relu(norm('norm_1')(dense(math.prod(start), 'dense_1')(x))).reshape(-1, *start)
      x = nn.relu(norm('norm_2')(conv(self.channels, 'conv_2', transposed=True)(x)))
      x = conv(channels, 'out', transposed=True)(x)
    else:
      x = nn.relu(norm('norm_1')(dense(self.width, 'dense_1')(x)))
      x = dense(math.prod(self.shape), 'out')(x).reshape(-1, *self.shape)
    return 2 * nn.sigmoid(f32(x)) - 1 if len(self.shape) > 1 else f32(x)


class Judge(nn.Module):
  """Examples [B, ...] -> logits [B, outputs]."""

  outputs: int
  width: int
  channels: int
  normed: bool
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    dense, conv = layers(self.dtype)

    def activated(name: str, x: Array) -> Array:
      return nn.leaky_relu(norm(name)(x) if self.normed else x, 0.2)

    x = x if x.ndim == 2 else (x + 1) / 2
    for i in range(3 if self.channels else 0):
      x = activated(f'norm_{i}', conv(self.channels * 2**i, f'conv_{i}')(x))
    x = x.reshape(len(x), -1)
    for i in range(1 if self.channels else 2):
      x = activated(f'norm_dense_{i}', dense(self.width, f'dense_{i}')(x))
    return f32(dense(self.outputs, 'out')(x))
