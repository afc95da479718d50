"""Losses of an episode: a few classes, some examples of each to learn from, the others to be told.

  prototypical            Snell, Swersky, Zemel, NIPS 2017, arXiv 1703.05175
  proto_triplet  row 83   Mendez-Ruiz et al., 2023, arXiv 2305.09062 (maumruiz/FSL-Loss)

Of each class of a batch the first `shots` examples are the support, whose mean is the class's prototype,
and the others are queries. `config.data.episode` makes such batches; any other batch that has more than
`shots` examples of its classes will do. There are no centres to learn: new classes are told apart by
prototypes of their own.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.losses.classification.answer import Answer, Classification, index_of

EPSILON = 1e-6  # under the roots of distances, as in the official code
NEGATIVES = ('nearest', 'mean')


class Episode(NamedTuple):
  """A batch as an episode.

  Attributes:
    squared: [B, B], of each example's features from the prototype of column j's class.
    own: bool [B, B], whether that is the example's class.
    stands: bool [B], one column for each class.
    query: bool [B].
  """

  squared: Array
  own: Array
  stands: Array
  query: Array

  @classmethod
  def of(cls, features: Array, labels: Array, shots: int) -> 'Episode':
    own = labels[:, None] == labels[None]
    rank = jnp.tril(own, -1).sum(1)  # how many of its class came before
    support = (own & (rank < shots)[None]).astype(jnp.float32)
    prototypes = support @ features / support.sum(1, keepdims=True)
    squared = jnp.square(features[:, None] - prototypes[None]).sum(-1)
    return cls(squared, own, rank == 0, rank >= shots)

  def averaged(self, losses: Array) -> Array:
    """Losses of the queries, [B], so that the mean over the batch is their mean."""
    return jnp.where(self.query, losses, 0) * len(losses) / jnp.maximum(self.query.sum(), 1)


@dataclass(frozen=True)
class Episodic(Classification):
  """A loss of prototypes: no centres."""

  embeds: ClassVar[bool] = True
  has_classes: ClassVar[bool] = False
  shots: int = 5

  def scores(self, answer: Answer) -> None:
    return None

  def initial_centres(self, key: Array, count: int, size: int) -> None:
    return None


@dataclass(frozen=True)
class Prototypical(Episodic):
  """Cross-entropy of minus the squared distances to the prototypes (eq. 2): the baseline."""

  def __call__(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    episode = Episode.of(answer.features, index_of(labels), self.shots)
    logits = jnp.where(episode.stands[None], -episode.squared, -jnp.inf)
    true = jnp.where(episode.own & episode.stands[None], logits, 0).sum(1)
    return episode.averaged(jax.nn.logsumexp(logits, 1) - true)


@dataclass(frozen=True)
class ProtoTriplet(Episodic):
  """relu(d(q, own prototype) - d(q, another) + margin), Euclidean, and the ICNN loss.

  The other prototype is the nearest, as in the official code, or with negative='mean' the distance is
  the mean over all others. `icnn` is the share of the ICNN loss, -ln of `icnn_score` over the whole
  episode of `shots` + `queries` examples a class: 0.5 is the official 'prototriplet,fullicnn', 1 its
  'fullicnn'.
  """

  queries: int = 15
  margin: float = 0.5
  negative: str = 'nearest'
  icnn: float = 0.0

  def __post_init__(self):
    if self.negative not in NEGATIVES:
      raise UserError(f'negative={self.negative!r} is unknown; there are nearest and mean.')

  def __call__(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    labels, losses = index_of(labels), jnp.zeros(len(labels))
    if self.icnn < 1:
      losses += (1 - self.icnn) * self._triplets(answer.features, labels)
    if self.icnn:
      losses -= self.icnn * jnp.log(
        icnn_score(answer.features, labels, within=self.shots + self.queries)
      )
    return losses

  def _triplets(self, features: Array, labels: Array) -> Array:
    episode = Episode.of(features, labels, self.shots)
    distances = jnp.sqrt(episode.squared + EPSILON)
    other = episode.stands[None] & ~episode.own
    own = jnp.where(episode.own & episode.stands[None], distances, 0).sum(1)
    if self.negative == 'nearest':
      apart = jnp.where(other, distances, jnp.inf).min(1)
    else:
      apart = jnp.where(other, distances, 0).sum(1) / jnp.maximum(other.sum(1), 1)
    return episode.averaged(jax.nn.relu(own - apart + self.margin))


def icnn_score(features: Array, labels: Array, neighbours: int = 4, within: int = 20) -> Array:
  """Inter- and intra-class nearest neighbours: in [0, 1], high where classes are dense and apart.

  The official `modified_score`. Over the `neighbours` nearest of each example: how near those of its own
  class are, relative to the nearest of another one among the `within` nearest; how far those of other
  classes are, relative to the farthest of them; and the share of its own class. 1 of less than three.

  Args:
    features: [N, F].
    labels: int32 [N].
    within: examples a class has in the episode.
  """
  count = len(features)
  if count < 3:
    return jnp.ones(())
  neighbours = min(neighbours, count - 2)
  within = min(max(within, neighbours), count - 1)
  squared = jnp.square(features[:, None] - features[None]).sum(-1)
  # the example itself is its own nearest, whatever rounding says
  nearest, index = jax.lax.top_k(-jnp.where(jnp.eye(count, dtype=bool), -1.0, squared), within + 1)
  distances, same = jnp.sqrt(-nearest[:, 1:] + EPSILON), labels[index[:, 1:]] == labels[:, None]
  foe = jnp.where(same, jnp.inf, distances).min(1, keepdims=True)
  distances, same = distances[:, :neighbours], same[:, :neighbours]
  relative = distances / (foe + 1e-7)
  relative = relative / jnp.maximum(relative.max(1, keepdims=True), 1)
  near = 1 - _mean_of_means(relative, same)
  foes = jnp.where(same, 0, distances)
  far = jnp.where(same.all(), 1.0, _mean_of_means(foes / (foes.max() + 1e-7), ~same))
  share = same.mean() if neighbours + 2 < count else 1.0
  return ((near + far) / 2 + share) / 2


def _mean_of_means(values: Array, chosen: Array) -> Array:
  """The mean, over the rows that have any, of the means of a row's chosen values."""
  counts = chosen.sum(1)
  means = jnp.where(chosen, values, 0).sum(1) / jnp.maximum(counts, 1)
  return means.sum() / jnp.maximum((counts > 0).sum(), 1)
