"""The generic method: noise (and labels) to images or points, by one generator and one discriminator.

About thirty papers are recipes of it: the config chooses the adversarial loss, the backbone and how
labels enter; the *table* chooses penalties and further terms (decoupled_gan/terms), each a row.

  phase         trains          what happens
  discriminate  discriminator   tells real examples from fakes, which are constants
  generate      generator       makes fakes that count as real
  regularise    discriminator   terms at steps of their own (lazy regularisation)

A step is one update of the discriminator with a fresh real batch; the critic steps of WGAN are
`config.every.generate = 5`. Latents are fresh in each phase. Where papers differ (both updates from one
forward pass, two batches a step), their recipes say so.
"""

import importlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan import augment, terms
from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError, listing
from decoupled_gan.losses.adversarial import ADVERSARIAL, Adversarial
from decoupled_gan.networks import heads
from decoupled_gan.terms import augmentation, entropy, mixing, penalties  # noqa: F401

BACKBONES = ('mlp', 'dcgan')
"""Modules of networks/ with `generator(config)` and `discriminator(config)`."""
PRIORS = {'normal': lambda z: z, 'uniform': lambda z: 2 * jax.scipy.stats.norm.cdf(z) - 1}
"""From standard normal numbers to those of the prior; 'uniform' is U(-1, 1)."""


class GAN(nn.Module):
  """`generator`: (z, labels) -> examples. `discriminator`: (examples, labels) -> Verdict.

  Attributes:
    z_dim: of latents.
    prior_name: of PRIORS.
    adversarial: what the two minimise.
    constants: {term: {constant: value}} that differ from the papers'.
    view: what the discriminator sees of examples.
    predictor: of what the view drew, where a row asks it.
  """

  generator: nn.Module
  discriminator: nn.Module
  z_dim: int
  prior_name: str
  adversarial: Adversarial
  constants: Mapping[str, Mapping[str, Any]]
  view: augment.View
  predictor: nn.Module

  def prior(self, key: Array, count: int) -> Array:
    """Latents [count, z_dim]."""
    return self.shaped(jax.random.normal(key, (count, self.z_dim)))

  def shaped(self, normal: Array) -> Array:
    """Standard normal numbers as latents of the prior."""
    return PRIORS[self.prior_name](normal)

  def judge(self, x: Array, labels: Array | None) -> heads.Verdict:
    """The discriminator's verdict on examples, as it sees them."""
    return self.verdict(self.view(x), labels)

  def verdict(self, seen: augment.Seen, labels: Array | None) -> heads.Verdict:
    """The discriminator's verdict on what it sees."""
    return terms.judged(self.discriminator, seen, labels)


def discriminate(gan: GAN, batch: Examples) -> dict:
  """Tell real examples from fakes: trains the discriminator."""
  scene = terms.Scene(gan, batch, frozen=True)

  def adversarial():
    gan.view.watch(scene.on_real)
    return gan.adversarial.discriminate(scene.on_real, scene.on_fake)

  return {'adversarial': adversarial, **terms.offered('discriminate', scene, gan.constants)}


def generate(gan: GAN, batch: Examples) -> dict:
  """Make what counts as real: trains the generator."""
  scene = terms.Scene(gan, batch, frozen=False)

  def adversarial():
    return gan.adversarial.generate(scene.on_fake, scene.on_real if gan.adversarial.pairs else None)

  return {'adversarial': adversarial, **terms.offered('generate', scene, gan.constants)}


def regularise(gan: GAN, batch: Examples) -> dict:
  """Terms at steps of their own: trains the discriminator."""
  return terms.offered('regularise', terms.Scene(gan, batch, frozen=True), gan.constants)


def build(config: ConfigDict) -> GAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, losses = config.model, config.losses
  for field, value, known in (
    ('losses.adversarial', losses.adversarial, ADVERSARIAL),
    ('model.backbone', model.backbone, BACKBONES),
    ('model.prior', model.prior, PRIORS),
  ):
    if value not in known:
      raise UserError(f'{field}={value!r} is unknown; there are {listing(known, 40)}.')
  backbone = importlib.import_module(f'decoupled_gan.networks.{model.backbone}')
  counts = tuple(len(config.attributes[name]) for name in sorted(config.attributes))
  generator = backbone.generator(config)
  if counts:
    generator = heads.Conditioned(generator, counts, model.label_size)
  head = heads.make_head(model.head, model.outputs, counts)
  return GAN(
    generator=generator,
    discriminator=heads.Discriminator(backbone.discriminator(config), head),
    z_dim=model.z_dim,
    prior_name=model.prior,
    adversarial=ADVERSARIAL[losses.adversarial],
    constants=terms.constants_of(config),
    view=augment.build(config),
    predictor=augment.predictor(config),
  )


def sample(gan: GAN, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: real examples and, under their labels, two drawings of fixed latents.

  Of points, a heat map [1, 64, 64] of each: so they take `sample_count` of a thousand or more.
  """
  x, labels, _ = batch
  z = jax.random.normal(jax.random.key(0), (2, len(x), gan.z_dim))
  if x.ndim == 4:
    drawn = [gan.generator(gan.shaped(y), labels) for y in z]
    return OrderedDict(real=x, generated=drawn[0], more=drawn[1])
  z = jax.random.normal(jax.random.key(0), (HEAT_COUNT, gan.z_dim))
  edge = 1.25 * jnp.abs(x).max()
  return OrderedDict(real=heat(x, edge), generated=heat(gan.generator(gan.shaped(z)), edge))


HEAT_COUNT, HEAT_SIZE = 2500, 64


def heat(points: Array, edge: Array) -> Array:
  """[1, 64, 64]: how many points [N, D] fall into each cell of two axes, from -edge to edge."""
  if points.shape[1] == 1:
    points = jnp.concatenate([points, jnp.zeros_like(points)], 1)
  places = (points[:, :2] / edge + 1) / 2 * HEAT_SIZE
  inside = ((places >= 0) & (places < HEAT_SIZE)).all(-1)
  column, row = jnp.clip(places.astype(jnp.int32), 0, HEAT_SIZE - 1).T
  return jnp.zeros((1, HEAT_SIZE, HEAT_SIZE)).at[0, HEAT_SIZE - 1 - row, column].add(inside)


def style(gan: GAN, z: Array, truncation: float) -> Array:
  """Latents of the prior for standard normal z [B, z_dim]; truncation scales z."""
  return gan.shaped(z * truncation)


def draw(gan: GAN, codes: Array, noise: str, labels: Array | None = None) -> Array:
  """Examples of latents; `noise` is of no use here."""
  return gan.generator(codes, labels)


METHOD = Method(
  batch=Examples,
  objectives={'discriminate': discriminate, 'generate': generate, 'regularise': regularise},
  build=build,
  sample=sample,
  style=style,
  draw=draw,
  conditional=True,
)
