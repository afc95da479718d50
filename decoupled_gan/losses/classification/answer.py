"""What a loss of classes looks at, and what all of them have in common."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.losses import f32

XAVIER = nn.initializers.xavier_normal(in_axis=-1, out_axis=-2)
LINEAR = nn.initializers.lecun_normal(in_axis=-1, out_axis=-2)


class Answer(NamedTuple):
  """What a head of classes says of a batch; float32.

  Attributes:
    features: [B, F].
    centres: [K, F], what each class looks for among features; None if the loss has none.
    bias: [K], or [] for one that all classes share; None if the loss has none.
  """

  features: Array
  centres: Array | None = None
  bias: Array | None = None


@dataclass(frozen=True)
class Classification:
  """A loss of classes; its fields are its constants.

  Attributes:
    embeds: whether it reads features as they are, as points of a space: a network then puts neither an
      activation nor dropout between them and the head.
    has_classes: whether it has classes of its own, whose `scores` there are.
  """

  embeds: ClassVar[bool] = False
  has_classes: ClassVar[bool] = True

  def __call__(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    """The loss of each example, [B], float32.

    Args:
      labels: int32 [B], or targets [B, K]; see the package's docstring.
      key: of what the loss draws.
    """
    raise NotImplementedError

  def rising(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    """What a generator minimises so that its examples count as `labels`, [B]; mostly the loss itself."""
    return self(answer, labels, key)

  def scores(self, answer: Answer) -> Array | None:
    """[B, K], the largest of which is the class; probabilities are their softmax. Or None."""
    raise NotImplementedError

  def initial_centres(self, key: Array, count: int, size: int) -> Array | None:
    """Centres [count, size] to begin with; None: the loss has none."""
    return LINEAR(key, (count, size))

  def initial_bias(self, count: int) -> Array | None:
    """The bias of `count` classes to begin with; None: the loss has none."""
    return None


@dataclass(frozen=True)
class OfLogits(Classification):
  """A loss of logits alone, which a linear layer with a bias makes."""

  def each(self, logits: Array, labels: Array) -> Array:
    """The loss of each example, [B], of logits float32 [B, K]."""
    raise NotImplementedError

  def __call__(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    return self.each(self.scores(answer), labels)

  def scores(self, answer: Answer) -> Array:
    return answer.features @ answer.centres.T + answer.bias[None]

  def initial_bias(self, count: int) -> Array:
    return jnp.zeros(count)


def index_of(labels: Array) -> Array:
  """int32 [B]: the labels, or the class of the largest target."""
  return labels if labels.ndim == 1 else labels.argmax(-1)


def targets_of(labels: Array, count: int) -> Array:
  """Targets float32 [B, count]: the labels' one-hots, or targets as they are."""
  return jax.nn.one_hot(labels, count) if labels.ndim == 1 else f32(labels)


def picked(values: Array, labels: Array) -> Array:
  """values [B, K] at the labels, [B]."""
  return jnp.take_along_axis(values, index_of(labels)[:, None], -1)[:, 0]


def is_true(values: Array, labels: Array) -> Array:
  """bool [B, K]: which of values [B, K] are those of the labels."""
  return jnp.arange(values.shape[-1])[None] == index_of(labels)[:, None]


def cross_entropy(logits: Array, labels: Array) -> Array:
  """-ln softmax(logits) at the labels, [B]; of targets their weighted sum, unlabelled classes as 0."""
  log_p = jax.nn.log_softmax(f32(logits))
  if labels.ndim == 1:
    return -picked(log_p, labels)
  return -(jnp.maximum(f32(labels), 0) * log_p).sum(-1)
