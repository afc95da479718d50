"""StackGAN++: Realistic Image Synthesis with Stacked Generative Adversarial Networks (Zhang, Xu, Li,
Zhang, Wang, Huang, Metaxas, TPAMI 2018, arXiv 1710.10916; code hanzhanggit/StackGAN-v2).

A tree of generators draws one image at several scales, and each scale has a discriminator, which judges
images with their description, and images alone.

  paper, code                        here
  G_0, G_1, ..., D_0, D_1, ...       generator (one network, a branch for each), discriminator_0, ...
  F^ca, conditioning augmentation    conditioner: a description's Gaussian, of which conditions are drawn
  conditional, unconditional loss    discriminate, generate: conditional_0, unconditional_0, ...
  colour consistency                 generate: colour_mean 50 and colour_covariance 250
  KL to N(0, I), COEFF.KL            generate: kl 2, a mean over the batch *and* over dimensions

In `conditional` a real image with another's description counts as fake; in `unconditional` it is real.
Discriminators are told the Gaussian's mean: a constant where they learn, and none where the generator
does. Colours of a scale follow those of the coarser one, which are constants there. Latents and
conditions are drawn once a step, for both phases, and running statistics of the generator move once.

Where there are no labels, there is no condition: branches are told the latents in its place.

Where we differ: the description is the labels, one-hot, with quantities as they are; text and its
encoder are not here (a linear layer of one-hot labels is an embedding). Images with a wrong description
are others of the batch whose labels differ, where there are any; the code draws from the whole set, once
more if the class is the same, and may still get the same. Coarser real images are not rounded to 8 bits.
Losses are of logits, where the code has logarithms of sigmoids. StackGAN-v1's two stages are not here.
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
from decoupled_gan.core.types import Array, Examples, Losses, square_size
from decoupled_gan.errors import UserError
from decoupled_gan.losses import f32
from decoupled_gan.losses.adversarial import logistic
from decoupled_gan.losses.pixels import mse
from decoupled_gan.networks.backbones.staged import counts_of
from decoupled_gan.networks.stackgan import START, Condition, Conditioner, Discriminator, Tree


class StackGAN(nn.Module):
  """`generator`, `conditioner`, and a discriminator for each scale.

  Attributes:
    size: px of the coarsest scale.
    latent_size, condition_size: numbers of a latent, and of a condition.
    counts: how many values each attribute has, 0 of quantities; (): no labels, no condition.
    others: weight of wrong descriptions and fakes in `conditional`.
  """

  size: int
  scales: int = 3
  width: int = 64
  d_width: int = 64
  channels: int = 3
  blocks: int = 2
  latent_size: int = 100
  condition_size: int = 128
  counts: tuple[int, ...] = ()
  others: float = 1.0
  dtype: Any = jnp.float32

  def setup(self):
    sizes = [self.size * 2**i for i in range(self.scales)]
    top = self.d_width * self.size // START // 2
    self.generator = Tree(
      self.size, self.scales, self.width, self.channels, self.blocks, self.dtype
    )  # fmt: skip
    self.conditioner = Conditioner(self.condition_size)
    self.discriminator = [Discriminator(size, self.d_width, top, self.dtype) for size in sizes]

  @property
  def z_dim(self) -> int:
    """Normal numbers of one drawing: those of the latent, then those that the condition is drawn by."""
    return self.latent_size + (self.condition_size if self.counts else 0)

  def told(self, labels: Array | None) -> Condition | None:
    """What the labels [B, K] describe, if a run has some."""
    return self.conditioner(described(labels, self.counts)) if self.counts else None

  def images(self, normal: Array, told: Condition | None, track: bool = True) -> list[Array]:
    """Images of each scale, the coarsest first, of standard normal numbers [B, z_dim]."""
    z = normal[:, : self.latent_size]
    if told is None:
      return self.generator(z, z, track)
    condition = told.drawn(normal[:, self.latent_size :])
    return self.generator(jnp.concatenate([condition, z], -1), condition, track)

  def imagined(self, batch: Examples, track: bool) -> tuple[list[Array], Condition | None]:
    """(images of each scale, their description), the same in all phases of a step."""
    normal = jax.random.normal(self.make_rng('step'), (len(batch.x), self.z_dim))
    told = self.told(batch.labels)
    return self.images(normal, told, track), told


def described(labels: Array, counts: tuple[int, ...]) -> Array:
  """Labels [B, K] as a description [B, T]: one-hot, quantities as they are, unknown ones as zeros.

  One of n values is sqrt(n): the mean square of its n numbers is 1.
  """

  def column(label, count):
    hot = jax.nn.one_hot(label.astype(jnp.int32), count) if count else f32(label)[:, None]
    return max(1, count) ** 0.5 * hot

  return jnp.concatenate([column(x, count) for x, count in zip(labels.T, counts, strict=True)], -1)


def mismatched(key: Array, labels: Array) -> Array:
  """For each row of labels [B, K] the number of another whose labels differ, if there is one."""
  differ = (labels[:, None] != labels[None]).any(-1)
  return (differ + jax.random.uniform(key, differ.shape)).argmax(1)


def at_scale(images: Array, like: Array) -> Array:
  """Images [B, H, W, C] at the size of others, filtered bilinearly as Pillow does."""
  shape = (*images.shape[:1], *like.shape[1:3], images.shape[-1])
  return jax.image.resize(images, shape, 'linear') if images.shape != shape else images


def unconditional(real: Array, wrong: Array | None, fake: Array) -> Array:
  """What a discriminator minimises of images alone: whatever is said of them, real ones are real."""
  loss = logistic(real, True) + logistic(fake, False)
  return loss if wrong is None else loss + logistic(wrong, True)


def conditional(real: Array, wrong: Array, fake: Array, others: float = 1.0) -> Array:
  """What it minimises of images with descriptions; without the other loss the code halves `others`."""
  return logistic(real, True) + others * (logistic(wrong, False) + logistic(fake, False))


def kl(told: Condition) -> Array:
  """KL(N(mean, variance) || N(0, 1)), a mean over the batch and over dimensions."""
  mean, log_variance = told
  return -0.5 * (1 + log_variance - jnp.square(mean) - jnp.exp(log_variance)).mean()


def colours(images: Array) -> tuple[Array, Array]:
  """Mean [B, C] and covariance [B, C, C] of each image's pixels [B, H, W, C]."""
  pixels = f32(images).reshape(len(images), -1, images.shape[-1])
  mean = pixels.mean(1)
  away = pixels - mean[:, None]
  return mean, jnp.einsum('bpc,bpd->bcd', away, away, precision='highest') / pixels.shape[1]


