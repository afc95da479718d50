"""NICE-GAN: Reusing Discriminators for Encoding (Chen et al., CVPR 2020, arXiv 2003.00273).

Unpaired image translation between domains a and b. The encoder is the first part of the
discriminator, and only discrimination trains it.

  paper                          here
  D_x = (E_x, C_x)               encoder.a, classifier.a      (y: b)
  G_{x->y}                       generator.b                  (a generator is named by what it makes)
  lambda_1, lambda_2, lambda_3   routes: adversarial 1, cycle 10, reconstruct 10
  C0, C1, C2                     heads 'local', 'middle', 'global'

The losses are least-squares ones as in the official code; the paper's min-max form has the
discriminator maximise. Each training forward of a discriminator is one power iteration of its
spectral norms, also in `translate`, where the classifier's outputs on real images go unused: for
equality with the official code, step by step (`spectral_updates` gives it up).

Where we differ: translation and reconstruction by one generator are one call of twice the batch
(every normalisation is per image, so that the result is the same).
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
from decoupled_gan.core.types import Array, Losses, Pair, image_shape
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers.domain import PerDomain, over_domains
from decoupled_gan.losses.adversarial import least_squares_of_all
from decoupled_gan.losses.pixels import l1
from decoupled_gan.networks.nice import HEADS, Classifier, Encoder, Generator, check_size

SPECTRAL_UPDATES = ('forward', 'step')


class NiceGAN(nn.Module):
  """Two discriminators, each an encoder and a classifier, and two generators.

  Attributes: see the networks; and
    detach_fakes: whether, while the discriminators train, the fakes count as constants. Without it
      the encoder also learns through the fakes that it had a part in (an ablation).
    spectral_updates: 'forward', each training forward of a discriminator is one power iteration of
      its spectral norms, as in the official code; or 'step', only that of the real images in
      `discriminate` is, so that all forwards of a step share the vectors.
  """

  width: int = 64
  blocks: int = 6
  depth: int = 7
  channels: int = 3
  full: bool = False
  attention: bool = True
  heads: tuple[str, ...] = HEADS
  detach_fakes: bool = True
  spectral_updates: str = 'forward'
  dtype: Any = jnp.float32

  def setup(self):
    part = functools.partial
    local = 'local' in self.heads
    self.encoder = PerDomain(part(Encoder, self.width, self.attention, local, self.dtype))
    self.classifier = PerDomain(part(Classifier, self.width, self.depth, self.heads, self.dtype))
    self.generator = PerDomain(
      part(Generator, self.width, self.blocks, self.channels, self.full, self.dtype)
    )

  def __call__(self, real: Pair):
    """Calls every network once: what `init` runs."""
    z, logits = self.discriminate(real, first=True)
    return self.generator(z.swapped), logits

  def encode(self, images: Pair, first: bool = False) -> tuple[Pair, dict[str, Pair]]:
    """Images [B, S, S, C] -> latents [B, S/4, S/4, 2 width] and C0's logits, per domain.

    `first`: whether no discriminator was called before in this step.
    """
    return self.encoder(images, iterate=self._iterate(first))

  def discriminate(self, images: Pair, first: bool = False) -> tuple[Pair, dict[str, Pair]]:
    """Images -> latents and each head's logits, per domain; `first` as in `encode`."""
    z, local = self.encode(images, first)
    return z, {**local, **self.classifier(z, iterate=self._iterate(first))}

  def _iterate(self, first: bool) -> bool:
    return first or self.spectral_updates == 'forward'

  def generate(self, *latents: Pair) -> list[Pair]:
    """Each Pair of latents through the generators of their places, as one call.

    The batches are interleaved rather than appended, so that a batch that is sharded over devices
    stays where it is.
    """
    n = len(latents)
    merged = jax.tree.map(lambda *z: jnp.stack(z, 1).reshape(-1, *z[0].shape[1:]), *latents)
    images = jax.tree.map(lambda x: x.reshape(-1, n, *x.shape[1:]), self.generator(merged))
    return [jax.tree.map(lambda x, i=i: x[:, i], images) for i in range(n)]


