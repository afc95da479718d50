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

from collections import OrderedDict

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Examples, Losses
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers.equalised import NOISE
from decoupled_gan.losses.adversarial import logistic
from decoupled_gan.machine.sharding import spread
from decoupled_gan.networks.stylegan2 import Discriminator, Generator, Pyramid


class StyleGAN2(nn.Module):
  """`generator` draws, `discriminator` judges.

  Attributes: see the networks; and
    mixing: how often the layers from a random one on get another latent's style.
    noise: of the synthesis in training, 'random'; 'const' or 'none' make it deterministic.
    path_decay: of the running average of path lengths.
    path_shrink: the path length is measured on a batch smaller by this factor.
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
    return self.generator(z, noise='none'), self.discriminator(real.x)

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
  """The discriminator's logits [B, 1], without its features."""

  pyramid: Pyramid
  group_size: int

  def setup(self):
    self.backbone = Discriminator(self.pyramid, self.group_size)

  def __call__(self, images: Array) -> Array:
    return self.backbone(images)[0]


def generate(gan: StyleGAN2, real: Examples) -> Losses:
  """Draw images that count as real: trains the generator."""
  fake = gan.generator.synthesis(gan.styles(len(real.x)), gan.noise)
  return {'adversarial': logistic(gan.discriminator(fake), True)}


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


def discriminate(gan: StyleGAN2, real: Examples) -> Losses:
  """Tell real images from drawn ones: trains the discriminator."""
  fake = stop_gradient(gan.generator.synthesis(gan.styles(len(real.x)), gan.noise))
  real_logits, fake_logits = gan.discriminator(real.x), gan.discriminator(fake)
  return {'adversarial': logistic(real_logits, True) + logistic(fake_logits, False)}


def regularise(gan: StyleGAN2, real: Examples) -> Losses:
  """R1 (Mescheder et al., ICML 2018): the mean squared norm of the logit's gradient on real images."""
  discriminator, variables = gan.discriminator.unbind()
  gradient = jax.grad(lambda x: discriminator.apply(variables, x).sum())(real.x)
  return {'r1': (gradient**2).sum((1, 2, 3)).mean()}


def fields(config: ConfigDict) -> dict:
  """The attributes of `StyleGAN2` that `config` asks for; raises UserError where they do not fit."""
  model = config.model
  if model.noise not in NOISE:
    raise UserError(f'model.noise={model.noise!r} is unknown; there are {listing(NOISE)}.')
  pyramid = Pyramid(
    size=config.image_size,
    base=model.channel_base,
    largest=model.channel_max,
    image_channels=config.image_channels,
    half_blocks=model.half_blocks,
    half_dtype=jnp.dtype(config.compute_dtype),
    clamp=model.clamp or None,
  )
  names = ('z_dim', 'w_dim', 'mapping_layers', 'group_size', 'mixing', 'noise')
  return {'pyramid': pyramid, **{name: model[name] for name in names}}


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
)
