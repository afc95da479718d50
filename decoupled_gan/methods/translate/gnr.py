"""GANs N' Roses (Chong and Forsyth, 2021, arXiv 2106.06561; code mchong6/GANsNRoses).

Content is what augmentation changes, style what it leaves. Augmentations of *one* image have many
contents and one style; decoded with as many styles of the other domain they must look like so many
images of it, also in how much they deviate from each other.

  official code           here
  G_A2B, G_B2A            generator.b, generator.a     (named by what it makes)
  D_A, D_B, D_L           discriminator.a, .b, discriminator_latent
  aug_A, A                Play.seen.a, Play.source.a
  d_logistic_loss, R1     discriminate/adversarial, latent, r1
  G_adv_loss              translate/adversarial, latent
  G_con_loss              translate/style
  G_cycle_loss, lpips     translate/cycle, lpips
  G_style_loss            translate/style_reconstruct

What a step draws (augmentations, styles, permutations) is the same in both of its phases. The cycle
decodes with a permutation of the batch's styles, which may be exchanged: they are one image's. R1 is of
the mean over all of a head's outputs and over the batch, which is weaker than the usual sum.

Where we differ: LPIPS is AlexNet's, whose weights the house has, instead of VGG's. An augmentation is
one affine map, sampled once (the code samples three times); its shear of 0.15 degrees, a third of a
pixel, is left out. The batch's deviation is that of the global batch. `translate` draws a style from
the image's bits and `model.style_seed`, as in MUNIT.
"""

import functools
from collections import OrderedDict
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.augment import geometry
from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Losses, Pair, square_size
from decoupled_gan.errors import UserError
from decoupled_gan.layers.domain import PerDomain, over_domains
from decoupled_gan.losses.adversarial import logistic
from decoupled_gan.losses.pixels import mse
from decoupled_gan.networks.stylegan2 import Pyramid
from decoupled_gan.networks.translate import own_styles
from decoupled_gan.networks.translate.gnr import Discriminator, Generator, LatentDiscriminator
from decoupled_gan.pretrained import lpips

DEGREES, SCALES, SHIFT = 20, (0.8, 1.2), 0.1  # of an augmentation; the shift is a share of the size
ENLARGED = 286 / 256  # before it is cropped


class GNR(nn.Module):
  """Two generators, two discriminators, one of styles. Attributes: see the networks."""

  pyramid: Pyramid
  downs: int = 3
  blocks: int = 1
  style_size: int = 8
  w_dim: int = 512
  mapping_layers: int = 5
  hidden: int = 128
  latent_hidden: int = 256
  style_seed: int = 0
  dtype: Any = jnp.float32

  def setup(self):
    part = functools.partial
    self.generator = PerDomain(part(
      Generator, self.pyramid, self.downs, self.blocks, self.style_size, self.w_dim,
      self.mapping_layers, self.dtype,
    ))  # fmt: skip
    self.discriminator = PerDomain(part(Discriminator, self.pyramid, self.hidden, self.dtype))
    self.discriminator_latent = LatentDiscriminator(self.latent_hidden)

  def encode(self, images: Pair) -> Pair:
    """(content, style) of images of each domain, by the generator that makes the other one of them."""
    return Pair(self.generator.b.encode(images.a), self.generator.a.encode(images.b))


class Play(NamedTuple):
  """What a step draws and makes. Pairs are by the domain of the images, styles by that of theirs.

  Attributes:
    seen: augmented images of the batch: what discriminators take for real.
    coded: their styles.
    source: augmentations of one image of each domain.
    content, style: of these.
    drawn: styles of N(0, I).
    wanted: styles that fakes are made with: some drawn, some of images.
    fake: what is made of the other domain's sources.
  """

  seen: Pair
  coded: Pair
  source: Pair
  content: Pair
  style: Pair
  drawn: Pair
  wanted: Pair
  fake: Pair


def augmented(key: Array, images: Array) -> Array:
  """Images [B, S, S, C] in [-1, 1], turned, scaled, moved, cropped and mirrored; 0 where nothing is."""
  count, size = images.shape[:2]
  keys = iter(jax.random.split(key, 6))
  uniform = lambda low, high: jax.random.uniform(next(keys), (count,), minval=low, maxval=high)  # noqa: E731
  angle, scale = uniform(-DEGREES, DEGREES) * (jnp.pi / 180), 1 / uniform(*SCALES)
  across, down = (uniform(-SHIFT * size, SHIFT * size) for _ in range(2))
  margin = round(size * (ENLARGED - 1))
  corner = jax.random.randint(next(keys), (2, count), 0, margin + 1) - margin / 2
  mirror = jnp.where(jax.random.bernoulli(next(keys), shape=(count,)), -1.0, 1.0)
  ones, enlarged = jnp.ones(count), jnp.full(count, 1 / ENLARGED)
  inverse = geometry.compose(
    [geometry.rotate(angle), geometry.scale(scale, scale), geometry.translate(across, down),
     geometry.scale(enlarged, enlarged), geometry.translate(*corner), geometry.scale(mirror, ones)],
    count, 3,
  )  # fmt: skip
  return geometry.sample(images, inverse, (size, size))


