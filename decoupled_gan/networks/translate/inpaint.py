"""The networks of free-form inpainting (Yu, Lin, Yang, Shen, Lu, Huang, ICCV 2019, arXiv 1806.03589), by
the official code.

  Generator      an image with a hole, and the hole -> a coarse image, then a fine one, whose second
                 branch makes the hole of patches of what is around it (contextual attention)
  Discriminator  SN-PatchGAN: an image and the hole -> [B, H/64, W/64, 256], all of them logits, which
                 have passed the last leaky ReLU as well

A gated convolution is one of twice the features, half of which decide by a sigmoid how much of the
other half passes. Borders are zeros, as TensorFlow's SAME has them; a channel of ones lets the network
see them."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers import conv_ops
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.layers.resample import nearest_double
from decoupled_gan.networks.translate.contextual import contextual_attention, nearest

GLOROT = nn.initializers.glorot_uniform()
DILATIONS = (2, 4, 8, 16)


def gated(y: Array, activation=nn.elu) -> Array:
  """activation of the first half of the channels of y, times the sigmoid of the second half."""
  features, gates = jnp.split(y, 2, -1)
  return activation(features) * nn.sigmoid(gates)


class GatedConv(nn.Module):
  """A convolution of `features` outputs, half of which are gates: [B, H, W, I] -> [.., features / 2].

  Attributes:
    rate: of its dilation.
    gates: whether there are gates; if not, it has features / 2 outputs.
  """

  features: int
  kernel_size: int = 3
  stride: int = 1
  rate: int = 1
  gates: bool = True
  activation: Any = nn.elu
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    outputs = self.features if self.gates else self.features // 2
    shape = (self.kernel_size, self.kernel_size, x.shape[-1], outputs)
    kernel = self.param('kernel', GLOROT, shape).astype(self.dtype)
    x = x.astype(self.dtype)
    if self.rate == 1:
      y = conv_ops.conv_same(x, kernel, self.stride)
    else:
      y = conv_ops.conv_dilated(x, kernel, self.rate)
    y = conv_ops.add_bias(y, self.param('bias', nn.initializers.zeros, (outputs,)))
    return gated(y, self.activation) if self.gates else self.activation(y)


class Generator(nn.Module):
  """An image without its hole [B, H, W, C] and the hole [1, H, W, 1] -> (coarse, fine) images.

  Attributes:
    width: outputs of the first convolution, gates among them; the official cnum.
    gates: see GatedConv.
  """

  width: int = 48
  channels: int = 3
  gates: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, hole: Array) -> tuple[Array, Array]:
    hole = jnp.broadcast_to(hole, (*x.shape[:3], 1))
    seen = jnp.concatenate([x, jnp.ones_like(hole), hole], -1)
    layers = ((1, 5, 1), (2, 3, 2), (2, 3, 1), (4, 3, 2), (4, 3, 1), (4, 3, 1))
    y = self._dilated('coarse', self._chain('coarse', seen, layers))
    coarse = self._enlarged('coarse', self._chain('coarse_end', y, ((4, 3, 1),) * 2))
    mixed = coarse * hole + x
    plain = ((1, 5, 1), (1, 3, 2), (2, 3, 1), (2, 3, 2), (4, 3, 1), (4, 3, 1))
    convolved = self._dilated('fine', self._chain('fine', mixed, plain))
    attentive = ((1, 5, 1), (1, 3, 2), (2, 3, 1), (4, 3, 2), (4, 3, 1))
    y = self._chain('attentive', mixed, attentive)
    y = self._conv(4, 'attentive_relu', activation=nn.relu)(y)
    y = contextual_attention(y, nearest(hole[:1], 4).astype(y.dtype))
    y = self._chain('attentive_end', y, ((4, 3, 1),) * 2)
    y = self._chain('both', jnp.concatenate([convolved, y], -1), ((4, 3, 1),) * 2)
    return coarse, self._enlarged('fine', y)

  def _conv(self, multiple, name, *sizes, **options):
    return GatedConv(
      int(multiple * self.width), *sizes, gates=self.gates, dtype=self.dtype, name=name, **options
    )

  def _chain(self, name: str, x: Array, layers) -> Array:
    """`layers`: (multiple of the width, kernel, stride) of each."""
    for i, (multiple, size, stride) in enumerate(layers):
      x = self._conv(multiple, f'{name}_{i}', size, stride)(x)
    return x

  def _dilated(self, name: str, x: Array) -> Array:
    for rate in DILATIONS:
      x = self._conv(4, f'{name}_dilated_{rate}', rate=rate)(x)
    return x

  def _enlarged(self, name: str, x: Array) -> Array:
    """Features at a quarter of the size -> an image in (-1, 1), float32."""
    for multiples in ((2, 2), (1, 0.5)):
      x = nearest_double(x)
      for i, multiple in enumerate(multiples):
        x = self._conv(multiple, f'{name}_up_{multiples[0]}_{i}')(x)
    conv = functools.partial(SameConv, kernel_size=3, stride=1, kernel_init=GLOROT, dtype=self.dtype)
    return jnp.tanh(conv(self.channels, name=f'{name}_output')(x).astype(jnp.float32))


class Discriminator(nn.Module):
  """Images [B, H, W, C] and the hole [1, H, W, 1] -> logits [B, H/64, W/64, 4 width], float32."""

  width: int = 64
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, hole: Array) -> Array:
    x = jnp.concatenate([x, jnp.broadcast_to(hole, (*x.shape[:3], 1)).astype(x.dtype)], -1)
    for i, multiple in enumerate((1, 2, 4, 4, 4, 4)):
      features, name = multiple * self.width, f'conv_{i}'
      conv = SameConv(features, 5, 2, spectral=True, kernel_init=GLOROT, dtype=self.dtype, name=name)
      x = nn.leaky_relu(conv(x), 0.2)
    return x.astype(jnp.float32)
