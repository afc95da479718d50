"""CUT and FastCUT: Contrastive Learning for Unpaired Image-to-Image Translation (Park, Efros, Zhang,
Zhu, ECCV 2020, arXiv 2007.15651), by the official code.

One direction, a to b: one generator, one discriminator. What holds the content is that a patch of the
output, in the features of the generator's own first half, is nearer to the patch of the input at its
place than to the input's other patches.

  paper                    here
  G, D, H_l                generator, discriminator, projector (two linear layers for each tap)
  L_PatchNCE(G, H, X)      nce          of images of a and their translations
  L_PatchNCE(G, H, Y)      nce_identity of images of b and what the generator makes of them (CUT only)

The official losses are 0.5 (nce + nce_identity) for CUT, and 10 nce for FastCUT, which instead mirrors
the input at every second step: G must do the same with a mirrored image (`losses.flip`). Patches are at
places drawn for each tap, without replacement, the same ones for all images of a batch and for input
and output.

Where we differ: the generator makes its fakes again in the second phase, with the same parameters;
nothing drops the crops of augmentation while the rate decays, as the official loader does.
"""

from collections import OrderedDict
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Pair, image_shape
from decoupled_gan.losses.adversarial import Adversarial, unpaired
from decoupled_gan.losses.contrastive import patch_nce
from decoupled_gan.networks.translate import INITS, NORMS, check_multiple, choice
from decoupled_gan.networks.translate.patch import PatchGAN
from decoupled_gan.networks.translate.projector import Projector
from decoupled_gan.networks.translate.resnet import ResnetGenerator


class CUT(nn.Module):
  """One generator, its discriminator, and what projects the generator's features.

  Attributes:
    taps: places of the generator whose features are compared, see ResnetGenerator.
    patches: how many of each map, at most.
    temperature: of PatchNCE.
    flips: whether every second input is mirrored (FastCUT).
    adversarial: what the two players minimise.
  """

  generator: nn.Module
  discriminator: nn.Module
  projector: nn.Module
  taps: tuple[str, ...]
  patches: int
  temperature: float
  flips: bool
  adversarial: Adversarial

  def flip(self) -> Array:
    """Whether this step's input is mirrored: the same in all its phases."""
    return jax.random.bernoulli(self.make_rng('step')) if self.flips else jnp.zeros((), bool)

  def places(self, loss: str, areas: Sequence[int]) -> list[Array]:
    """Places in maps of these areas, for each tap [patches] or all there are."""
    keys = jax.random.split(self.make_rng('noise'), len(areas))
    return [
      jax.random.permutation(key, area)[: self.patches]
      for key, area in zip(keys, areas, strict=True)
    ]

  def contrast(self, source: Array, made: Array, loss: str, flipped: Array | None = None) -> Array:
    """PatchNCE of images and what was made of them, the mean over taps."""
    queries = self.generator(made, taps=self.taps)
    if flipped is not None:
      queries = [mirrored(features, flipped) for features in queries]
    keys = self.generator(source, taps=self.taps)
    places = self.places(loss, [x.shape[1] * x.shape[2] for x in keys])
    queries, keys = self.projector(queries, places), self.projector(keys, places)
    losses = [patch_nce(q, k, self.temperature) for q, k in zip(queries, keys, strict=True)]
    return sum(losses) / len(losses)


def mirrored(x: Array, flipped: Array) -> Array:
  """x [B, H, W, C], left and right exchanged if `flipped`."""
  return jnp.where(flipped, x[:, :, ::-1], x)


def discriminate(gan: CUT, real: Pair) -> dict:
  """Tell images of b from translations: trains the discriminator."""
  fake = stop_gradient(gan.generator(mirrored(real.a, gan.flip()) if gan.flips else real.a))
  on_fake = gan.discriminator(fake)
  return {'adversarial': gan.adversarial.discriminate(gan.discriminator(real.b), on_fake)}


def translate(gan: CUT, real: Pair) -> dict:
  """Make what looks like b and keeps its content: trains the generator and the projector."""
  flipped = gan.flip() if gan.flips else None
  fake = gan.generator(real.a if flipped is None else mirrored(real.a, flipped))
  return {
    'adversarial': lambda: gan.adversarial.generate(gan.discriminator(fake), None),
    'nce': lambda: gan.contrast(real.a, fake, 'nce', flipped),
    'nce_identity': lambda: gan.contrast(real.b, gan.generator(real.b), 'nce_identity'),
  }


def build(config: ConfigDict) -> CUT:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, losses, dtype = config.model, config.losses, jnp.dtype(config.compute_dtype)
  check_multiple(image_shape(config), 4, 'the generator halves it twice')
  choice('model.norm', model.norm, NORMS)
  choice('model.initial', model.initial, INITS)
  known = unpaired()
  choice('losses.adversarial', losses.adversarial, known)
  shared = {
    'norm': model.norm, 'antialias': model.antialias, 'initial': model.initial, 'dtype': dtype
  }  # fmt: skip
  return CUT(
    generator=ResnetGenerator(model.width, model.blocks, config.image_channels, **shared),
    discriminator=PatchGAN(model.d_width, model.d_layers, **shared),
    projector=Projector(model.projection, model.initial, dtype),
    taps=tuple(model.taps),
    patches=losses.patches,
    temperature=losses.temperature,
    flips=losses.flip,
    adversarial=known[losses.adversarial],
  )


def sample(gan: CUT, real: Pair) -> OrderedDict[str, Pair]:
  """The columns of a sample grid: of a its translation, of b what the generator makes of it."""
  return OrderedDict(input=real, translation=jax.tree.map(gan.generator, real))


def translate_images(gan: CUT, images: Array, target: str) -> Array:
  """Images [B, H, W, C] in [-1, 1] of domain a as domain b has them; 'b' is the only target."""
  return gan.generator(images)


METHOD = Method(
  batch=Pair,
  objectives={'discriminate': discriminate, 'translate': translate},
  build=build,
  sample=sample,
  translate=translate_images,
  targets=('b',),
)
