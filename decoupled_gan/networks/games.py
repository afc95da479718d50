"""What class-conditional GANs ask of a discriminator's features: heads of classes, and their games.

`config.model.classes` names a game of GAMES, which says how many classes a head has and which of them an
example of class y counts as; the loss is `config.losses.classify`'s, any of losses/classification.

  word        outputs  real  fake       who
  ac          K        y     y          AC-GAN (Odena et al., ICML 2017)
  tac         K        y     y          TAC-GAN (Gong et al., NeurIPS 2019): fakes by a head of their own
  am          K + 1    y     K          AM-GAN (Zhou et al., ICLR 2018), MHGAN (Kavalerov et al., 2021)
  am_dynamic  K + 1    y     K          AM-GAN, whose generator raises each fake's likeliest class
  adc         2 K      2 y   2 y + 1    ADC-GAN (Hou et al., ICML 2022)

The rest is the table's: the rows `classify` and `classify_fake` (terms/classes.py), with a negative
weight where a generator is to lower what the discriminator learned of its fakes.

*Where we differ*: linear heads have a bias where the loss has one (StudioGAN's and ADC-GAN's class heads
have none), and all are spectrally normalised where the backbone is.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers.linear import Linear
from decoupled_gan.losses import classification
from decoupled_gan.losses.classification import Answer, Classification
from decoupled_gan.networks.backbones.staged import counts_of
from decoupled_gan.networks.heads import Classes, Last

ROWS = ('classify', 'classify_fake')


class Game(NamedTuple):
  """Which class an example counts as; functions of (labels y, K).

  Attributes:
    outputs: K -> how many classes a head has.
    real: of real examples, and what a generator's are to count as.
    fake: of fakes, in the row `classify_fake`.
    twin: whether fakes are told by a head of their own.
    dynamic: whether a generator raises the likeliest class rather than the label's.
  """

  outputs: Callable
  real: Callable = lambda y, k: y
  fake: Callable = lambda y, k: y
  twin: bool = False
  dynamic: bool = False


GAMES = {
  'ac': Game(lambda k: k),
  'tac': Game(lambda k: k, twin=True),
  'am': Game(lambda k: k + 1, fake=lambda y, k: jnp.full_like(y, k)),
  'am_dynamic': Game(lambda k: k + 1, fake=lambda y, k: jnp.full_like(y, k), dynamic=True),
  'adc': Game(lambda k: 2 * k, lambda y, k: 2 * y, lambda y, k: 2 * y + 1),
}


class Head(nn.Module):
  """Features [B, F], through an embedding of `embed_size` if that is not 0, to an Answer."""

  count: int
  loss: Classification
  embed_size: int
  last: Last

  @nn.compact
  def __call__(self, features: Array) -> Answer:
    features = features.astype(jnp.float32)
    if self.embed_size:
      init = self.last.kernel_init
      features = Linear(self.embed_size, True, self.last.spectral, init, name='embed')(features)
    return Classes(self.count, self.loss, self.last.spectral, name='classes')(features)


class Classifier(nn.Module):
  """The heads of a game, one for each attribute: features and labels to a loss.

  Attributes:
    game: of GAMES.
    counts: K of each attribute.
  """

  game: str
  counts: tuple[int, ...]
  loss: Classification
  embed_size: int = 0
  last: Last = Last()

  def setup(self):
    game = GAMES[self.game]
    made = lambda: [  # noqa: E731
      Head(game.outputs(k), self.loss, self.embed_size, self.last) for k in self.counts
    ]
    self.heads = made()
    self.twins = made() if game.twin else self.heads

  def answers(self, features: Array) -> list[Answer]:
    """What the heads say, one of each attribute."""
    return [head(features) for head in self.heads]

  def error(self, features: Array, labels: Array, key: Array) -> Array:
    """How wrongly features of real examples are told, a scalar; labels int32 [B, A]."""
    labelled = zip(self.answers(features), labels.T, self.counts, strict=True)
    real = GAMES[self.game].real
    return sum(self.loss(answer, real(y, k), key) for answer, y, k in labelled).mean()

  def error_on_fakes(self, features: Array, labels: Array, key: Array) -> Array:
    """How wrongly features of fakes, made under `labels`, are told as such."""
    return self._of_fakes(features, labels, key, self.loss)

  def rising(self, features: Array, labels: Array, key: Array) -> Array:
    """What a generator minimises so that its fakes count as real ones of their class."""
    game, found = GAMES[self.game], []
    for answer, y, k in zip(self.answers(features), labels.T, self.counts, strict=True):
      likeliest = lambda answer=answer, k=k: stop_gradient(self.loss.scores(answer))[:, :k].argmax(-1)  # noqa: E731
      found.append(self.loss.rising(answer, likeliest() if game.dynamic else game.real(y, k), key))
    return sum(found).mean()

  def rising_as_fakes(self, features: Array, labels: Array, key: Array) -> Array:
    """The same for counting as fakes: what it is to maximise."""
    return self._of_fakes(features, labels, key, self.loss.rising)

  def _of_fakes(self, features: Array, labels: Array, key: Array, loss: Callable) -> Array:
    answers, fake = [head(features) for head in self.twins], GAMES[self.game].fake
    labelled = zip(answers, labels.T, self.counts, strict=True)
    return sum(loss(answer, fake(y, k), key) for answer, y, k in labelled).mean()


def build(config: ConfigDict, backbone: nn.Module, counts: tuple[int, ...] = ()) -> Classifier | None:
  """The heads that the table asks for, as `backbone` wants its layers; None if it asks for none.

  Args:
    counts: of the classes, where they are not the labels'.

  Raises UserError where there is no such game, or no classes to tell.
  """
  asked = {row for rows in config.routes.values() for row in rows}
  if not asked & set(ROWS):
    return None
  model, counts = config.model, counts or counts_of(config)
  if model.classes not in GAMES:
    raise UserError(f'model.classes={model.classes!r} is unknown; there are {listing(GAMES)}.')
  if not counts or not all(counts):
    raise UserError('the row classify tells classes: name some of the data in config.attributes.')
  loss = classification.choose(config.losses)
  if not loss.has_classes:
    raise UserError(
      f'losses.classify={config.losses.classify!r} has no classes of its own, which a discriminator is '
      'to tell.'
    )
  last = getattr(backbone, 'last', Last())
  return Classifier(model.classes, counts, loss, model.embed_size, last)