def play(gan: GNR, real: Pair) -> Play:
  """The same in all phases of a step, as long as the generators are."""
  keys = iter(jax.random.split(gan.make_rng('step'), 10))
  seen = Pair(*(augmented(next(keys), x) for x in real))

  def of_one(x):
    which = jax.random.randint(next(keys), (), 0, len(x))
    return augmented(next(keys), jnp.broadcast_to(x[which][None], x.shape))

  source = Pair(*map(of_one, real))
  encoded, coded = gan.encode(source), Pair(*(style for _, style in gan.encode(seen)))
  drawn = Pair(*(jax.random.normal(next(keys), style.shape) for style in coded))

  def chosen(drawn, coded):
    both = jnp.concatenate([drawn, coded])
    return both[jax.random.permutation(next(keys), len(both))[: len(drawn)]]

  wanted = Pair(*map(chosen, drawn, coded))
  content, style = (Pair(*parts) for parts in zip(*encoded, strict=True))
  fake = Pair(gan.generator.a.decode(content.b, wanted.a), gan.generator.b.decode(content.a, wanted.b))
  return Play(seen, coded, source, content, style, drawn, wanted, fake)


def slope(network: nn.Module, x: Array) -> Array:
  """R1 of the mean of each head's outputs: sum over heads of the mean of |gradient|^2 at x [B, ...]."""
  network, variables = network.unbind()

  def verdict(x, head):
    return jax.tree.leaves(network.apply(variables, x))[head].mean()

  heads = len(jax.tree.leaves(jax.eval_shape(lambda x: network.apply(variables, x), x)))
  squares = [jnp.square(jax.grad(verdict)(x, head)).sum() / len(x) for head in range(heads)]
  return sum(squares)


def told(heads, real: bool) -> Array:
  """The logistic loss, summed over a discriminator's heads."""
  return sum(logistic(logits, real) for logits in jax.tree.leaves(heads))


def discriminate(gan: GNR, real: Pair) -> Losses:
  """Tell real images from made ones, and drawn styles from those of images."""
  now = stop_gradient(play(gan, real))
  latent = gan.discriminator_latent

  def adversarial():
    return over_domains(
      lambda network, seen, fake: told(network(seen), True) + told(network(fake), False),
      gan.discriminator, now.seen, now.fake,
    )  # fmt: skip

  def styles():
    return over_domains(
      lambda drawn, coded: logistic(latent(drawn), True) + logistic(latent(coded), False),
      now.drawn, now.coded,
    )  # fmt: skip

  def r1():
    images = over_domains(slope, gan.discriminator, now.seen)
    return images + over_domains(functools.partial(slope, latent), now.drawn)

  return {'adversarial': adversarial, 'latent': styles, 'r1': r1}


def spread(styles: Array) -> Array:
  """The biased variance over a batch [B, S], summed over the numbers of a style."""
  return styles.var(0).sum()


def translate(gan: GNR, real: Pair) -> Losses:
  """Look like the other domain's images, keep one style for one image, and lead back to the source."""
  now = play(gan, real)
  again = gan.encode(now.fake)
  shuffled = Pair(*map(jax.random.permutation, jax.random.split(gan.make_rng('step')), now.style))
  # What the fakes lead back to: of those of b, an image of a with the styles that its source has.
  back = Pair(
    gan.generator.a.decode(again.b[0], shuffled.a), gan.generator.b.decode(again.a[0], shuffled.b)
  )

  def adversarial():
    heads = lambda network, fake: told(network(fake), True) / 3  # noqa: E731
    return over_domains(heads, gan.discriminator, now.fake)

  return {
    'adversarial': adversarial,
    'latent': lambda: over_domains(lambda x: logistic(gan.discriminator_latent(x), True), now.coded),
    'style': lambda: over_domains(spread, now.style),
    'cycle': lambda: over_domains(mse, back, now.source),
    'lpips': lambda: over_domains(_lpips, back, now.source),
    'style_reconstruct': lambda: over_domains(
      lambda encoded, wanted: mse(encoded[1], wanted), again, now.wanted
    ),
  }


def _lpips(x: Array, y: Array) -> Array:
  return lpips.distance(lpips.load(), x, y).mean()


def build(config: ConfigDict) -> GNR:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, size = config.model, square_size(config)
  dtype = jnp.dtype(config.compute_dtype)
  pyramid = Pyramid(
    size, model.channel_base, model.channels, config.image_channels, half_dtype=dtype, clamp=None
  )
  if size >> model.downs < 4:
    raise UserError(
      f'model.downs={model.downs} leaves less than 4 px of content at image_size={size}: at most '
      f'{size.bit_length() - 3} fit.'
    )
  return GNR(
    pyramid, model.downs, model.blocks, model.style_size, model.w_dim, model.mapping_layers,
    model.hidden, model.latent_hidden, model.style_seed, dtype,
  )  # fmt: skip


def sample(gan: GNR, real: Pair) -> OrderedDict[str, Pair]:
  """The columns of a sample grid: two drawn styles, that of a test image, and there and back."""
  encoded = gan.encode(real)
  content, style = (Pair(*parts) for parts in zip(*encoded, strict=True))

  def made(styles: Pair) -> Pair:
    """Of each domain's images those of the other, beside what they are made of."""
    return Pair(gan.generator.b.decode(content.a, styles.b), gan.generator.a.decode(content.b, styles.a))

  drawn = [
    Pair(*(own_styles(x, gan.style_size, gan.style_seed + i) for x in real.swapped)) for i in (0, 1)
  ]
  first = made(drawn[0])
  back = Pair(gan.generator.a(first.a, style.a), gan.generator.b(first.b, style.b))
  return OrderedDict(
    input=real, drawn_0=first, drawn_1=made(drawn[1]), like_the_other=made(style), cycle=back
  )


def translate_images(gan: GNR, images: Array, target: str) -> Array:
  """Images [B, S, S, C] in [-1, 1] as domain `target` ('a' or 'b') has them, in a style of their own."""
  network = getattr(gan.generator, target)
  return network(images, own_styles(images, gan.style_size, gan.style_seed))


METHOD = Method(
  batch=Pair,
  objectives={'discriminate': discriminate, 'translate': translate},
  build=build,
  sample=sample,
  translate=translate_images,
)
