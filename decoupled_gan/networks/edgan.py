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

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.layers.norm import BatchNorm, InstanceNorm

PUBLISHED_STD = 0.02  # of all kernels; those of convolutions are cut at two of it


def _he(stride=1, transposed=False, gain=2.0):
  """He et al.'s initialisation (ICCV 2015), whose gain of 2 is for ReLU; see `make_layers`."""
  axes = {'in_axis': -1, 'out_axis': -2} if transposed else {}
  # A pixel that a transposed convolution makes sees one in stride^2 of the kernel's taps.
  scale = gain * stride**2 if transposed else gain
  return nn.initializers.variance_scaling(scale, 'fan_in', 'truncated_normal', **axes)


def make_layers(std: float | None, dtype):
  """(conv, deconv, dense): layers with kernels of standard deviation `std`, or He's if it is None.

  The official code computes He's and then overwrites it by 0.02. Where nothing is normalised, that is
  far too little for networks much narrower than the published ones: signals vanish, and all that is
  learnt is the median image.
  """

  def conv(features, name, stride=2):
    init = nn.initializers.truncated_normal(std) if std else _he()
    return SameConv(features, stride=stride, kernel_init=init, dtype=dtype, name=name)

  def deconv(features, name, stride=2):
    init = nn.initializers.normal(std) if std else _he(stride, transposed=True)
    return SameConv(
      features, stride=stride, transposed=True, kernel_init=init, dtype=dtype, name=name
    )

  def dense(features, name, gain=2.0):
    init = nn.initializers.normal(std) if std else _he(gain=gain)
    return nn.Dense(features, kernel_init=init, dtype=dtype, name=name)

  return conv, deconv, dense


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


class Encoder(nn.Module):
  """Images [B, S, S, C] -> codes [B, code_size] in (-1, 1)."""

  width: int = 64
  code_size: int = 50
  std: float | None = PUBLISHED_STD
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    conv, _, dense = make_layers(self.std, self.dtype)
    layers = int(math.log2(x.shape[1])) - 2
    for i in range(layers):  # ends at 4x4
      x = nn.relu(conv(self.width * 2**i, f'conv_{i}')(x))
    x = x.reshape(x.shape[0], -1)
    return jnp.tanh(dense(self.code_size, 'code', gain=1.0)(x).astype(jnp.float32))


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
  std: float | None = PUBLISHED_STD
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, code: Array, labels: Array) -> Array:
    _, deconv, dense = make_layers(self.std, self.dtype)

    def activated(x, name):
      return nn.relu(BatchNorm(name=name)(x) if self.norm else x)

    layers = int(math.log2(self.image_size)) - 2
    widest = self.width * 2 ** (layers - 1)
    x = jnp.concatenate([code, tiled(one_hots(labels, self.counts), code.shape[-1])], -1)
    x = activated(dense(16 * widest, 'code')(x), 'norm_code')
    x = x.reshape(-1, 4, 4, widest)
    strides = [2] * layers + [1]
    for i, stride in enumerate(strides):
      features = max(1, widest // 2 ** (i + 1))
      x = activated(deconv(features, f'deconv_{i}', stride)(x), f'norm_{i}')
    image = deconv(self.channels, 'image', stride=1)(x)
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
    conv, _, dense = make_layers(PUBLISHED_STD, self.dtype)
    maps = tiled(one_hots(labels, self.counts), max(self.counts, default=0))[:, None, None]
    for i in range(4):
      x = nn.relu(BatchNorm(name=f'norm_{i}')(conv(self.width * 2**i, f'conv_{i}')(x)))
      if i == 0:
        shape = (*x.shape[:3], maps.shape[-1])
        x = jnp.concatenate([x, jnp.broadcast_to(maps, shape).astype(x.dtype)], -1)
    x = x.reshape(x.shape[0], -1)
    x = nn.leaky_relu(dense(16 * self.width, 'features')(x), 0.2)
    return dense(1, 'logit')(x)


class CodeJudge(nn.Module):
  """The discriminator of codes: [B, code_size] -> logits [B, 1]."""

  @nn.compact
  def __call__(self, code: Array) -> Array:
    _, _, dense = make_layers(PUBLISHED_STD, jnp.float32)
    for i, width in enumerate((64, 32, 16)):
      code = nn.relu(BatchNorm(name=f'norm_{i}')(dense(width, f'dense_{i}')(code)))
    return dense(1, 'logit')(code)


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
    conv, deconv, _ = make_layers(PUBLISHED_STD, self.dtype)
    levels = int(math.log2(x.shape[1]))
    widths = [self.width * min(2**i, 8) for i in range(levels)]
    skips = []
    for i, width in enumerate(widths):
      x = conv(width, f'down_{i}')(nn.leaky_relu(x, 0.2) if i else x)
      if 0 < i < levels - 1 or (i and self.norm_innermost):
        x = InstanceNorm(name=f'norm_down_{i}')(x)
      skips.append(x)
    skips.pop()
    for i, width in enumerate(widths[-2::-1]):
      x = deconv(width, f'up_{i}')(nn.relu(x))
      x = InstanceNorm(name=f'norm_up_{i}')(x)
      x = self._dropout(x) if i < 3 else x
      x = jnp.concatenate([x, skips.pop()], -1)
    image = deconv(self.channels, 'image')(nn.relu(x))
    return jnp.tanh(image.astype(jnp.float32))

  def _dropout(self, x):
    """Half of the values, doubled; all of them where no noise is given."""
    return nn.Dropout(0.5, rng_collection='noise', deterministic=not self.has_rng('noise'))(x)


class PairJudge(nn.Module):
  """The discriminator of pairs: input and image [B, S, S, C] -> logits [B, 1]."""

  width: int = 64
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, given: Array, image: Array) -> Array:
    conv, _, dense = make_layers(PUBLISHED_STD, self.dtype)
    x = jnp.concatenate([given, image], -1)
    for i, stride in enumerate((2, 2, 2, 1)):
      x = conv(self.width * 2**i, f'conv_{i}', stride)(x)
      x = nn.leaky_relu(InstanceNorm(name=f'norm_{i}')(x) if i else x, 0.2)
    return dense(1, 'logit')(x.reshape(x.shape[0], -1))
