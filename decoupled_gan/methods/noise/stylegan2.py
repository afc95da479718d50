"""StyleGAN2 (Karras et al., CVPR 2020, arXiv 1912.04958), as StyleGAN2-ADA's PyTorch code trains it.

Images from noise: the baseline of GLeaD, and the generator that most later work builds on.

  paper                                 here
  non-saturating logistic loss          adversarial, in `generate` and `discriminate`
  path length regularisation (eq. 4)    path_length: weight 2, times 4 as it is played every 4 steps
  R1, gamma/2 E|grad D|^2               r1: weight gamma / 2, times 16 as it is played every 16 steps
  lazy regularisation (section 3.1)     config.every, and optimizer.lazy_correction
  style mixing, truncation              model.mixing, Mapping.truncate

Each phase draws latents of its own; the real images of a step are those of all its phases. Gradients
that are not finite are replaced as in the official code (optimizer.clean_gradients).
*Where we differ*: statistics (the average w, the average path length, groups of the minibatch
deviation) are those of the global batch rather than of a device's part of it.
"""

import functools
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import field
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan import augment, terms
from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Examples, Losses, square_size
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers.equalised import NOISE
from decoupled_gan.losses.adversarial import ADVERSARIAL, Adversarial
from decoupled_gan.machine.sharding import spread
from decoupled_gan.networks.heads import Verdict
from decoupled_gan.networks.stylegan2 import Discriminator, Generator, Pyramid
from decoupled_gan.terms import scenes


class StyleGAN2(nn.Module):
  """`generator` draws, `discriminator` judges.

  Attributes: see the networks; and
    mixing: how often the layers from a random one on get another latent's style.
    noise: of the synthesis in training, 'random'; 'const' or 'none' make it deterministic.
    path_decay: of the running average of path lengths.
    path_shrink: the path length is measured on a batch smaller by this factor.
    adversarial, view, predictor, constants: as the generic method has them (gan.py).
  """

  pyramid: Pyramid
  z_dim: int = 512
  w_dim: int = 512
  mapping_layers: int = 8
  group_size: int = 8
  mixing: float = 0.9
  noise: str = 'random'
  path_decay: float = 0.01
  path_shrink: int = 2
  adversarial: Adversarial = ADVERSARIAL['non_saturating']()
  view: augment.View = field(default_factory=augment.View)
  predictor: nn.Module | None = None
  constants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

  def setup(self):
    self.generator = Generator(self.pyramid, self.w_dim, self.mapping_layers)
    self.discriminator = self.make_discriminator()
    self.path_average = self.variable('averages', 'path_length', jnp.zeros, ())

  def make_discriminator(self) -> nn.Module:
    """A module whose call gives logits [B, 1]."""
    return JudgeOnly(self.pyramid, self.group_size)

  def __call__(self, real: Examples):
    """Calls every network once: what `init` runs."""
    z = jnp.zeros((real.x.shape[0], self.z_dim))
    verdict = self.judge(real.x)
    predicted = self.predictor(verdict.features) if self.predictor else None
    return self.generator(z, noise='none'), verdict, predicted

  def judge(self, x: Array, labels: None = None) -> Verdict:
    """The discriminator's verdict on images, as it sees them."""
    return self.verdict(self.view(x), labels)

  def verdict(self, seen: augment.Seen, labels: None = None, learning: bool = False) -> Verdict:
    """The discriminator's verdict on what it sees."""
    return scenes.judged(self.discriminator, seen, labels)

  def latents(self, count: int) -> Array:
    """Standard normal z [count, z_dim], sharded as the batch is."""
    return spread(jax.random.normal(self.make_rng('noise'), (count, self.z_dim)))

  def styles(self, count: int) -> Array:
    """ws [count, num_ws, w_dim] of fresh latents, mixed; moves the average w."""
    ws = self.generator.broadcast(self.generator.mapping(self.latents(count), track=True))
    if not self.mixing:
      return ws
    mix, where = jax.random.split(self.make_rng('noise'))
    layers = self.pyramid.num_ws
    cutoff = jnp.where(
      jax.random.bernoulli(mix, self.mixing), jax.random.randint(where, (), 1, layers), layers
    )
    others = self.generator.broadcast(self.generator.mapping(self.latents(count)))
    return jnp.where((jnp.arange(layers) < cutoff)[None, :, None], ws, others)

  def directions(self, shape: tuple[int, ...]) -> Array:
    """Random images [n, S, S, C] to project on, of unit length per pixel and channel."""
    return jax.random.normal(self.make_rng('noise'), shape) / (shape[1] * shape[2]) ** 0.5


class JudgeOnly(nn.Module):
  """The discriminator as the other methods have it: (images, labels, told) -> Verdict; no labels yet."""

  pyramid: Pyramid
  group_size: int

  def setup(self):
    self.backbone = Discriminator(self.pyramid, self.group_size)

  def __call__(self, images: Array, labels: None = None, told: Array | None = None) -> Verdict:
    return self.conclude(self.features(images), None, told)

  def features(self, images: Array, labels: None = None) -> Array:
    """What the logits come from, [B, 4, 4, channels]."""
    return self.backbone.features(images)[4]

  def conclude(self, features: Array, labels: None = None, told: Array | None = None) -> Verdict:
    """The verdict on such features."""
    return self.backbone.conclude(features, told)


