"""The networks of NICE-GAN (Chen et al., CVPR 2020, arXiv 2003.00273).

The discriminator of a domain is an encoder followed by a classifier with heads at three scales:

  x [S, S]  --Encoder-->  z [S/4, S/4, 2w]  --Classifier-->  middle (C1, receptive field 70 px)
                  |                                     `->  global (C2, 286 px)
                  `->  local (C0, 10 px: one number for an image)

(receptive fields at depth 7), and the generator of a domain makes its images from such a z. Names on
the left are the paper's and ours, on the right the official code's:

  gamma of the residual attention   lamda              Encoder           disX.model, fc, conv1x1
  C0, C1, C2                        cam, L, G logits   Classifier        disX.Dis0_*, Dis1_*, conv*

`iterate` of the discriminator's parts: whether a training call is a power iteration of their spectral
norms, as it is in the official code, or uses their vectors as they are.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array, typed
from decoupled_gan.errors import UserError
from decoupled_gan.layers import conv_ops, extent
from decoupled_gan.layers.conv import Conv, Dense, spectral_norm, torch_bias, torch_kernel
from decoupled_gan.layers.norm import LIN, AdaLIN

HEADS = ('local', 'middle', 'global')  # C0, C1, C2 of the paper


def check_size(shape: tuple[int, int], depth: int):
  """Raises UserError unless the discriminator's depth can take images of this shape."""
  if depth < 6:
    raise UserError(f'model.depth={depth} is too small: the three-scale discriminator needs 6.')
  for size in shape:
    if size % 4:
      near = size // 4 * 4
      raise UserError(f'image_size={typed(shape)} must be a multiple of 4: try {near} or {near + 4}.')
  image_size, smallest = min(shape), 3 * 2 ** (depth - 2)
  if image_size < smallest:
    fits = [d for d in range(6, depth) if image_size >= 3 * 2 ** (d - 2)]
    instead = f', or model.depth={fits[-1]}' if fits else ''
    raise UserError(
      f'image_size={typed(shape)} is too small for model.depth={depth}: the smallest that works is '
      f'{smallest}{instead}.'
    )


class SpectralConv(nn.Module):
  """The discriminator's unit: pad 1, 4x4 spectrally normalised convolution, leaky ReLU of 0.2."""

  features: int
  stride: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array, iterate: bool = True) -> Array:
    conv = Conv(self.features, 4, self.stride, 1, spectral=True, dtype=self.dtype, name='conv')
    return nn.leaky_relu(conv(x, iterate), 0.2)


class Encoder(nn.Module):
  """Images [B, S, S, C] -> latents z [B, S/4, S/4, 2 width] and, if asked, C0 logits [B, 1].

  Attributes:
    attention: whether z has the residual attention (section 3.2 of the paper).
    local: whether there is a local head C0. It shares its weights `cam` with the attention.
  """

  width: int = 64
  attention: bool = True
  local: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, iterate: bool = True) -> tuple[Array, dict[str, Array]]:
    h = SpectralConv(self.width, 2, self.dtype, name='conv_0')(x, iterate)
    h = SpectralConv(2 * self.width, 2, self.dtype, name='conv_1')(h, iterate)
    logits = {}
    if self.attention or self.local:
      cam = Cam(name='cam')(h, iterate)
    if self.local:
      logits['local'] = cam['logit']
    if self.attention:
      h = ResidualAttention(self.dtype, name='attention')(h, cam['weight'])
    return h, logits


class Cam(nn.Module):
  """The class activation map's linear layer on average- and max-pooled features.

  Gives its logit [B, 1] (with the spectrally normalised weight) and the raw weight [2C], average
  half first: the attention multiplies by the raw one.
  """

  @nn.compact
  def __call__(self, h: Array, iterate: bool = True) -> dict[str, Array]:
    h = h.astype(jnp.float32)
    pooled = [extent.pooled_mean(h), extent.pooled_maximum(h)]
    pooled = jnp.concatenate(pooled, axis=-1)  # [B, 2C]
    kernel = self.param('kernel', torch_kernel, (pooled.shape[-1], 1))
    logit = pooled @ kernel / spectral_norm(self, kernel, iterate)
    return {'logit': logit, 'weight': kernel[:, 0]}


