"""pix2pix: Image-to-Image Translation with Conditional Adversarial Networks (Isola, Zhu, Zhou, Efros,
CVPR 2017, arXiv 1611.07004), by its official code.

Pairs of an input x and a target y: a generator is near y by L1 and convinces a discriminator of
patches, which sees the input beside the image.

  paper          here
  L_cGAN(G, D)   discriminate/adversarial (D), translate/adversarial (G; non-saturating)
  L_L1(G)        translate/l1, weight 100

The official step makes the fake once, updates D, then G by the new D. Here the generator runs once in
each phase with the same parameters and, by the stream `step`, the same dropout: the same fake. Its
running statistics are moved in `translate` only, once a step; the discriminator's by each of its three
calls (fake, real; fake), as there.

Where we differ: translating drops nothing (the official test keeps dropout as its only noise, unless
`--eval`); `model.test_statistics` says by which statistics batch normalisation goes then: 'image', each
image's own, what the official test at batch size 1 does, or 'average', what its `--eval` does.
"""

from collections import OrderedDict

import flax.linen as nn
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Aligned, Array, image_shape
from decoupled_gan.errors import UserError
from decoupled_gan.losses.adversarial import Adversarial, unpaired
from decoupled_gan.losses.pixels import l1
from decoupled_gan.networks.translate import INITS, NORMS, check_multiple, choice
from decoupled_gan.networks.translate.patch import PatchGAN
from decoupled_gan.networks.translate.resnet import ResnetGenerator
from decoupled_gan.networks.translate.unet import UNet

STATISTICS = ('image', 'average')
GENERATORS = ('unet', 'resnet')
FEWEST_DOWNS = 5


class Pix2Pix(nn.Module):
  """`generator`: (input, track=...) -> image. `discriminator`: both, as channels -> logits."""

  generator: nn.Module
  discriminator: nn.Module
  adversarial: Adversarial

  def judge(self, given: Array, image: Array) -> Array:
    return self.discriminator(jnp.concatenate([given, image], -1))


def discriminate(gan: Pix2Pix, batch: Aligned) -> dict:
  """Tell targets from what is made of their inputs: trains the discriminator."""
  fake = stop_gradient(gan.generator(batch.input, track=False))
  on_fake = gan.judge(batch.input, fake)
  return {'adversarial': gan.adversarial.discriminate(gan.judge(batch.input, batch.target), on_fake)}


def translate(gan: Pix2Pix, batch: Aligned) -> dict:
  """Make the target, or what looks like one: trains the generator."""
  fake = gan.generator(batch.input)
  return {
    'adversarial': lambda: gan.adversarial.generate(gan.judge(batch.input, fake), None),
    'l1': lambda: l1(fake, batch.target),
  }


def build(config: ConfigDict) -> Pix2Pix:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, dtype = config.model, jnp.dtype(config.compute_dtype)
  choice('model.norm', model.norm, NORMS)
  choice('model.initial', model.initial, INITS)
  choice('model.generator', model.generator, GENERATORS)
  known = unpaired()
  choice('losses.adversarial', config.losses.adversarial, known)
  own = choice('model.test_statistics', model.test_statistics, STATISTICS) == 'image'
  shared = {'norm': model.norm, 'initial': model.initial, 'own_statistics': own, 'dtype': dtype}
  sizes = {'width': model.width, 'channels': config.image_channels, 'dropout': model.dropout}
  if model.generator == 'unet':
    if model.downs < FEWEST_DOWNS:
      raise UserError(f'model.downs={model.downs}: the U-Net has at least {FEWEST_DOWNS} levels.')
    check_multiple(image_shape(config), 2**model.downs, f'model.downs={model.downs} levels halve it')
    generator = UNet(downs=model.downs, **sizes, **shared)
  else:
    check_multiple(image_shape(config), 4, 'the generator halves it twice')
    generator = ResnetGenerator(blocks=model.blocks, **sizes, **shared)
  return Pix2Pix(
    generator=generator,
    discriminator=PatchGAN(model.d_width, model.d_layers, **shared),
    adversarial=known[config.losses.adversarial],
  )


def sample(gan: Pix2Pix, batch: Aligned) -> OrderedDict[str, Array]:
  """The columns of a sample grid, in order."""
  return OrderedDict(input=batch.input, translation=gan.generator(batch.input), truth=batch.target)


def translate_images(gan: Pix2Pix, images: Array, target: str) -> Array:
  """Images [B, H, W, C] in [-1, 1] as their counterparts; 'b' is the only target."""
  return gan.generator(images)


METHOD = Method(
  batch=Aligned,
  objectives={'discriminate': discriminate, 'translate': translate},
  build=build,
  sample=sample,
  translate=translate_images,
  targets=('b',),
)
