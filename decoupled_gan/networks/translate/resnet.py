"""The translator of CycleGAN (Zhu et al., ICCV 2017, after Johnson et al., ECCV 2016) and of CUT.

  images [H, W]  stem 7x7, w       mirrored border
                 down_0 3x3, 2w    to [H/2, W/2]
                 down_1 3x3, 4w    to [H/4, W/4]
                 block_i, 4w       x + norm(conv(relu(norm(conv(x)))))
                 up_0 3x3, 2w      to [H/2, W/2]
                 up_1 3x3, w       to [H, W]
                 output 7x7, tanh

with normalisation and ReLU after every convolution but the last. Any size that 4 divides. CycleGAN
halves by strides and doubles by transposed convolutions; with `antialias` (CUT, Park et al., ECCV 2020)
the convolutions keep the size and fixed filters change it. As in the official code a convolution has a
bias before an instance normalisation, where it does nothing, and none before a batch normalisation.

Of our own are three choices: how often the size is halved (`downs`; 2 above), the channels of a code
between the blocks (`bottleneck`), and an output that is added to the input (`residual`).
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers import conv_ops
from decoupled_gan.layers.conv import Conv, ConvTranspose
from decoupled_gan.layers.resample import blurred_double, blurred_half
from decoupled_gan.networks.translate import INITS, dropped, normaliser


class Block(nn.Module):
  """x + norm(conv(relu(norm(conv(x))))), 3x3 with a mirrored border; fields are the generator's."""

  norm: str = 'instance'
  initial: str = 'normal'
  dropout: bool = False
  own_statistics: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, track: bool = True) -> Array:
    conv = functools.partial(
      Conv, x.shape[-1], 3, 1, 1, self.norm == 'instance', dtype=self.dtype,
      kernel_init=INITS[self.initial], bias_init=nn.initializers.zeros,
    )  # fmt: skip
    norm = functools.partial(normaliser, self.norm, self.own_statistics, track=track)
    y = nn.relu(norm('norm_0')(conv(name='conv_0')(x)))
    if self.dropout:
      y = dropped(self, y)
    return x + norm('norm_1')(conv(name='conv_1')(y))


class ResnetGenerator(nn.Module):
  """Images [B, H, W, C] -> images [B, H, W, channels] in (-1, 1), float32.

  Attributes:
    downs: how often the size is halved, and doubled again.
    bottleneck: channels between the blocks' halves, where all passes through; 0: as many as there are.
    residual: whether the last convolution is added to the input, so that an untrained network nearly
      gives it back; then without tanh, and images may leave (-1, 1).
    norm, own_statistics: see `normaliser`.
    initial: of INITS.
    dropout: of half the units within each block, see `dropped`.
  """

  width: int = 64
  blocks: int = 9
  channels: int = 3
  norm: str = 'instance'
  antialias: bool = False
  initial: str = 'normal'
  dropout: bool = False
  own_statistics: bool = False
  dtype: Any = jnp.float32
  downs: int = 2
  bottleneck: int = 0
  residual: bool = False

  @nn.compact
  def __call__(self, x: Array, taps: Sequence[str] = (), track: bool = True):
    """The image; or, if there are `taps`, the list of features [B, h, w, c] at these places, no more.

    Places, in their order: 'padded' (the input with its border), 'down_0', 'down_1' (what these
    convolutions give, not yet normalised), 'block_0', 'block_1', ... (what these blocks give).

    `track` is that of TorchBatchNorm.
    """
    found = {}
    for name, features in self._stages(x, track):
      if name in taps:
        found[name] = features
      if taps and len(found) == len(set(taps)):
        return [found[tap] for tap in taps]
    if taps:
      missing = [tap for tap in taps if tap not in found]
      raise UserError(f'model.taps: a generator of {self.blocks} blocks has no {listing(missing)}.')
    features = features.astype(jnp.float32)
    return x + features if self.residual else jnp.tanh(features)

  @nn.nowrap
  def _stages(self, x: Array, track: bool) -> Iterator[tuple[str, Array]]:
    init, biased = INITS[self.initial], self.norm == 'instance'
    conv = functools.partial(
      Conv, dtype=self.dtype, kernel_init=init, bias_init=nn.initializers.zeros
    )

    def activated(x, name):
      return nn.relu(normaliser(self.norm, self.own_statistics, f'{name}_norm', track)(x))

    x = conv_ops.reflect_pad(x, 3)
    yield 'padded', x
    x = activated(conv(self.width, 7, use_bias=biased, name='stem')(x), 'stem')
    for i in range(self.downs):
      features, name = self.width * 2 ** (i + 1), f'down_{i}'
      stride = 1 if self.antialias else 2
      x = conv(features, 3, stride, 1, biased, pad='zero', name=name)(x)
      yield name, x
      x = activated(x, name)
      x = blurred_half(x) if self.antialias else x
    for i in range(self.blocks):
      if self.bottleneck and i == self.blocks // 2:
        code = conv(self.bottleneck, 1, name='code')(x)
        x = activated(conv(x.shape[-1], 1, use_bias=biased, name='decode')(code), 'decode')
      name = f'block_{i}'
      block = Block(
        self.norm, self.initial, self.dropout, self.own_statistics, self.dtype, name=name
      )
      x = block(x, track)
      yield name, x
    for i in range(self.downs):
      features, name = self.width * 2 ** (self.downs - 1 - i), f'up_{i}'
      if self.antialias:
        x = conv(features, 3, 1, 1, biased, pad='zero', name=name)(blurred_double(x))
      else:
        x = ConvTranspose(features, 3, biased, self.dtype, init, name=name)(x)
      x = activated(x, name)
    yield 'output', conv(self.channels, 7, 1, 3, name='output')(x)
