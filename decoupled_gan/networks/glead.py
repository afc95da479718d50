"""GLeaD's decoder on the discriminator (Bai et al., CVPR 2023, arXiv 2212.03752).

From the features of the discriminator's blocks it makes the code of an image, from which the generator
is to rebuild it: affine in the features, so that whatever is to be known about the image the
discriminator's blocks must know.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers.equalised import EqualisedConv
from decoupled_gan.networks.heads import Verdict
from decoupled_gan.networks.stylegan2 import Discriminator, Pyramid


class Code(NamedTuple):
  """What the decoder says about an image.

  Attributes:
    f: features in place of the generator's, [B, s, s, C].
    i: the image that the generator would have made up to there, [B, s, s, image channels]. Neither
      abstract nor figure of the paper have it; a skip generator cannot go on without one.
    w: style, [B, w_dim].
    i and w are None where only f is decoded.
  """

  f: Array
  i: Array | None
  w: Array | None


class Decoder(nn.Module):
  """{size: features of the discriminator} -> `Code` at `size` pixels.

  Attributes:
    size: r_d of the paper, 64.
    generator_channels: of the generator where f takes its place; None: f is what the decoder gives,
      without projections, and there are no i and w.
    w_dim: of the style.
  """

  pyramid: Pyramid
  size: int
  generator_channels: int | None
  w_dim: int = 512

  @nn.compact
  def __call__(self, features: dict[int, Array]) -> Code:
    def linear(features, name, up=False):
      return EqualisedConv(features, 1, up, activation='linear', name=name)

    y = None
    for size in (s for s in self.pyramid.sizes(8) if s <= self.size):
      x = features[size // 2].astype(jnp.float32)
      x = x if y is None else jnp.concatenate([y, x], -1)
      y = linear(self.pyramid.channels(size), f'b{size}', up=True)(x)
    if self.generator_channels is None:
      return Code(y, None, None)
    return Code(
      f=linear(self.generator_channels, 'feature')(y),
      i=linear(self.pyramid.image_channels, 'image')(y),
      w=linear(self.w_dim, 'style')(y).mean((1, 2)),
    )


class TaskedDiscriminator(nn.Module):
  """A discriminator with a decoder: both are trained as one parameter group."""

  pyramid: Pyramid
  group_size: int
  decoder_size: int
  generator_channels: int | None
  w_dim: int

  def setup(self):
    self.backbone = Discriminator(self.pyramid, self.group_size)
    self.decoder = Decoder(self.pyramid, self.decoder_size, self.generator_channels, self.w_dim)

  def __call__(self, images: Array, labels: None = None, told: Array | None = None) -> Verdict:
    """Logits [B, 1] without a code."""
    return self.conclude(self.features(images), None, told)

  def features(self, images: Array, labels: None = None) -> Array:
    """What the logits come from, [B, 4, 4, channels]."""
    return self.backbone.features(images)[4]

  def conclude(self, features: Array, labels: None = None, told: Array | None = None) -> Verdict:
    """The verdict on such features."""
    return self.backbone.conclude(features, told)

  def decode(self, images: Array) -> Code:
    """The code alone, of each image alone."""
    return self.decoder(self.backbone.features(images))

  def judge_and_decode(self, images: Array) -> tuple[Verdict, Code]:
    """The verdict and the code."""
    features = self.backbone.features(images)
    return self.backbone.conclude(features[4]), self.decoder(features)
