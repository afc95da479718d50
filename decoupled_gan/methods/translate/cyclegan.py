"""CycleGAN: Unpaired Image-to-Image Translation (Zhu, Park, Isola, Efros, ICCV 2017, arXiv 1703.10593).

Two generators between domains a and b, two discriminators of patches; what was translated and
translated back should be what it was.

  paper                 here
  G: X -> Y, F: Y -> X  generator.b, generator.a     (a generator is named by what it makes)
  D_Y, D_X              discriminator.b, .a          (a discriminator by what it judges)
  L_GAN                 adversarial, and judge for the discriminators
  L_cyc                 cycle
  L_identity            identity                     (section 5.2; on by default in the official code)

The official step makes the fakes once: the generators learn by them, then the discriminators by the
same ones, mixed with older ones from a pool. Both updates are functions of the parameters before the
step, so that one phase with two columns of the table is the official step exactly: one forward pass,
two backward passes. The losses are summed over the domains.

Without the rows `cycle` and `identity` it is the claim of Chen, Sun, Mao, Liu and Jia (IEEE Access 13,
2025, arXiv 2411.10368): a generator that can give its input back translates by the adversarial loss
alone, if its discriminator is strong. Their loss, networks and rates were not found; `r1` (Mescheder et
al., ICML 2018, eq. 9), here of the mean over an image's patches, is our choice.

Where we differ: the pool is saved with the run, and resuming is exact; both domains come once before
either starts again (the official loader draws b at random, with replacement).
"""

import functools
from collections import OrderedDict
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Pair, image_shape
from decoupled_gan.layers.domain import PerDomain, over_domains
from decoupled_gan.layers.pool import ImagePool
from decoupled_gan.losses.adversarial import Adversarial, unpaired
from decoupled_gan.losses.pixels import l1
from decoupled_gan.networks.translate import INITS, NORMS, check_multiple, choice
from decoupled_gan.networks.translate.patch import PatchGAN
from decoupled_gan.networks.translate.resnet import ResnetGenerator


class CycleGAN(nn.Module):
  """Two generators, two discriminators, two pools of fakes.

  Attributes:
    make_generator, make_discriminator: one network of each kind.
    pool_size: fakes kept of each domain; 0: none.
    adversarial: what the two players minimise.
  """

  make_generator: Any
  make_discriminator: Any
  pool_size: int
  adversarial: Adversarial

  def setup(self):
    self.generator = PerDomain(self.make_generator)
    self.discriminator = PerDomain(self.make_discriminator)
    self.pool = PerDomain(functools.partial(ImagePool, self.pool_size))


def r1(network: nn.Module, images: Array) -> Array:
  """mean |grad D|^2 of images [B, H, W, C], where D is the mean over an image's logits: a scalar."""
  network, variables = network.unbind()
  verdict = lambda x: network.apply(variables, x).mean((1, 2, 3)).sum()  # noqa: E731
  return jnp.square(jax.grad(verdict)(images)).sum((1, 2, 3)).mean()


def translate(gan: CycleGAN, real: Pair) -> dict:
  """Translate, there and back, and tell fakes from real images: one forward pass for both players."""
  fake = gan.generator(real.swapped)
  distance = functools.partial(over_domains, l1)

  def judge():
    on_real, on_fake = gan.discriminator(real), gan.discriminator(gan.pool(fake))
    return over_domains(gan.adversarial.discriminate, on_real, on_fake)

  return {
    'adversarial': lambda: over_domains(
      lambda on_fake: gan.adversarial.generate(on_fake, None), gan.discriminator(fake)
    ),
    'cycle': lambda: distance(gan.generator(fake.swapped), real),
    'identity': lambda: distance(gan.generator(real), real),
    'judge': judge,
    'r1': lambda: sum(r1(getattr(gan.discriminator, of), getattr(real, of)) for of in 'ab'),
  }


def build(config: ConfigDict) -> CycleGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, dtype = config.model, jnp.dtype(config.compute_dtype)
  check_multiple(image_shape(config), 2**model.downs, f'the generator halves it {model.downs} times')
  choice('model.norm', model.norm, NORMS)
  choice('model.initial', model.initial, INITS)
  known = unpaired()
  choice('losses.adversarial', config.losses.adversarial, known)
  return CycleGAN(
    make_generator=functools.partial(
      ResnetGenerator, model.width, model.blocks, config.image_channels, model.norm,
      initial=model.initial, dropout=model.dropout, dtype=dtype, downs=model.downs,
      bottleneck=model.bottleneck, residual=model.residual,
    ),
    make_discriminator=functools.partial(
      PatchGAN, model.d_width, model.d_layers, model.norm, initial=model.initial, dtype=dtype
    ),
    pool_size=model.pool_size,
    adversarial=known[config.losses.adversarial],
  )  # fmt: skip


def sample(gan: CycleGAN, real: Pair) -> OrderedDict[str, Pair]:
  """The columns of a sample grid, in order."""
  fake = gan.generator(real.swapped)
  return OrderedDict(
    input=real,
    translation=fake.swapped,  # beside the input it was made from
    cycle=gan.generator(fake.swapped),
    identity=gan.generator(real),
  )


def translate_images(gan: CycleGAN, images: Array, target: str) -> Array:
  """Images [B, H, W, C] in [-1, 1] as domain `target` ('a' or 'b') has them."""
  return getattr(gan.generator, target)(images)


METHOD = Method(
  batch=Pair,
  objectives={'translate': translate},
  build=build,
  sample=sample,
  translate=translate_images,
)
