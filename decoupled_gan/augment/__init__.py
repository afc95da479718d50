"""Augmentation in one place: what a discriminator sees of examples, and nothing else is shown to it.

  config.augment.pipeline  'ada', 'diffaugment', 'diffusion', several with commas, or '': as they are
  config.augment.pseudo    fakes stand in for some real examples (APA, Jiang et al., NeurIPS 2021)
  config.augment.target    the strength p follows D (control.py); 0: it stays config.augment.p

Real and fake, in the generator's phase too, and the points at which R1 asks for a slope: all go through
`View`, so that nothing leaks into the generator. A transform is `(key, examples, p) -> Seen`, a pure
function; what differs between images is drawn for each. Without any of it nothing is computed or stored.
"""

import importlib
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.augment.control import Control, Reading
from decoupled_gan.augment.seen import Seen
from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing

__all__ = ['TRANSFORMS', 'Predictor', 'Seen', 'View', 'build', 'predictor']

TRANSFORMS = ('ada', 'diffaugment', 'diffusion')
"""Modules of this room with `build(config)`."""


class View(nn.Module):
  """What a discriminator sees.

  Attributes:
    transforms: in their order.
    control: moves the strength; None: it stays.
    p: the strength at first.
    pseudo: whether fakes stand in for real examples, each with probability p.
  """

  transforms: tuple[Callable[..., Seen], ...] = ()
  control: Control | None = None
  p: float = 0.0
  pseudo: bool = False

  def setup(self):
    if self.control:
      self.reading = self.variable('controller', 'reading', Reading.first, self.p)

  @property
  def plain(self) -> bool:
    """Whether examples are seen as they are."""
    return not self.transforms

  def strength(self) -> Array:
    return self.reading.value.p if self.control else jnp.float32(self.p)

  def overfitting(self) -> Array:
    """The mean sign of D on real examples, when the strength last moved."""
    return self.reading.value.overfitting if self.control else jnp.float32(0)

  def lens(self, key: Array | None) -> Callable[[Array], Seen]:
    """examples -> Seen, a pure function, to be differentiated at will; one key, one view."""
    if self.plain:
      return Seen
    p = stop_gradient(self.strength())

    def look(x):
      told, draws = [], {}
      for i, transform in enumerate(self.transforms):
        seen = transform(jax.random.fold_in(key, i), x, p)
        x, draws = seen.x, {**draws, **seen.draws}
        told += [] if seen.told is None else [seen.told]
      return Seen(x, jnp.concatenate(told, 1) if told else None, draws)

    return look

  def as_is(self, x: Array) -> Seen:
    """x unchanged, told what such examples are told: that they were noised for no time."""
    count = sum(getattr(transform, 'told', False) for transform in self.transforms)
    return Seen(x, jnp.zeros((len(x), count)) if count else None)

  def __call__(self, x: Array, key: Array | None = None) -> Seen:
    """x as the discriminator sees it; without a key the draws are of the view's own stream."""
    if key is None and not self.plain:
      key = self.make_rng('noise')
    return self.lens(key)(x)

  def disguise(self, real: Array, fake: Array, key: Array) -> Array:
    """`real` with fakes, which are constants, in place of each row with probability p."""
    chosen = jax.random.uniform(key, (len(real), *[1] * (real.ndim - 1))) < self.strength()
    return jnp.where(chosen, stop_gradient(fake), real)

  def watch(self, outputs: Array):
    """Moves the strength by the discriminator's outputs [B, K] on real examples, as it saw them."""
    if self.control and self.is_mutable_collection('controller') and not self.is_initializing():
      self.reading.value = self.control.next(self.reading.value, stop_gradient(outputs))


class Predictor(nn.Module):
  """From features [B, F] of examples as seen, minus those as they are, to what was drawn.

  One linear layer for each word (Hou et al., NeurIPS 2023, section 4).
  """

  sizes: tuple[tuple[str, int], ...]

  @nn.compact
  def __call__(self, difference: Array) -> dict[str, Array]:
    x = difference.astype(jnp.float32)
    return {word: nn.Dense(size, name=word)(x) for word, size in self.sizes}


def predictor(config: ConfigDict) -> Predictor | None:
  """The predictor of the draws of `config.augment.policy`, where the table has the row `augself`."""
  if not any('augself' in rows for rows in config.routes.values()):
    return None
  if 'diffaugment' not in config.augment.pipeline.split(','):
    raise UserError(
      "the row augself learns from what DiffAugment draws: set augment.pipeline='diffaugment'."
    )
  colours = 3 if config.image_channels == 3 else 2
  sizes = {'color': colours, 'translation': 2, 'cutout': 2}
  return Predictor(tuple((word, sizes[word]) for word in config.augment.policy))


SIGNED = ('', 'non_saturating', 'minimax', 'hinge')
"""Adversarial losses under which D's sign says real or fake."""


def build(config: ConfigDict) -> View:
  """The view that `config.augment` describes; raises UserError where its fields do not fit."""
  augment = config.augment
  words = [word for word in augment.pipeline.split(',') if word]
  for word in words:
    if word not in TRANSFORMS:
      raise UserError(
        f'augment.pipeline={augment.pipeline!r}: {word!r} is unknown; there are {listing(TRANSFORMS)}.'
      )
  if words and config.vector_size and words != ['diffusion']:
    raise UserError(f'augment.pipeline={augment.pipeline!r} is for images; points take diffusion only.')
  modules = {word: importlib.import_module(f'decoupled_gan.augment.{word}') for word in words}
  transforms = tuple(modules[word].build(config) for word in words)
  return View(transforms, _control(config, words), float(augment.p), bool(augment.pseudo))


def _control(config: ConfigDict, words) -> Control | None:
  """None where the strength is used by nothing, or is to stay."""
  augment = config.augment
  if not augment.target or not (augment.pseudo or {'ada', 'diffusion'} & set(words)):
    return None
  loss = config.losses.get('adversarial', '')
  if loss not in SIGNED:
    raise UserError(
      f'augment.target={augment.target}: under losses.adversarial={loss!r} the sign of D does not say '
      f'real or fake. Take one of {listing(SIGNED[1:])}, or a fixed augment.p with augment.target=0.'
    )
  if augment.interval < 1 or augment.kimg <= 0:
    raise UserError(
      f'augment.interval={augment.interval} must be at least 1, augment.kimg={augment.kimg} positive.'
    )
  most = 1.0 if 'diffusion' in words else float('inf')
  return Control(augment.target, augment.interval, augment.kimg, most)
