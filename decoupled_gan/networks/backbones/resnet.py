"""Residual networks of 8 to 256 px: those of WGAN-GP, SNGAN and SAGAN, which differ in little.

  WGAN-GP  Gulrajani et al., NIPS 2017 (arXiv 1704.00028), 32 px: mean over pixels, biased head
  SNGAN    Miyato et al., ICLR 2018 (arXiv 1802.05957), pfnet-research/sngan_projection: 32 to 128 px
  SAGAN    Zhang et al., ICML 2019 (arXiv 1805.08318), brain-research/self-attention-gan: 128 px; hidden
           channels are the block's outputs, and there is a layer of self-attention in each network

Generator: linear to 4 x 4 px, up blocks (norm, ReLU, nearest x 2, 3 x 3, norm, ReLU, 3 x 3; shortcut x
2, 1 x 1), norm, ReLU, 3 x 3, tanh. Discriminator: a first block without its first ReLU, down blocks
(ReLU, 3 x 3, ReLU, 3 x 3, 2 x 2 mean), plain blocks, ReLU, sum (or mean) over pixels. All layers have
biases; Glorot's uniform kernels, in blocks times `model.gain`. Channels are `width` times WIDTHS and
DEPTHS; the discriminator may have a width of its own, `model.width_discriminator`.

*Where we differ*: shortcuts are 1 x 1 before they are enlarged and after they are shrunk, whatever their
paper does: it is the same function, and a quarter of the work. A 3 x 3 convolution and the change of
size beside it are one convolution of 16/36 of the work, the same function to rounding.
"""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.layers.attention import SelfAttention
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.layers.linear import Linear
from decoupled_gan.layers.named_norms import Norm
from decoupled_gan.layers.resample import mean_halved, nearest_double
from decoupled_gan.networks.backbones.dcgan import pixels
from decoupled_gan.networks.backbones.staged import (
  Chain,
  Links,
  Staged,
  condition_of,
  norm_of,
  square_size,
)
from decoupled_gan.networks.heads import Last

START = 4  # px
GLOROT = nn.initializers.glorot_uniform()
WIDTHS = {
  8: (1, 1),
  16: (1, 1, 1),
  32: (1, 1, 1, 1),
  64: (16, 8, 4, 2, 1),
  128: (16, 16, 8, 4, 2, 1),
  256: (16, 16, 8, 8, 4, 2, 1),
}
"""Of the generator at 4, 8, ... px. 32: WGAN-GP and SNGAN; 64, 128: SNGAN; 256: BigGAN; others ours."""
DEPTHS = {
  8: ((1, True), (1, False), (1, False)),
  16: ((1, True), (1, True), (1, False), (1, False)),
  32: ((1, True), (1, True), (1, False), (1, False)),
  64: ((1, True), (2, True), (4, True), (8, True), (16, False)),
  128: ((1, True), (2, True), (4, True), (8, True), (16, True), (16, False)),
  256: ((1, True), (2, True), (4, True), (8, True), (8, True), (16, True), (16, False)),
}
"""Of the discriminator's blocks, and whether each halves the size; sources as above, but 64: BigGAN."""
POOLS = {'sum': jnp.sum, 'mean': jnp.mean}
HIDDEN = ('input', 'output')


class Generator(Staged):
  """z [B, z] -> images [B, S, S, C] in [-1, 1].

  Attributes:
    widths: channels at 4, 8, ..., S px.
    attention_size: px of the map with self-attention; 0: none.
    gain: of the kernels in blocks, at the start.
  """

  widths: tuple[int, ...]
  channels: int
  norm: Norm
  attention_size: int = 0
  gain: float = 1.0
  condition: Links = ()
  dtype: Any = jnp.float32

  def chain(self):
    start = functools.partial(Start, self.widths[0], self.norm, self.dtype)
    stages = {**dict(self.condition), 'start': start, **_attention(self, START)}
    for i, width in enumerate(self.widths[1:]):
      stages[f'up_{i}'] = functools.partial(Up, width, self.norm, self.gain, self.dtype)
      stages |= _attention(self, START << (i + 1))
    return stages | {'image': functools.partial(Image, self.channels, self.norm, self.dtype)}


class Discriminator(Staged):
  """Images [B, S, S, C] -> features [B, F].

  Attributes:
    size: of the images, px.
    blocks: (channels, whether the size is halved) of each.
    hidden: 'input' or 'output': whose number of channels a block has inside.
    pool: of POOLS, over pixels.
  """

  size: int
  blocks: tuple[tuple[int, bool], ...]
  norm: Norm
  hidden: str = 'input'
  pool: str = 'sum'
  attention_size: int = 0
  gain: float = 1.0
  head_bias: bool = False
  dtype: Any = jnp.float32

  @property
  def last(self) -> Last:
    return Last(self.head_bias, self.norm.spectral, GLOROT, GLOROT)

  def chain(self):
    stages, size = {}, self.size
    for i, (width, halves) in enumerate(self.blocks):
      name = f'down_{i}' if halves else f'block_{i}'
      stages[name] = functools.partial(
        Down, width, self.norm, self.gain, self.dtype, halves=halves, first=i == 0, hidden=self.hidden
      )
      size = size // 2 if halves else size
      stages |= _attention(self, size) if halves else {}
    return stages | {'features': functools.partial(Pool, self.pool)}


def _attention(network, size: int) -> Chain:
  """The stage behind the one that ends with maps of `size` px, if it is there."""
  made = functools.partial(Attention, network.norm.spectral, network.dtype)
  return {'attention': made} if size == network.attention_size else {}


