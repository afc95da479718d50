"""Free-Form Image Inpainting with Gated Convolution (Yu, Lin, Yang, Shen, Lu, Huang, ICCV 2019, arXiv
1806.03589), by its official code.

A generator fills holes of any form in two stages, under the mean error and a discriminator whose map of
features are all logits (SN-PatchGAN, hinge loss).

  paper, section 3          here
  pixel-wise l1             complete/l1: both stages, over all pixels of the image
  L_G, L_D of SN-PatchGAN   complete/adversarial, discriminate/adversarial (0.5: the code halves it)

A hole is drawn for each step (networks/translate/holes.py), one for the whole batch; both phases have
the same. What is judged is the image with the generator's hole in it, so that the adversarial gradient
reaches the generator inside the hole only.

Where we differ: both phases see one batch, where the official code draws one for each; the gradient of
spectral normalisation does not go through its vectors u and v (torch's convention, layers/conv.py),
whose v is stored as well; there is no sketch as a further input."""

from collections import OrderedDict

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Examples, image_shape
from decoupled_gan.losses.adversarial import Adversarial, unpaired
from decoupled_gan.losses.pixels import l1
from decoupled_gan.networks.translate import check_multiple, choice
from decoupled_gan.networks.translate.holes import hole
from decoupled_gan.networks.translate.inpaint import Discriminator, Generator

MULTIPLE = 8  # of which sizes are: halved twice, and once more where patches are compared


class Inpainter(nn.Module):
  """`generator`: (image without its hole, hole) -> (coarse, fine); `discriminator`: both -> logits."""

  generator: nn.Module
  discriminator: nn.Module
  adversarial: Adversarial

  def hole(self, images: Array) -> Array:
    """This step's, the same in all its phases: [1, H, W, 1]."""
    return hole(self.make_rng('step'), *images.shape[1:3])

  def complete(self, images: Array, holes: Array) -> tuple[Array, Array, Array]:
    """(completed, coarse, fine) images; what lies in the hole is not seen."""
    outside = images * (1 - holes)
    coarse, fine = self.generator(outside, holes)
    return fine * holes + outside, coarse, fine


def discriminate(gan: Inpainter, batch: Examples) -> dict:
  """Tell images from completed ones, in one batch: trains the discriminator."""
  holes = gan.hole(batch.x)
  completed = stop_gradient(gan.complete(batch.x, holes)[0])
  logits = gan.discriminator(jnp.concatenate([batch.x, completed]), holes)
  return {'adversarial': gan.adversarial.discriminate(*jnp.split(logits, 2))}


def complete(gan: Inpainter, batch: Examples) -> dict:
  """Fill the hole so that it is right, and looks real: trains the generator."""
  holes = gan.hole(batch.x)
  completed, coarse, fine = gan.complete(batch.x, holes)
  return {
    'l1': lambda: l1(coarse, batch.x) + l1(fine, batch.x),
    'adversarial': lambda: gan.adversarial.generate(gan.discriminator(completed, holes), None),
  }


def build(config: ConfigDict) -> Inpainter:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, dtype = config.model, jnp.dtype(config.compute_dtype)
  check_multiple(image_shape(config), MULTIPLE, 'patches are compared at an eighth of it')
  known = unpaired()
  return Inpainter(
    generator=Generator(model.width, config.image_channels, model.gates, dtype),
    discriminator=Discriminator(model.d_width, dtype),
    adversarial=known[choice('losses.adversarial', config.losses.adversarial, known)],
  )


def sample(gan: Inpainter, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid, in order, under one hole that is always the same."""
  holes = hole(jax.random.key(0), *batch.x.shape[1:3])
  completed, coarse, _ = gan.complete(batch.x, holes)
  given = batch.x * (1 - holes) + holes
  return OrderedDict(given=given, coarse=coarse, completed=completed, truth=batch.x)


def fill(gan: Inpainter, images: Array, holes: Array) -> Array:
  """Images [B, H, W, C] in [-1, 1] with what lies in their holes [B, H, W, 1] made anew."""
  each = [gan.complete(images[i : i + 1], holes[i : i + 1])[0] for i in range(len(images))]
  return jnp.concatenate(each)


def reconstruct(gan: Inpainter, images: Array) -> Array:
  """Images [B, H, W, C] completed under the hole of the sample grid."""
  return gan.complete(images, hole(jax.random.key(0), *images.shape[1:3]))[0]


METHOD = Method(
  batch=Examples,
  objectives={'discriminate': discriminate, 'complete': complete},
  build=build,
  sample=sample,
  complete=fill,
  reconstruct=reconstruct,
)