class ResidualAttention(nn.Module):
  """z = leaky(gamma * mix([h, h] * weight) + h); gamma, a scalar, starts at 0."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, h: Array, weight: Array) -> Array:
    channels = h.shape[-1]
    kernel = self.param('kernel', torch_kernel, (1, 1, 2 * channels, channels))
    bias = self.param('bias', torch_bias(2 * channels), (channels,))
    gamma = self.param('gamma', nn.initializers.zeros, ())
    # A 1x1 convolution of [h, h] * weight is one of h with the two weighted halves added: half the
    # work of the official form. gamma is folded in as well.
    halves = (weight[:, None] * kernel[0, 0]).reshape(2, channels, channels)
    folded = (gamma * halves.sum(0))[None, None].astype(self.dtype)
    offset = (gamma * bias).astype(self.dtype).reshape(1, 1, 1, channels)
    return nn.leaky_relu(conv_ops.conv(h, folded) + offset + h, 0.2)


class Classifier(nn.Module):
  """Latents z [B, s, s, 2 width] -> logits of C1 and C2, each a map [B, h, w, 1].

  Attributes:
    depth: the official `n_dis`; C1 has depth - 6 stride-2 stages, C2 two more. See `check_size`.
    heads: which of 'middle' (C1) and 'global' (C2) there are; others are ignored.
  """

  width: int = 64
  depth: int = 7
  heads: tuple[str, ...] = HEADS
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, z: Array, iterate: bool = True) -> dict[str, Array]:
    if not {'middle', 'global'} & set(self.heads):
      raise UserError("model.heads names neither 'middle' nor 'global': name one of them at least.")
    features, logits = 2 * self.width, {}
    for i in range(self.depth - 6):
      features *= 2
      z = SpectralConv(features, 2, self.dtype, name=f'trunk_{i}')(z, iterate)
    if 'middle' in self.heads:
      logits['middle'] = self._head('middle', z, 2 * features, iterate)
    if 'global' in self.heads:
      for i in range(2):
        features *= 2
        z = SpectralConv(features, 2, self.dtype, name=f'global_trunk_{i}')(z, iterate)
      logits['global'] = self._head('global', z, 2 * features, iterate)
    return logits

  def _head(self, name: str, z: Array, features: int, iterate: bool) -> Array:
    z = SpectralConv(features, 1, self.dtype, name=f'{name}_hidden')(z, iterate)
    return Conv(
      1, 4, 1, 1, use_bias=False, spectral=True, dtype=self.dtype, name=f'{name}_logits'
    )(z, iterate)


class Generator(nn.Module):
  """Latents z [B, s, s, 2 width] -> images [B, 4s, 4s, channels] in (-1, 1), float32.

  Attributes:
    blocks: residual AdaLIN blocks: 6 in the paper's NICE-GAN, 4 in its NICE-GAN*.
    full: whether AdaLIN's parameters come from all of z (tied to one image size, 268 million
      parameters at 256 px) instead of its average over the image (the published results).
  """

  width: int = 64
  blocks: int = 6
  channels: int = 3
  full: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, z: Array) -> Array:
    features = 4 * self.width
    z = Conv(features, 3, 1, 1, dtype=self.dtype, name='stem')(z)
    z = nn.relu(LIN(name='stem_norm')(z))
    gamma, beta = Style(features, self.full, self.dtype, name='style')(z)
    for i in range(self.blocks):
      z = AdaLINBlock(self.dtype, name=f'block_{i}')(z, gamma, beta)
    for i in range(2):
      features //= 2
      z = UpBlock(features, self.dtype, name=f'up_{i}')(z)
    z = Conv(self.channels, 7, 1, 3, use_bias=False, dtype=self.dtype, name='output')(z)
    return nn.tanh(z.astype(jnp.float32))


class Style(nn.Module):
  """AdaLIN's gamma and beta [B, features] from the features [B, s, s, features] of the image."""

  features: int
  full: bool
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> tuple[Array, Array]:
    x = x.astype(jnp.float32)
    x = x.reshape(x.shape[0], -1) if self.full else extent.pooled_mean(x)
    dense = lambda name: Dense(self.features, self.dtype, name=name)  # noqa: E731
    x = nn.relu(dense('hidden_0')(x))
    x = nn.relu(dense('hidden_1')(x))
    return dense('gamma')(x).astype(jnp.float32), dense('beta')(x).astype(jnp.float32)


class AdaLINBlock(nn.Module):
  """x + AdaLIN(conv(relu(AdaLIN(conv(x))))), both AdaLINs with the same gamma and beta."""

  dtype: Any

  @nn.compact
  def __call__(self, x: Array, gamma: Array, beta: Array) -> Array:
    conv = lambda name: Conv(x.shape[-1], 3, 1, 1, False, dtype=self.dtype, name=name)  # noqa: E731
    y = nn.relu(AdaLIN(name='norm_0')(conv('conv_0')(x), gamma, beta))
    return x + AdaLIN(name='norm_1')(conv('conv_1')(y), gamma, beta)


class UpBlock(nn.Module):
  """Twice the size by sub-pixel convolution: [B, H, W, C] -> [B, 2H, 2W, features]."""

  features: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    x = Conv(self.features, 3, 1, 1, use_bias=False, dtype=self.dtype, name='conv')(x)
    x = nn.relu(LIN(name='norm_0')(x))
    x = Conv(4 * self.features, 1, dtype=self.dtype, name='expand')(x)
    return nn.relu(LIN(name='norm_1')(conv_ops.pixel_shuffle(x, 2)))
