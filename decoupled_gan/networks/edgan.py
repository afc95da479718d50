"""The networks of ED//GAN (Zhang, Song, Qi, WACV 2018, arXiv 1801.06790), by its official code.

Two families. For labelled images, those of CAAE (Zhang et al., CVPR 2017) at 128 px and width 64:

  Encoder   image -> five 5x5 convolutions of stride 2 -> linear, tanh -> code [50]
  Decoder   code and labels -> linear -> five transposed convolutions -> two of stride 1 -> tanh
  Judge     image -> convolution; its features and labels -> three more -> two linear layers -> logit
  CodeJudge code -> four linear layers -> logit

For pairs of images, at 256 px and width 64: UNet, and PairJudge, which is no PatchGAN but gives one
logit of the whole image. Other sizes have as many layers as lead down to 4x4 and 1x1 px.

Where we differ. Batch normalisation (Decoder as a residual, Judge, CodeJudge): the official code
never runs the update of its running averages, so that its test mode is broken; ours are updated in
every training pass and used in inference. UNet and PairJudge: the official runs have batch size 1 and
batch statistics at all times, which is instance normalisation, and that is what we have. There the
UNet's innermost layer is 1x1 px, so that its normalised value is 0 and its gradient too: a layer that
is dead for ever. We do not normalise it unless asked (`norm_innermost`). Dropout is active only where
noise is given ('noise' among the rngs), which is in training; the official code never turns it off.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.errors import UserError
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.layers.norm import BatchNorm, InstanceNorm
from decoupled_gan.types import Array

conv_kernel = nn.initializers.truncated_normal(0.02)  # of convolutions; all others are plain normal


def check_size(image_size: int, smallest: int):
  """Raises UserError unless image_size is a power of two and at least `smallest`."""
  if image_size < smallest or image_size & (image_size - 1):
    near = max(smallest, 2 ** round(math.log2(max(image_size, 1))))
    raise UserError(
      f'image_size={image_size} does not fit these networks, which halve it again and again: it '
      f'must be a power of two, at least {smallest}; try {near}.'
    )


def one_hots(labels: Array, counts: tuple[int, ...]) -> list[Array]:
  """labels [B, K] -> for each attribute its one-hot [B, counts[k]] of -1 and +1."""
  return [2 * jax.nn.one_hot(labels[:, k], count) - 1 for k, count in enumerate(counts)]


def tiled(vectors: list[Array], length: int) -> Array:
  """Each vector repeated as a whole as often as fits into `length` (but once at least), in a row."""
  return jnp.concatenate([jnp.tile(v, (1, max(1, length // v.shape[-1]))) for v in vectors], -1)


class Dense(nn.Module):
  """Linear layer with bias: [B, I] -> [B, features]."""

  features: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    init = nn.initializers.normal(0.02)
    return nn.Dense(self.features, kernel_init=init, dtype=self.dtype)(x)


class Encoder(nn.Module):
  """Images [B, S, S, C] -> codes [B, code_size] in (-1, 1)."""

  width: int = 64
  code_size: int = 50
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    layers = int(math.log2(x.shape[1])) - 2
    for i in range(layers):  # ends at 4x4
      conv = SameConv(self.width * 2**i, kernel_init=conv_kernel, dtype=self.dtype, name=f'conv_{i}')
      x = nn.relu(conv(x))
    x = x.reshape(len(x), -1)
    return jnp.tanh(Dense(self.code_size, self.dtype, name='code')(x).astype(jnp.float32))


class Decoder(nn.Module):
  """Codes [B, code_size] and labels [B, K] -> images [B, S, S, C] in (-1, 1).

  Attributes:
    counts: of the values of each attribute.
    norm: whether layers are batch-normalised: the residual is, the decoder is not.
  """

  image_size: int
  counts: tuple[int, ...]
  channels: int = 3
  width: int = 64
  norm: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, code: Array, labels: Array) -> Array:
    def activated(x, name):
      return nn.relu(BatchNorm(name=name)(x) if self.norm else x)

    layers = int(math.log2(self.image_size)) - 2
    widest = self.width * 2 ** (layers - 1)
    x = jnp.concatenate([code, tiled(one_hots(labels, self.counts), code.shape[-1])], -1)
    x = activated(Dense(16 * widest, self.dtype, name='code')(x), 'norm_code')
    x = x.reshape(-1, 4, 4, widest)
    strides = [2] * layers + [1]
    for i, stride in enumerate(strides):
      features = max(1, widest // 2 ** (i + 1))
      deconv = SameConv(features, stride=stride, transposed=True, dtype=self.dtype, name=f'deconv_{i}')
      x = activated(deconv(x), f'norm_{i}')
    image = SameConv(self.channels, stride=1, transposed=True, dtype=self.dtype, name='image')(x)
    return jnp.tanh(image.astype(jnp.float32))


class Judge(nn.Module):
  """The discriminator: images [B, S, S, C] and labels [B, K] -> logits [B, 1].

  Labels join the features of the first convolution, as maps of one value each: every attribute's
  one-hot repeated until it is as long as the longest's.
  """

  counts: tuple[int, ...]
  width: int = 64
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, labels: Array) -> Array:
    maps = tiled(one_hots(labels, self.counts), max(self.counts, default=0))[:, None, None]
    for i in range(4):
      conv = SameConv(self.width * 2**i, kernel_init=conv_kernel, dtype=self.dtype, name=f'conv_{i}')
      x = nn.relu(BatchNorm(name=f'norm_{i}')(conv(x)))
      if i == 0:
        shape = (*x.shape[:3], maps.shape[-1])
        x = jnp.concatenate([x, jnp.broadcast_to(maps, shape).astype(x.dtype)], -1)
    x = x.reshape(len(x), -1)
    x = nn.leaky_relu(Dense(16 * self.width, self.dtype, name='features')(x), 0.2)
    return Dense(1, self.dtype, name='logit')(x)


class CodeJudge(nn.Module):
  """The discriminator of codes: [B, code_size] -> logits [B, 1]."""

  @nn.compact
  def __call__(self, code: Array) -> Array:
    for i, width in enumerate((64, 32, 16)):
      code = nn.relu(BatchNorm(name=f'norm_{i}')(Dense(width, name=f'dense_{i}')(code)))
    return Dense(1, name='logit')(code)


class UNet(nn.Module):
  """Images [B, S, S, C] -> images [B, S, S, channels] in (-1, 1), by way of 1x1 px and skips.

  Attributes:
    norm_innermost: whether the 1x1 layer is normalised too, which kills it (see above).
  """

  channels: int = 3
  width: int = 64
  norm_innermost: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    levels = int(math.log2(x.shape[1]))
    widths = [self.width * min(2**i, 8) for i in range(levels)]
    skips = []
    for i, width in enumerate(widths):
      x = self._conv(nn.leaky_relu(x, 0.2) if i else x, width, f'down_{i}')
      if 0 < i < levels - 1 or (i and self.norm_innermost):
        x = InstanceNorm(name=f'norm_down_{i}')(x)
      skips.append(x)
    skips.pop()
    for i, width in enumerate(widths[-2::-1]):
      x = self._conv(nn.relu(x), width, f'up_{i}', transposed=True)
      x = InstanceNorm(name=f'norm_up_{i}')(x)
      x = self._dropout(x) if i < 3 else x
      x = jnp.concatenate([x, skips.pop()], -1)
    image = self._conv(nn.relu(x), self.channels, 'image', transposed=True)
    return jnp.tanh(image.astype(jnp.float32))

  def _conv(self, x, features, name, transposed=False):
    init = nn.initializers.normal(0.02) if transposed else conv_kernel
    return SameConv(
      features, transposed=transposed, kernel_init=init, dtype=self.dtype, name=name
    )(x)

  def _dropout(self, x):
    """Half of the values, doubled; all of them where no noise is given."""
    return nn.Dropout(0.5, rng_collection='noise', deterministic=not self.has_rng('noise'))(x)


class PairJudge(nn.Module):
  """The discriminator of pairs: input and image [B, S, S, C] -> logits [B, 1]."""

  width: int = 64
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, given: Array, image: Array) -> Array:
    x = jnp.concatenate([given, image], -1)
    for i, stride in enumerate((2, 2, 2, 1)):
      conv = SameConv(
        self.width * 2**i, stride=stride, kernel_init=conv_kernel, dtype=self.dtype, name=f'conv_{i}'
      )
      x = conv(x)
      x = nn.leaky_relu(InstanceNorm(name=f'norm_{i}')(x) if i else x, 0.2)
    return Dense(1, self.dtype, name='logit')(x.reshape(len(x), -1))