class StyledScene(scenes.Scene):
  """A scene whose fakes are drawn from styles."""

  @property
  def z(self) -> Array:
    raise UserError('a row of the table moves latents, and fakes are drawn of mixed styles here.')

  @functools.cached_property
  def fake(self) -> Array:
    fake = self.generated('fake')
    return stop_gradient(fake) if self.frozen else fake

  def generated(self, name: str) -> Array:
    return self.gan.generator.synthesis(self.gan.styles(len(self.real)), self.gan.noise)


def generate(gan: StyleGAN2, real: Examples) -> dict:
  """Draw images that count as real: trains the generator."""
  scene = StyledScene(gan, real, frozen=False)

  def adversarial():
    return gan.adversarial.generate(scene.on_fake, None)

  return {'adversarial': adversarial, **terms.offered('generate', scene)}


def path_length(gan: StyleGAN2, real: Examples) -> Losses:
  """A step in w is to change images equally much in all directions: trains the generator."""
  ws = gan.styles(max(1, len(real.x) // gan.path_shrink))
  synthesis, variables = gan.generator.synthesis.unbind()
  p, key = gan.pyramid, gan.make_rng('noise')
  y = gan.directions((len(ws), p.size, p.size, p.image_channels))

  def projected(ws):
    return (synthesis.apply(variables, ws, gan.noise, rngs={'noise': key}) * y).sum()

  lengths = jnp.sqrt((jax.grad(projected)(ws) ** 2).sum(-1).mean(-1))  # [n]
  average = gan.path_average.value
  average = average + gan.path_decay * (lengths.mean() - average)
  gan.path_average.value = stop_gradient(average)
  return {'path_length': ((lengths - average) ** 2).mean()}


def discriminate(gan: StyleGAN2, real: Examples) -> dict:
  """Tell real images from drawn ones: trains the discriminator."""
  return telling(StyledScene(gan, real, frozen=True).pretend())


def telling(scene: StyledScene) -> dict:
  """What `discriminate` offers in a scene."""
  gan = scene.gan

  def adversarial():
    gan.view.watch(scene.on_real)
    return gan.adversarial.discriminate(scene.on_real, scene.on_fake)

  return {'adversarial': adversarial, **terms.offered('discriminate', scene)}


def regularise(gan: StyleGAN2, real: Examples) -> dict:
  """R1 (Mescheder et al., ICML 2018): the mean squared norm of the logit's gradient on real images."""
  return terms.offered('regularise', StyledScene(gan, real, frozen=True).pretend())


def fields(config: ConfigDict) -> dict:
  """The attributes of `StyleGAN2` that `config` asks for; raises UserError where they do not fit."""
  model = config.model
  if model.noise not in NOISE:
    raise UserError(f'model.noise={model.noise!r} is unknown; there are {listing(NOISE)}.')
  pyramid = Pyramid(
    size=square_size(config),
    base=model.channel_base,
    largest=model.channel_max,
    image_channels=config.image_channels,
    half_blocks=model.half_blocks,
    half_dtype=jnp.dtype(config.compute_dtype),
    clamp=model.clamp or None,
  )
  names = ('z_dim', 'w_dim', 'mapping_layers', 'group_size', 'mixing', 'noise')
  return {
    'pyramid': pyramid,
    **{name: model[name] for name in names},
    'view': augment.build(config),
    'predictor': augment.predictor(config),
    'constants': terms.constants_of(config),
  }


def build(config: ConfigDict) -> StyleGAN2:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  return StyleGAN2(**fields(config))


def sample(gan: StyleGAN2, real: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: three drawings of fixed latents, and the first one truncated."""
  z = jax.random.normal(jax.random.key(0), (3, len(real.x), gan.z_dim))
  drawn = [gan.generator(x, noise='const') for x in z]
  return OrderedDict(
    real=real.x,
    generated=drawn[0],
    more=drawn[1],
    still_more=drawn[2],
    truncated=gan.generator(z[0], 0.7, 'const'),
  )


def style(gan: StyleGAN2, z: Array, truncation: float) -> Array:
  """The truncated styles w [B, w_dim] of the latents z [B, z_dim]."""
  return gan.generator.mapping.truncate(gan.generator.mapping(z), truncation)


def draw(gan: StyleGAN2, w: Array, noise: str) -> Array:
  """Images [B, S, S, C] of the styles w [B, w_dim]."""
  return gan.generator.synthesis(gan.generator.broadcast(w), noise)


def judge(gan: StyleGAN2, x: Array, labels: None = None) -> Array:
  """Logits [B, 1] of the discriminator on images as they are, in the groups of this batch."""
  return gan.verdict(gan.view.as_is(x)).outputs


METHOD = Method(
  batch=Examples,
  objectives={
    'generate': generate,
    'path_length': path_length,
    'discriminate': discriminate,
    'regularise': regularise,
  },
  build=build,
  sample=sample,
  style=style,
  draw=draw,
  judge=judge,
)