def colour_loss(images: list[Array], which: int) -> Array:
  """Squared distance of each scale's mean (0) or covariance (1) to the coarser one's, a constant."""
  found = [colours(x)[which] for x in images]
  pairs = zip(found[1:], found[:-1], strict=True)
  return sum((mse(finer, stop_gradient(coarser)) for finer, coarser in pairs), jnp.zeros(()))


def discriminate(gan: StackGAN, batch: Examples) -> Losses:
  """At each scale, tell images of the data from those that are drawn: trains each scale's network."""
  fakes, told = stop_gradient(gan.imagined(batch, track=False))
  shown, losses = {'real': batch.x}, {}
  if told is not None:
    shown['wrong'] = batch.x[mismatched(gan.make_rng('noise'), batch.labels)]
  for i, (network, fake) in enumerate(zip(gan.discriminator, fakes, strict=True)):
    seen = {name: at_scale(x, fake) for name, x in shown.items()} | {'fake': fake}
    losses |= judged(network, seen, told, gan.others, i)
  return losses


def judged(network: Discriminator, seen: dict[str, Array], told, others: float, i: int) -> dict:
  """What the discriminator of scale i minimises, of what it is shown."""
  features = functools.cache(lambda: {name: network.features(x) for name, x in seen.items()})

  def alone():
    logits = {name: network.looks_real(x) for name, x in features().items()}
    return unconditional(logits['real'], logits.get('wrong'), logits['fake'])

  def described_so():
    logits = {name: network.fits(x, told.mean) for name, x in features().items()}
    return conditional(**logits, others=others)

  offered = {f'unconditional_{i}': alone}
  return offered if told is None else {f'conditional_{i}': described_so, **offered}


def generate(gan: StackGAN, batch: Examples) -> Losses:
  """Draw, at each scale, what counts as real, in the colours of the coarser one."""
  fakes, told = gan.imagined(batch, track=True)
  losses = {}
  for i, (network, fake) in enumerate(zip(gan.discriminator, fakes, strict=True)):
    features = functools.cache(functools.partial(network.features, fake))
    if told is not None:
      losses[f'conditional_{i}'] = lambda n=network, f=features: logistic(n.fits(f(), told.mean), True)
    losses[f'unconditional_{i}'] = lambda n=network, f=features: logistic(n.looks_real(f()), True)
  if told is not None:
    losses['kl'] = lambda: kl(told)
  losses['colour_mean'] = lambda: colour_loss(fakes, 0)
  losses['colour_covariance'] = lambda: colour_loss(fakes, 1)
  return losses


def build(config: ConfigDict) -> StackGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, whole = config.model, square_size(config)
  if model.scales < 1:
    raise UserError(f'model.scales={model.scales}: a tree draws at one scale at least.')
  coarsest = whole // 2 ** (model.scales - 1)
  if whole & (whole - 1) or coarsest < 2 * START:
    raise UserError(
      f'image_size={whole} with model.scales={model.scales}: sizes are powers of two, and the coarsest '
      f'has {2 * START} px or more. Name another size, or fewer scales.'
    )
  if model.width % 2 ** (model.scales - 1):
    raise UserError(
      f'model.width={model.width} is halved at each of the {model.scales - 1} scales after the first: '
      f'it must be a multiple of {2 ** (model.scales - 1)}.'
    )
  return StackGAN(
    coarsest,
    channels=config.image_channels,
    counts=counts_of(config),
    others=config.losses.others,
    dtype=jnp.dtype(config.compute_dtype),
    **model.to_dict(),
  )


def sample(gan: StackGAN, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: real images, and one drawing at each scale."""
  normal = jax.random.normal(jax.random.key(0), (len(batch.x), gan.z_dim))
  drawn = gan.images(normal, gan.told(batch.labels))
  return OrderedDict(real=batch.x, **{f'{x.shape[1]} px': x for x in drawn})


def style(gan: StackGAN, z: Array, truncation: float) -> Array:
  """The normal numbers themselves, smaller by `truncation`."""
  return z * truncation


def draw(gan: StackGAN, codes: Array, noise: str, labels: Array | None = None) -> Array:
  """Images of the finest scale; `noise` is of no use here."""
  return gan.images(codes, gan.told(labels))[-1]


METHOD = Method(
  batch=Examples,
  objectives={'discriminate': discriminate, 'generate': generate},
  build=build,
  sample=sample,
  style=style,
  draw=draw,
  conditional=True,
)
