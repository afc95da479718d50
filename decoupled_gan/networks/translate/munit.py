"""The networks of MUNIT (Huang, Liu, Belongie, Kautz, ECCV 2018, arXiv 1804.04732), by official code.

  Content        images -> where things are, [B, H/4, W/4, 4w]; instance normalisation
  StyleEncoder   images -> how things look, a vector; no normalisation, which would take it away
  Decoder        content and style -> images: an MLP makes shift and scale of each adaptive instance
                 normalisation from the style; layer normalisation on the way up
  MultiScale     images and their halves and quarters -> a map of logits each

All borders are mirrored, all convolutions have biases.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers import conv_ops
from decoupled_gan.layers.conv import Conv
from decoupled_gan.layers.norm import instance_normalise
from decoupled_gan.layers.resample import nearest_double
from decoupled_gan.networks.translate import INITS

ZEROS = nn.initializers.zeros


def conv(features, size, stride, name, dtype, init='kaiming', pad='reflect') -> Conv:
  """A convolution that keeps its size, divided by `stride`."""
  return Conv(
    features, size, stride, (size - 1) // 2, dtype=dtype, kernel_init=INITS[init], bias_init=ZEROS,
    name=name, pad=pad,
  )  # fmt: skip


def halved(x: Array) -> Array:
  """Half the size, by the mean of 3x3 pixels, of those that there are at the border."""
  return nn.avg_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)), count_include_pad=False)


def adapted(x: Array, shift: Array, scale: Array) -> Array:
  """Adaptive instance normalisation: x [B, H, W, C] normalised, times scale plus shift [B, C]."""
  x = instance_normalise(x)
  return (x * scale[:, None, None] + shift[:, None, None]).astype(x.dtype)


class LayerNorm(nn.Module):
  """x over the *unbiased* standard deviation of all of an image, plus 1e-5; then an affine map.

  gamma starts at U(0, 1), as in the official code.
  """

  @nn.compact
  def __call__(self, x: Array) -> Array:
    gamma = self.param('gamma', nn.initializers.uniform(1.0), x.shape[-1:])
    beta = self.param('beta', ZEROS, x.shape[-1:])
    mean, var = conv_ops.moments(x, axes=(1, 2, 3), ddof=1)
    y = (x - mean) / (jnp.sqrt(var) + 1e-5)
    return (y * gamma[None, None, None] + beta[None, None, None]).astype(x.dtype)


class Block(nn.Module):
  """x + norm(conv(relu(norm(conv(x))))), where norm is instance normalisation, adaptive if styled."""

  dtype: Any = jnp.float32
  pad: str = 'reflect'

  @nn.compact
  def __call__(self, x: Array, style: Array | None = None) -> Array:
    """`style`: [B, 4 C]: shift and scale of the first normalisation, then of the second."""
    y = x
    for i in range(2):
      y = conv(x.shape[-1], 3, 1, f'conv_{i}', self.dtype, pad=self.pad)(y)
      if style is None:
        y = instance_normalise(y)
      else:
        y = adapted(y, *jnp.split(style, 4, -1)[2 * i : 2 * i + 2])
      y = y if i else nn.relu(y)
    return x + y


class Content(nn.Module):
  """Images [B, H, W, C] -> content [B, H/4, W/4, 4 width]."""

  width: int = 64
  blocks: int = 4
  dtype: Any = jnp.float32
  pad: str = 'reflect'

  @nn.compact
  def __call__(self, x: Array) -> Array:
    x = nn.relu(instance_normalise(conv(self.width, 7, 1, 'stem', self.dtype, pad=self.pad)(x)))
    for i in range(2):
      down = conv(self.width * 2 ** (i + 1), 4, 2, f'down_{i}', self.dtype, pad=self.pad)
      x = nn.relu(instance_normalise(down(x)))
    for i in range(self.blocks):
      x = Block(self.dtype, self.pad, name=f'block_{i}')(x)
    return x


class StyleEncoder(nn.Module):
  """Images [B, H, W, C] -> styles [B, style_size], float32."""

  width: int = 64
  style_size: int = 8
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    x = nn.relu(conv(self.width, 7, 1, 'stem', self.dtype)(x))
    for i in range(4):
      x = nn.relu(conv(self.width * min(2 ** (i + 1), 4), 4, 2, f'down_{i}', self.dtype)(x))
    x = x.astype(jnp.float32).mean((1, 2), keepdims=True)
    return conv(self.style_size, 1, 1, 'style', jnp.float32)(x)[:, 0, 0]


class Decoder(nn.Module):
  """Content [B, h, w, 4 width] and styles [B, S] -> images [B, 4h, 4w, channels] in (-1, 1), float32."""

  width: int = 64
  blocks: int = 4
  channels: int = 3
  hidden: int = 256
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, style: Array) -> Array:
    each = 4 * x.shape[-1]
    for i, features in enumerate((self.hidden, self.hidden, each * self.blocks)):
      dense = nn.Dense(features, kernel_init=INITS['kaiming'], name=f'mlp_{i}')
      style = dense(nn.relu(style) if i else style)
    for i in range(self.blocks):
      x = Block(self.dtype, name=f'block_{i}')(x, style[:, each * i : each * (i + 1)])
    for i in range(2):
      up = conv(self.width * 2 ** (1 - i), 5, 1, f'up_{i}', self.dtype)
      x = nn.relu(LayerNorm(name=f'up_{i}_norm')(up(nearest_double(x))))
    x = conv(self.channels, 7, 1, 'output', self.dtype)(x)
    return jnp.tanh(x.astype(jnp.float32))


class MultiScale(nn.Module):
  """Images [B, H, W, C] -> a list of logits [B, h, w, 1], of the image, its half, its quarter ...

  Attributes:
    layers: strided convolutions of each scale; smallest images are 2**(scales + layers - 1) px.
  """

  width: int = 64
  layers: int = 4
  scales: int = 3
  dtype: Any = jnp.float32
  pad: str = 'reflect'

  @nn.compact
  def __call__(self, x: Array) -> list[Array]:
    found = []
    for scale in range(self.scales):
      y = x
      for i in range(self.layers):
        name = f'scale_{scale}_conv_{i}'
        y = nn.leaky_relu(conv(self.width * 2**i, 4, 2, name, self.dtype, 'normal', self.pad)(y), 0.2)
      logits = conv(1, 1, 1, f'scale_{scale}_logits', self.dtype, 'normal')
      found.append(logits(y).astype(jnp.float32))
      x = halved(x)
    return found
