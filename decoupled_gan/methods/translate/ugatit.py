"""U-GAT-IT (Kim, Kim, Kang, Lee, ICLR 2020, arXiv 1907.10830), by its official PyTorch code.

Unpaired translation with attention by class activation maps (CAM) in generators and discriminators, a
normalisation whose mixture of instance and layer statistics is learnt (AdaLIN), and a global and a
local discriminator for each domain. NICE-GAN came out of it.

  paper, official code         here
  G_{s->t}: genA2B, genB2A     generator.b, generator.a     (a generator is named by what it makes)
  D_t: disGB and disLB, ...    discriminator.b: global and local
  L_lsgan, with L_cam^D        adversarial                  each discriminator has two outputs
  L_cycle, L_identity          cycle, identity
  L_cam^{s->t}                 cam: source images against those of the target domain
  rho in [0, 1]                the part `rho`, whose optimizer has range = (0, 1)

Losses are means over a discriminator's map, summed over domains, discriminators and outputs. Each
training forward of a discriminator is one power iteration of its spectral norms: three a step.

Where we differ: fakes are constants for the discriminators (the official code throws those gradients
away); the rate is a function of the step (the official code decays twice on resuming).
"""

import functools
from collections import OrderedDict
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Losses, Pair, image_shape
from decoupled_gan.layers.domain import PerDomain, over_domains
from decoupled_gan.losses.adversarial import least_squares_of_all, logistic
from decoupled_gan.losses.pixels import l1
from decoupled_gan.networks.translate import check_multiple
from decoupled_gan.networks.translate.ugatit import Generator, TwoScales, check_size


class UGATIT(nn.Module):
  """Two generators, and two discriminators for each domain. Attributes: see the networks."""

  width: int = 64
  blocks: int = 4
  depths: tuple[int, int] = (7, 5)
  channels: int = 3
  full: bool = False
  dtype: Any = jnp.float32

  def setup(self):
    part = functools.partial
    self.generator = PerDomain(
      part(Generator, self.width, self.blocks, self.channels, self.full, self.dtype)
    )
    self.discriminator = PerDomain(part(TwoScales, self.width, self.depths, self.dtype))

  def make(self, images: Pair) -> Pair:
    """The images alone that the generators make."""
    return self.generator(images)[0]


def discriminate(gan: UGATIT, real: Pair) -> Losses:
  """Tell real images from translated ones: trains the discriminators."""
  fake = stop_gradient(gan.make(real.swapped))
  on_real, on_fake = gan.discriminator(real), gan.discriminator(fake)
  return {'adversarial': least_squares_of_all(on_real, 1) + least_squares_of_all(on_fake, 0)}


def translate(gan: UGATIT, real: Pair) -> dict:
  """Translate so that it looks real and can be undone, and know whether there is anything to do."""
  fake, of_other, _ = gan.generator(real.swapped)
  kept = functools.cache(lambda: gan.generator(real))  # images that are of the target domain already
  distance = functools.partial(over_domains, l1)

  def cam():
    def loss(of_other, of_own):
      return logistic(of_other, True) + logistic(of_own, False)

    return over_domains(loss, of_other, kept()[1])

  return {
    'adversarial': lambda: least_squares_of_all(gan.discriminator(fake), 1),
    'cycle': lambda: distance(gan.make(fake.swapped), real),
    'identity': lambda: distance(kept()[0], real),
    'cam': cam,
  }


def build(config: ConfigDict) -> UGATIT:
  """The module that `config` describes; raises UserError where the facts forbid it."""
  model, shape = config.model, image_shape(config)
  check_multiple(shape, 4, 'the generator halves it twice')
  check_size(shape, model.depths)
  return UGATIT(
    width=model.width,
    blocks=model.blocks,
    depths=tuple(model.depths),
    channels=config.image_channels,
    full=model.full,
    dtype=jnp.dtype(config.compute_dtype),
  )


def sample(gan: UGATIT, real: Pair) -> OrderedDict[str, Pair]:
  """The columns of a sample grid, in order: images [B, H, W, C], or heat [B, h, w]."""
  fake, _, heat = gan.generator(real.swapped)
  return OrderedDict(
    input=real,
    attention=heat.swapped,
    translation=fake.swapped,  # beside the input it was made from
    cycle=gan.make(fake.swapped),
    identity=gan.make(real),
  )


def translate_images(gan: UGATIT, images: Array, target: str) -> Array:
  """Images [B, H, W, C] in [-1, 1] as domain `target` ('a' or 'b') has them."""
  return getattr(gan.generator, target)(images)[0]


METHOD = Method(
  batch=Pair,
  objectives={'discriminate': discriminate, 'translate': translate},
  build=build,
  sample=sample,
  translate=translate_images,
)
