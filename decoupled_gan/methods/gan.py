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

import functools
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import field
from typing import Any

import flax.linen as nn
import jax
from ml_collections import ConfigDict

from decoupled_gan import augment, terms
from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Examples, example_size
from decoupled_gan.errors import UserError, listing
from decoupled_gan.losses.adversarial import ADVERSARIAL, Adversarial
from decoupled_gan.methods import events
from decoupled_gan.networks import backbones, games, heads
from decoupled_gan.networks.backbones import staged
from decoupled_gan.terms import classes, scenes

PRIORS = {'normal': lambda z: z, 'uniform': lambda z: 2 * jax.scipy.stats.norm.cdf(z) - 1}
"""From standard normal numbers to those of the prior; 'uniform' is U(-1, 1)."""
SPECTRAL_UPDATES = ('forward', 'step')
"""When the discriminator's spectral norms iterate: at each of its passes (torch's and Chainer's way), or
once a step, where it learns from real examples (TensorFlow's, as in SAGAN)."""


class GAN(nn.Module):
  """`generator`: (z, labels) -> examples. `discriminator`: (examples, labels) -> Verdict.

  Attributes:
    z_dim: of latents.
    prior_name, scene: of PRIORS and of scenes.SCENES.
    adversarial: what the two minimise.
    constants: {term or scene: {constant: value}} that differ from the papers'.
    spectral_updates: of SPECTRAL_UPDATES.
    fakes_per_real: how many fakes the generator learns from for each real example of a batch.
    view, predictor: what the discriminator sees, and what tells of its draws, see augment/.
    classifier: tells the classes of `classes_of` by the discriminator's features, where a row asks it.
    kept: {name: how many} of what events keep, see methods/events.
  """

  generator: nn.Module
  discriminator: nn.Module
  z_dim: int
  prior_name: str
  adversarial: Adversarial
  scene: str
  constants: Mapping[str, Mapping[str, Any]]
  spectral_updates: str = 'forward'
  fakes_per_real: int = 1
  view: augment.View = field(default_factory=augment.View)
  predictor: nn.Module | None = None
  classifier: nn.Module | None = None
  classes_of: str = 'labels'
  kept: Mapping[str, int] = field(default_factory=dict)

  def prior(self, key: Array, count: int) -> Array:
    """Latents [count, z_dim]."""
    return PRIORS[self.prior_name](jax.random.normal(key, (count, self.z_dim)))

  def codes(self, normal: Array) -> Array:
    """What the generator makes data of: latents of standard normal [N, z_dim], and what it is told."""
    z = PRIORS[self.prior_name](normal)
    return scenes.tell(z, scenes.SCENES[self.scene].addressed(self, z))

  def under(self, codes: Array, labels: Array | None) -> Array | None:
    """The labels under which codes are made data of, where these are given."""
    return scenes.SCENES[self.scene].under(self, codes, labels)

  def verdict(self, seen: augment.Seen, labels: Array | None, learning: bool = False) -> heads.Verdict:
    """The discriminator's verdict on what it sees; `learning`: on the real examples it learns from."""
    if learning or self.spectral_updates == 'forward':
      return scenes.judged(self.discriminator, seen, labels)
    judge = nn.map_variables(lambda module, *args: module(*args), 'spectral', mutable=False)
    return scenes.judged(functools.partial(judge, self.discriminator), seen, labels)


def discriminate(gan: GAN, batch: Examples) -> dict:
  """Tell real examples from fakes: trains the discriminator."""
  scene = scenes.stage(gan, batch, frozen=True)

  def adversarial():
    gan.view.watch(scene.on_real)
    return gan.adversarial.discriminate(scene.on_real, scene.on_fake)

  return {'adversarial': adversarial, **terms.offered('discriminate', scene)}


def generate(gan: GAN, batch: Examples) -> dict:
  """Make what counts as real: trains the generator."""
  scene = scenes.stage(gan, batch, frozen=False)

  def adversarial():
    return gan.adversarial.generate(scene.on_fake, scene.on_real if gan.adversarial.pairs else None)

  return {'adversarial': adversarial, **terms.offered('generate', scene)}


def regularise(gan: GAN, batch: Examples) -> dict:
  """Terms at steps of their own: trains the discriminator."""
  return terms.offered('regularise', scenes.stage(gan, batch, frozen=True))


def build(config: ConfigDict) -> GAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, losses = config.model, config.losses
  for name, value, known in (
    ('losses.adversarial', losses.adversarial, ADVERSARIAL),
    ('model.prior', model.prior, PRIORS),
    ('model.scene', model.scene, scenes.SCENES),
    ('model.spectral_updates', model.spectral_updates, SPECTRAL_UPDATES),
  ):
    if value not in known:
      raise UserError(f'{name}={value!r} is unknown; there are {listing(known, 40)}.')
  constants = terms.constants_of(config)
  adversarial = ADVERSARIAL[losses.adversarial](**constants.get(losses.adversarial, {}))
  if model.fakes_per_real != 1 and adversarial.pairs:
    raise UserError(
      f'losses.adversarial={losses.adversarial!r} holds each fake against a real example: '
      f'model.fakes_per_real={model.fakes_per_real} must be 1.'
    )
  backbone = backbones.choose(config)
  network, counts = backbone.discriminator(config), staged.counts_of(config)
  head = heads.make_head(model.head, model.outputs, counts, network, model.label_waves)
  return GAN(
    generator=staged.referenced(backbone.generator(config), config, PRIORS[model.prior]),
    discriminator=heads.Discriminator(network, head),
    z_dim=model.z_dim or example_size(config),
    prior_name=model.prior,
    adversarial=adversarial,
    scene=model.scene,
    constants=constants,
    spectral_updates=model.spectral_updates,
    fakes_per_real=model.fakes_per_real,
    view=augment.build(config),
    predictor=augment.predictor(config),
    classifier=games.build(config, network, classes.counts_of(model.classes_of)),
    classes_of=model.classes_of,
    kept=events.kept(config),
  )


def sample(gan: GAN, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: real examples and, under their labels, drawings of fixed latents."""
  x, labels, _ = batch
  z = jax.random.normal(jax.random.key(0), (2, len(x), gan.z_dim))
  codes = [gan.codes(y) for y in z]
  first, more = (draw(gan, y, '', labels) for y in codes)
  columns = OrderedDict(real=x, generated=first, more=more)
  looks = staged.looks(gan.generator, codes[0], gan.under(codes[0], labels)) if x.ndim == 4 else None
  return columns if looks is None else OrderedDict(columns, looks=looks)


def style(gan: GAN, z: Array, truncation: float) -> Array:
  """What the generator makes data of, for standard normal z [B, z_dim]; truncation scales z."""
  return gan.codes(z * truncation)


def draw(gan: GAN, codes: Array, noise: str, labels: Array | None = None) -> Array:
  """Examples of codes; `noise` is of no use here."""
  return gan.generator(codes, gan.under(codes, labels))


METHOD = Method(
  batch=Examples,
  objectives={'discriminate': discriminate, 'generate': generate, 'regularise': regularise},
  build=build,
  sample=sample,
  style=style,
  draw=draw,
  conditional=True,
  judge=lambda gan, x, labels=None: gan.verdict(scenes.as_data(gan, x), labels).outputs,
  cut=lambda gan, x, labels, upto, from_: gan.generator(
    x, labels if from_ else gan.under(x, labels), upto=upto, from_=from_
  ),
  lacks=scenes.lacking,
  few_labels=terms.FEW_LABELS,
  events=events.EVENTS,
)