def discriminate(gan: NiceGAN, real: Pair) -> Losses:
  """Tell real images from translated ones: trains the discriminators, encoders included."""
  z, real_logits = gan.discriminate(real, first=True)
  fake = gan.generator(z.swapped)
  if gan.detach_fakes:
    fake = stop_gradient(fake)
  _, fake_logits = gan.discriminate(fake)
  return {'adversarial': least_squares_of_all(real_logits, 1) + least_squares_of_all(fake_logits, 0)}


def translate(gan: NiceGAN, real: Pair) -> Losses:
  """Translate so that it looks real and can be undone: trains the generators.

  NICE-GAN has no `identity`; it is CycleGAN's (Zhu et al., ICCV 2017, section 5.2): an image that is of
  the target domain already should stay. It keeps colours from being exchanged where domains allow it.
  """
  z, _ = gan.discriminate(real)
  fake, rebuilt = gan.generate(z.swapped, z)
  distance = functools.partial(over_domains, l1)
  judged = functools.cache(lambda: gan.discriminate(fake))  # (latents, logits)

  def identity():
    z, _ = gan.encode(real.swapped)  # .a: a's encoder on an image of b
    return distance(gan.generator(z.swapped), real)

  return {
    'identity': identity,  # first: it is the encoders' second call in a step, the fakes' their third
    'adversarial': lambda: least_squares_of_all(judged()[1], 1),
    'cycle': lambda: distance(gan.generator(judged()[0].swapped), real),
    'reconstruct': lambda: distance(rebuilt, real),
  }


def build(config: ConfigDict) -> NiceGAN:
  """The module that `config` describes; raises UserError where the facts forbid it."""
  model = config.model
  check_size(image_shape(config), model.depth)
  unknown = set(model.heads) - set(HEADS)
  if unknown:
    raise UserError(f'model.heads: {listing(unknown)} is unknown; the heads are {listing(HEADS)}.')
  updates = model.spectral_updates
  if updates not in SPECTRAL_UPDATES:
    raise UserError(
      f'model.spectral_updates={updates!r} is unknown; there are '
      f'{listing(SPECTRAL_UPDATES)}: a power iteration for each forward pass or for each step.'
    )
  return NiceGAN(
    width=model.width,
    blocks=model.blocks,
    depth=model.depth,
    channels=config.image_channels,
    full=model.full,
    attention=model.attention,
    heads=tuple(model.heads),
    detach_fakes=model.detach_fakes,
    spectral_updates=updates,
    dtype=jnp.dtype(config.compute_dtype),
  )


def sample(gan: NiceGAN, real: Pair) -> OrderedDict[str, Pair]:
  """The columns of a sample grid, in order: images [B, S, S, C] in [-1, 1], or heat [B, s, s]."""
  z, _ = gan.encoder(real)
  fake, rebuilt = gan.generate(z.swapped, z)
  cycled = gan.generator(gan.encoder(fake)[0].swapped)
  return OrderedDict(  # jit would sort the names of a dict
    input=real,
    attention=jax.tree.map(lambda x: x.astype(jnp.float32).sum(-1), z),
    translation=fake.swapped,  # beside the input it was made from
    cycle=cycled,
    rebuilt=rebuilt,
  )


def translate_images(gan: NiceGAN, images: Array, target: str) -> Array:
  """Images [B, H, W, C] in [-1, 1] as domain `target` ('a' or 'b') has them."""
  source = {'a': 'b', 'b': 'a'}[target]
  z, _ = getattr(gan.encoder, source)(images)
  return getattr(gan.generator, target)(z)


METHOD = Method(
  batch=Pair,
  objectives={'discriminate': discriminate, 'translate': translate},
  build=build,
  sample=sample,
  translate=translate_images,
)
