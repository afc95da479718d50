"""Council-GAN: Breaking the Cycle (Nizan and Tal, CVPR 2020, arXiv 1911.10538), by official code.

Several translators of one direction, a to b. Each has a discriminator of the domain, and a councillor
that tells its own translations from those that the others make of the same image: fooling it is doing
what the others do. What they can agree on is what they all see, the source: no cycle is needed.

  paper, code                here
  G_i, D_i, D^_i             generator, discriminator, councillor: stacked, one row each for all members
  dis_update                 discriminate/adversarial
  dis_council_update         convene/council    (the *own* translation counts as fake)
  gan loss, council loss     translate/adversarial, translate/council
  focus loss                 translate/mask_total, mask_binary, mask_edges

A sum over members keeps their gradients apart. The council's loss of a member is multiplied by the ratio
of the means of its last 100 adversarial and council losses (`w_match`): plain numbers that the
collection `history` keeps; it begins where the phase `convene` does. In `convene` the others have
`losses.less` times the style, so that a councillor cannot go by the style alone.

Where we differ: `translate` lets one member speak, `model.speaker`, whose style is drawn from the
image's bits and `model.style_seed`, as in MUNIT. The official rows of the encoders have no weight and
do not exist; its random grey images (5 %) are left out.
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
from decoupled_gan.core.state import clock
from decoupled_gan.core.types import Array, Losses, Pair, image_shape
from decoupled_gan.errors import UserError
from decoupled_gan.layers.stacked import stacked
from decoupled_gan.losses import f32
from decoupled_gan.networks.translate import check_multiple, own_styles
from decoupled_gan.networks.translate.council import Councillor, Generator
from decoupled_gan.networks.translate.munit import MultiScale

REMEMBERED = 100  # losses of each member


class Council(nn.Module):
  """Stacked networks. Attributes: see the networks, and

  Attributes:
    members: how many translators.
    comparisons: with other members in `convene`.
    less: share of the style that the others have there.
    council_start, focus_start: steps from which these losses count.
    speaker: the member that translates.
  """

  members: int
  width: int = 64
  d_width: int = 64
  blocks: int = 5
  channels: int = 3
  style_size: int = 64
  hidden: int = 256
  masks: int = 3
  d_layers: int = 4
  scales: int = 2
  comparisons: int = 4
  less: float = 0.7
  council_start: int = 0
  focus_start: int = 0
  speaker: int = 0
  style_seed: int = 0
  dtype: Any = jnp.float32

  def setup(self):
    sizes = self.width, self.blocks, self.channels, self.hidden, self.masks, self.dtype
    judging = self.d_width, self.d_layers, self.scales, self.dtype
    self.generator = stacked(Generator, self.members)(*sizes)
    self.discriminator = stacked(MultiScale, self.members, 0)(*judging, 'zero')
    self.councillor = stacked(Councillor, self.members, 0)(*judging)
    ones = functools.partial(jnp.ones, (self.members, REMEMBERED))
    self.history = {name: self.variable('history', name, ones) for name in ('adversarial', 'council')}

  def styles(self, images: Array) -> Array:
    """[B, S] of N(0, I), the same for all members."""
    return jax.random.normal(self.make_rng('noise'), (len(images), self.style_size))

  def each(self, images: Array) -> Array:
    """The same images for each member: [members, B, ...]."""
    return jnp.broadcast_to(images[None], (self.members, *images.shape))

  def remember(self, name: str, losses: Array, now: Array | bool = True):
    """Adds the members' losses [members] to their history, and forgets the oldest; if `now`."""
    history = self.history[name]
    if self.is_mutable_collection('history') and not self.is_initializing():
      later = jnp.concatenate([history.value[:, 1:], stop_gradient(losses)[:, None]], 1)
      history.value = jnp.where(now, later, history.value)

  def ratio(self) -> Array:
    """w_match of each member: constants [members]."""
    mean = lambda name: self.history[name].value.mean(1)  # noqa: E731
    return mean('adversarial') / mean('council')

  def member(self, i: int, images: Array, style: Array) -> Array:
    """Translations by one member alone."""
    _, variables = self.generator.unbind()
    own = jax.tree.map(lambda x: x[i], variables)
    sizes = self.width, self.blocks, self.channels, self.hidden, self.masks, self.dtype
    return Generator(*sizes, parent=None).apply(own, images, style)[0]


def squares(logits: list[Array], target: float) -> Array:
  """mean (logits - target)^2 of maps [members, B, h, w, 1], summed over the scales: [members]."""
  return sum(jnp.square(f32(x) - target).mean((1, 2, 3, 4)) for x in logits)