class Attention(nn.Module):
  """Self-attention as a stage."""

  spectral: bool
  dtype: Any

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    return SelfAttention(self.spectral, dtype=self.dtype, name='self')(x)


class Start(nn.Module):
  """z [B, z] -> [B, 4, 4, features]."""

  features: int
  norm: Norm
  dtype: Any

  @nn.compact
  def __call__(self, z: Array, labels: Array | None) -> Array:
    dense = Linear(
      START * START * self.features, spectral=self.norm.spectral, kernel_init=GLOROT, dtype=self.dtype,
      name='dense',
    )  # fmt: skip
    return dense(z).reshape(-1, START, START, self.features)


class Up(nn.Module):
  """[B, H, W, I] -> [B, 2H, 2W, features]."""

  features: int
  norm: Norm
  gain: float
  dtype: Any

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    conv = functools.partial(_conv, norm=self.norm, gain=self.gain, dtype=self.dtype)
    y = nn.relu(self.norm('norm_0', x, labels))
    y = conv(self.features, 'conv_0', resized='doubled')(y)
    y = conv(self.features, 'conv_1')(nn.relu(self.norm('norm_1', y, labels)))
    return y + nearest_double(_shortcut(self, x))


class Image(nn.Module):
  """[B, S, S, I] -> images [B, S, S, channels], float32 in [-1, 1]."""

  channels: int
  norm: Norm
  dtype: Any

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    x = nn.relu(self.norm.unconditional('norm', x))
    return pixels(_conv(self.channels, 'conv', self.norm, 1.0, self.dtype)(x))


class Down(nn.Module):
  """[B, H, W, I] -> [B, H/2, W/2, features], or of the same size.

  Attributes:
    first: whether it sees images: no norm and no ReLU before its first convolution.
  """

  features: int
  norm: Norm
  gain: float
  dtype: Any
  halves: bool
  first: bool
  hidden: str

  @nn.compact
  def __call__(self, x: Array, labels: Array | None) -> Array:
    conv = functools.partial(_conv, norm=self.norm, gain=self.gain, dtype=self.dtype)
    outside = self.first or self.hidden == 'output'
    y = x if self.first else nn.relu(self.norm('norm_0', x, labels))
    y = conv(self.features if outside else x.shape[-1], 'conv_0')(y)
    y = nn.relu(self.norm('norm_1', y, labels))
    y = conv(self.features, 'conv_1', resized='halved' if self.halves else '')(y)
    x = mean_halved(x) if self.halves else x
    return y + _shortcut(self, x)


class Pool(nn.Module):
  """ReLU, then over pixels: [B, H, W, C] -> features [B, C], float32."""

  pool: str

  def __call__(self, x: Array, labels: Array | None) -> Array:
    return POOLS[self.pool](nn.relu(x).astype(jnp.float32), (1, 2))


def _conv(
  features: int, name: str, norm: Norm, gain: float, dtype: Any, size: int = 3, resized: str = ''
) -> SameConv:
  init = nn.initializers.variance_scaling(gain**2, 'fan_avg', 'uniform')
  kinds = {'spectral': norm.spectral, 'resized': resized}
  return SameConv(features, size, 1, **kinds, kernel_init=init, dtype=dtype, name=name)


def _shortcut(block, x: Array) -> Array:
  """x, by a 1 x 1 convolution where the size or the number of channels changes."""
  if x.shape[-1] == block.features and not getattr(block, 'halves', True):
    return x.astype(block.dtype)
  return _conv(block.features, 'shortcut', block.norm, 1.0, block.dtype, 1)(x)


def generator(config: ConfigDict) -> nn.Module:
  """The generator that `config.model` describes."""
  size, norm = _checked_size(config), norm_of(config, 'generator', momentum=config.model.norm_momentum)
  return Generator(
    widths=tuple(config.model.width * n for n in WIDTHS[size]),
    channels=config.image_channels,
    norm=norm,
    attention_size=config.model.attention_size,
    gain=config.model.gain,
    condition=condition_of(config, norm),
    dtype=jnp.dtype(config.compute_dtype),
  )


def discriminator(config: ConfigDict) -> nn.Module:
  """The discriminator's backbone that `config.model` describes."""
  size, model = _checked_size(config), config.model
  for field, known in (('pool', POOLS), ('hidden', HIDDEN)):
    if model[field] not in known:
      raise UserError(f'model.{field}={model[field]!r} is unknown; there are {" and ".join(known)}.')
  width = model.width_discriminator or model.width
  return Discriminator(
    size=size,
    blocks=tuple((width * n, halves) for n, halves in DEPTHS[size]),
    norm=norm_of(config, 'discriminator', momentum=model.norm_momentum),
    hidden=model.hidden,
    pool=model.pool,
    attention_size=model.attention_size,
    gain=model.gain,
    head_bias=model.head_bias,
    dtype=jnp.dtype(config.compute_dtype),
  )


def _checked_size(config: ConfigDict) -> int:
  size, attention = square_size(config, 'resnet', min(WIDTHS)), config.model.attention_size
  if size > max(WIDTHS):
    raise UserError(f'image_size={size}: the backbone resnet makes at most {max(WIDTHS)} px.')
  inside = [size >> i for i in range(1, sum(halves for _, halves in DEPTHS[size]) + 1)]
  if attention and attention not in inside:
    raise UserError(
      f'model.attention_size={attention}: both networks have maps of {", ".join(map(str, inside))} px; '
      '0 is none.'
    )
  return size
