"""The networks of Council-GAN (Nizan and Tal, CVPR 2020, arXiv 1911.10538), by its code; on MUNIT's.

  Generator   an image and a drawn style -> a translation, and the masks that it was laid on with
  Councillor  a translation beside its input -> a map of logits of each scale

The discriminators of the domain are MUNIT's MultiScale. All borders are zeros. The style encoder of the
official networks is left out: no published loss reads it.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.resample import nearest_double
from decoupled_gan.networks.translate import INITS
from decoupled_gan.networks.translate.munit import Block, Content, adapted, conv, halved

SHARPNESS = 10  # of a mask: (tanh(10 m) + 1) / 2


def focused(image: Array, drawn: Array, m: Array) -> tuple[Array, Array]:
  """(image with what is drawn laid on it, one layer after the other; the masks, in 0 to 1).

  Args:
    image: [B, H, W, C].
    drawn: [B, H, W, K C], K layers.
    m: [B, H, W, K], of which the masks are made.
  """
  masks = (jnp.tanh(SHARPNESS * m) + 1) / 2
  for layer, mask in zip(
    jnp.split(drawn, m.shape[-1], -1), jnp.split(masks, m.shape[-1], -1), strict=True
  ):
    image = (1 - mask) * image + mask * layer
  return image, masks


class Generator(nn.Module):
  """Images [B, H, W, channels], styles [B, S] -> (images of the same size, masks [B, H, W, K]), float32.

  Attributes:
    blocks: residual ones of the content's encoder, and of the decoder.
    hidden: of the MLP that makes shifts and scales of the style.
    masks: layers that are laid on the input.
  """

  width: int = 64
  blocks: int = 5
  channels: int = 3
  hidden: int = 256
  masks: int = 3
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image: Array, style: Array) -> tuple[Array, Array]:
    x = Content(self.width, self.blocks, self.dtype, 'zero', name='content')(image)
    features = x.shape[-1]
    sizes = [4 * features] * self.blocks + [2 * features // 2**i for i in (1, 1, 2, 2)]
    for i, size in enumerate((self.hidden, self.hidden, sum(sizes))):
      dense = nn.Dense(size, kernel_init=INITS['kaiming'], name=f'mlp_{i}')
      style = dense(nn.relu(style) if i else style)
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    styles = iter(jnp.split(style, ends, -1))
    for i in range(self.blocks):
      x = Block(self.dtype, 'zero', name=f'block_{i}')(x, next(styles))
    for i in range(2):
      x = nearest_double(x)
      for j in range(2):
        x = conv(features // 2 ** (i + 1), 3, 1, f'up_{i}_conv_{j}', self.dtype, pad='zero')(x)
        x = nn.relu(adapted(x, *jnp.split(next(styles), 2, -1)))
    for i in range(2):
      x = nn.relu(conv(x.shape[-1], 1, 1, f'pixel_{i}', self.dtype)(x))
    layers = (self.channels + 1) * self.masks
    x = jnp.tanh(conv(layers, 1, 1, 'output', self.dtype)(x).astype(jnp.float32))
    return focused(image, x[..., : -self.masks], x[..., -self.masks :])


class Councillor(nn.Module):
  """Images [B, H, W, C] and what they are made of -> a list of logits [B, h, w, 1], one for each scale.

  Attributes:
    layers: convolutions of 3x3 or more; all but the first halve.
  """

  width: int = 64
  layers: int = 4
  scales: int = 2
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, made: Array, source: Array) -> list[Array]:
    x, found = jnp.concatenate([made, source], -1), []
    for scale in range(self.scales):
      y, name = x, f'scale_{scale}'
      for i in range(self.layers):
        size, stride = (4, 2) if i else (3, 1)
        layer = conv(self.width * 2**i, size, stride, f'{name}_conv_{i}', self.dtype, 'normal', 'zero')
        y = nn.leaky_relu(layer(y), 0.2)
      y = conv(y.shape[-1], 1, 1, f'{name}_pixel', self.dtype, 'normal')(y)
      found.append(conv(1, 1, 1, f'{name}_logits', self.dtype, 'normal')(y).astype(jnp.float32))
      x = halved(x)
    return found