def opponents(key: Array, members: int, count: int) -> Array:
  """For each member `count` others: all of them in a drawn order, then again; int [members, count]."""

  def of(key, i):
    rounds = jax.random.split(key, -(-count // (members - 1)))
    drawn = jnp.concatenate([jax.random.permutation(k, members - 1) for k in rounds])[:count]
    return drawn + (drawn >= i)

  return jax.vmap(of)(jax.random.split(key, members), jnp.arange(members))


def discriminate(gan: Council, real: Pair) -> Losses:
  """Tell each member's translations from images of b."""
  fake, _ = stop_gradient(gan.generator(real.a, gan.styles(real.a)))
  on_fake, on_real = gan.discriminator(fake), gan.discriminator(gan.each(real.b))
  return {'adversarial': (squares(on_fake, 0) + squares(on_real, 1)).sum()}


def convene(gan: Council, real: Pair) -> Losses:
  """Tell each member's translations from the other members'."""

  def council():
    style, count = gan.styles(real.a), min(gan.comparisons, gan.members)
    own, _ = stop_gradient(gan.generator(real.a, style))
    others, _ = stop_gradient(gan.generator(real.a, gan.less * style))
    chosen = others[opponents(gan.make_rng('noise'), gan.members, count)]
    chosen = chosen.reshape(gan.members, -1, *chosen.shape[3:])  # comparisons join the batch
    source = gan.each(real.a)
    repeated = jnp.tile(source, (1, count, 1, 1, 1))
    on_own, on_others = gan.councillor(own, source), gan.councillor(chosen, repeated)
    return count / gan.comparisons * (squares(on_own, 0) + squares(on_others, 1)).sum()

  return {'council': council}


def translate(gan: Council, real: Pair) -> Losses:
  """Look like an image of b, and like what the other members make."""
  fake, masks = gan.generator(real.a, gan.styles(real.a))
  adversarial = squares(gan.discriminator(fake), 1)
  gan.remember('adversarial', adversarial)

  def council():
    started = clock(gan) >= gan.council_start
    losses = squares(gan.councillor(fake, gan.each(real.a)), 1)
    gan.remember('council', losses, started)
    return (gan.ratio() * losses).sum() * started

  def focus(loss):
    return lambda: jax.vmap(loss)(masks).sum() * (clock(gan) > gan.focus_start)

  return {
    'adversarial': adversarial.sum(),
    'council': council,
    'mask_total': focus(mask_total),
    'mask_binary': focus(mask_binary),
    'mask_edges': focus(mask_edges),
  }


def mask_total(masks: Array) -> Array:
  """The squared mean of masks [B, H, W, K]: little is to change."""
  return jnp.square(masks.mean())


def mask_binary(masks: Array) -> Array:
  """mean 1 / (|mask - 1/2| + 0.01): a pixel is changed, or it is not."""
  return (1 / (jnp.abs(masks - 0.5) + 0.01)).mean()


def mask_edges(masks: Array) -> Array:
  """Differences between neighbouring pixels, over the number of pixels: total variation."""
  down, across = (jnp.abs(jnp.diff(masks, axis=axis)).sum() for axis in (1, 2))
  return (down + across) / masks.size


def build(config: ConfigDict) -> Council:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, losses = config.model, config.losses
  check_multiple(image_shape(config), 4, 'the generators halve it twice')
  if model.members < 2:
    raise UserError(f'model.members={model.members}: a council has at least 2.')
  if not 0 <= model.speaker < model.members:
    raise UserError(f'model.speaker={model.speaker} is no member: there are 0 to {model.members - 1}.')
  return Council(
    channels=config.image_channels,
    less=losses.less,
    council_start=config.window.get('convene', (0, 0))[0],
    focus_start=losses.focus_start,
    dtype=jnp.dtype(config.compute_dtype),
    **model.to_dict(),
  )


def sample(gan: Council, real: Pair) -> OrderedDict[str, Array]:
  """The columns of a sample grid: what each member makes in one style, and the mean of its masks."""
  made, masks = gan.generator(real.a, own_styles(real.a, gan.style_size, gan.style_seed))
  members = {f'member_{i}': image for i, image in enumerate(made)}
  return OrderedDict(input=real.a, **members, mask=masks[0].mean(-1))


def translate_images(gan: Council, images: Array, target: str) -> Array:
  """Images [B, H, W, C] in [-1, 1] of domain a as the speaker shows them in b, the only target."""
  return gan.member(gan.speaker, images, own_styles(images, gan.style_size, gan.style_seed))


METHOD = Method(
  batch=Pair,
  objectives={'discriminate': discriminate, 'convene': convene, 'translate': translate},
  build=build,
  sample=sample,
  translate=translate_images,
  targets=('b',),
)
