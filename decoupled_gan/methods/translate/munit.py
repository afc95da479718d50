"""MUNIT: Multimodal Unsupervised Image-to-Image Translation (Huang, Liu, Belongie, Kautz, ECCV 2018,
arXiv 1804.04732), by its official code.

An image is content, which the domains share, and style, which they do not: a translation keeps the
content and draws a style of the other domain from N(0, I), so that one image has many.

  official code         here
  gen_a.enc_content     content.a
  gen_a.enc_style       style.a
  gen_a.dec and .mlp    decoder.a        (makes images of a)
  recon_x, recon_s      reconstruct, style
  recon_c, recon_x_cyc  content, cycle   (cycle has no row as published)

The discriminators are trained first, on fakes of other styles than the generators' in the same step.
The target of the content loss is not a constant, as in the official code.

Where we differ: `translate` draws an image's style from the bits of its pixels and `model.style_seed`,
so that a translation is a function of the image (the official test draws anew). No perceptual loss: its
published weight is 0.
"""

import functools
from collections import OrderedDict
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Losses, Pair, image_shape
from decoupled_gan.layers.domain import PerDomain, over_domains
from decoupled_gan.losses.adversarial import least_squares_of_all
from decoupled_gan.losses.pixels import l1
from decoupled_gan.networks.translate import check_multiple, own_styles
from decoupled_gan.networks.translate.munit import Content, Decoder, MultiScale, StyleEncoder


class MUNIT(nn.Module):
  """Encoders of content and style, decoders, discriminators. Attributes: see the networks."""

  width: int = 64
  d_width: int = 64
  blocks: int = 4
  channels: int = 3
  style_size: int = 8
  hidden: int = 256
  d_layers: int = 4
  scales: int = 3
  style_seed: int = 0
  dtype: Any = jnp.float32

  def setup(self):
    part = functools.partial
    self.content = PerDomain(part(Content, self.width, self.blocks, self.dtype))
    self.style = PerDomain(part(StyleEncoder, self.width, self.style_size, self.dtype))
    self.decoder = PerDomain(
      part(Decoder, self.width, self.blocks, self.channels, self.hidden, self.dtype)
    )
    self.discriminator = PerDomain(
      part(MultiScale, self.d_width, self.d_layers, self.scales, self.dtype)
    )

  def prior(self, images: Pair) -> Pair:
    """Styles [B, S] of N(0, I), for images of each domain."""
    keys = jax.random.split(self.make_rng('noise'))
    draw = lambda key, x: jax.random.normal(key, (x.shape[0], self.style_size))  # noqa: E731
    return Pair(*map(draw, keys, images))

  def own_styles(self, images: Array) -> Array:
    """Styles [B, S] of N(0, I), each a function of its image and of `style_seed`."""
    return own_styles(images, self.style_size, self.style_seed)


def discriminate(gan: MUNIT, real: Pair) -> Losses:
  """Tell real images from translations: trains the discriminators."""
  fake = stop_gradient(gan.decoder(gan.content(real).swapped, gan.prior(real)))
  on_fake, on_real = gan.discriminator(fake), gan.discriminator(real)
  return {'adversarial': least_squares_of_all(on_fake, 0) + least_squares_of_all(on_real, 1)}


def translate(gan: MUNIT, real: Pair) -> dict:
  """Translate under a drawn style, and find content and style again."""
  drawn = gan.prior(real)
  content, style = gan.content(real), gan.style(real)
  fake = gan.decoder(content.swapped, drawn)
  found = functools.cache(lambda: gan.content(fake))
  distance = functools.partial(over_domains, l1)
  return {
    'adversarial': lambda: least_squares_of_all(gan.discriminator(fake), 1),
    'reconstruct': lambda: distance(gan.decoder(content, style), real),
    'style': lambda: distance(gan.style(fake), drawn),
    'content': lambda: distance(found(), content.swapped),
    'cycle': lambda: distance(gan.decoder(found().swapped, style), real),
  }


def build(config: ConfigDict) -> MUNIT:
  """The module that `config` describes; raises UserError where the size does not fit."""
  model, shape = config.model, image_shape(config)
  smallest = 2 ** (model.d_layers + model.scales - 1)
  check_multiple(shape, max(16, smallest), 'the style encoder and the smallest scale halve it')
  return MUNIT(
    width=model.width,
    d_width=model.d_width,
    blocks=model.blocks,
    channels=config.image_channels,
    style_size=model.style_size,
    hidden=model.hidden,
    d_layers=model.d_layers,
    scales=model.scales,
    style_seed=model.style_seed,
    dtype=jnp.dtype(config.compute_dtype),
  )


def sample(gan: MUNIT, real: Pair) -> OrderedDict[str, Pair]:
  """The columns of a sample grid: two styles of the translation, and the image rebuilt."""
  content, style = gan.content(real), gan.style(real)
  styles = jax.tree.map(gan.own_styles, real.swapped)
  one = gan.decoder(content.swapped, styles)
  other = gan.decoder(content.swapped, jax.tree.map(jnp.negative, styles))
  return OrderedDict(
    input=real,
    translation=one.swapped,  # beside the input it was made from
    another=other.swapped,
    rebuilt=gan.decoder(content, style),
  )


def translate_images(gan: MUNIT, images: Array, target: str) -> Array:
  """Images [B, H, W, C] in [-1, 1] as domain `target` ('a' or 'b') has them, each under one style."""
  source = {'a': 'b', 'b': 'a'}[target]
  content = getattr(gan.content, source)(images)
  return getattr(gan.decoder, target)(content, gan.own_styles(images))


METHOD = Method(
  batch=Pair,
  objectives={'discriminate': discriminate, 'translate': translate},
  build=build,
  sample=sample,
  translate=translate_images,
)
