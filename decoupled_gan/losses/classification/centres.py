"""Losses of features and the classes' centres: their geometry is no dot product.

  sphereface2     row 71   Wen et al., ICLR 2022, arXiv 2108.01513
  margin_softmax           CosFace (Wang et al., CVPR 2018), ArcFace (Deng et al., CVPR 2019)
  partial_fc      row 89   An et al., CVPR 2022, arXiv 2203.15565
  unpg            row 90   Jung et al., BMVC 2022, arXiv 2203.11593
  harmonic        row 104  Baek, Liu, Tyagi, Tegmark, TMLR 2025, arXiv 2502.01628
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.losses.classification.answer import (
  XAVIER,
  Answer,
  Classification,
  cross_entropy,
  index_of,
  is_true,
  picked,
)

MARGINS = {'cosface': 0.4, 'arcface': 0.5}
"""Kind of margin -> its size in insightface's arcface_torch."""


def unit(x: Array) -> Array:
  """Vectors of length 1 along the last axis."""
  return x * jax.lax.rsqrt(jnp.maximum(jnp.square(x).sum(-1, keepdims=True), 1e-24))


def cosines(features: Array, centres: Array) -> Array:
  """[B, K], in [-1, 1]."""
  return jnp.clip(unit(features) @ unit(centres).T, -1, 1)


@dataclass(frozen=True)
class SphereFace2(Classification):
  """K binary classifiers of angles, each with a margin, and one bias that is learnt.

  With c_k the cosine of features and centre, g(c) = 2 ((c+1)/2)^power - 1, r the scale:
    logits  r (g(c_y) - margin) + b of the true class, r (g(c_k) + margin) + b of the others
    loss    (weight/r) (balance softplus(-l_y) + (1-balance) sum over the others of softplus(l_k))

  The gradient is the official code's (ydwen/opensphere): g and the margin are computed without one, so
  that dl/dc = r rather than r g'(c); published numbers are made so. `weight` is its factor 50.
  Constants: SFNet-20 on VGGFace2; balance 0.8, scale 64, margin 0.5 for MS1M with IResNet-100.

  *Where we differ*: the centres are normalised here rather than projected back onto the sphere after
  each step. A weight decay of the bias would undo its meaning: recipes give the head a group without
  one.
  """

  embeds: ClassVar[bool] = True
  balance: float = 0.7
  scale: float = 40.0
  margin: float = 0.4
  power: float = 3.0
  weight: float = 50.0

  def __call__(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    c = cosines(answer.features, answer.centres)
    true = is_true(c, labels)
    logits = self.scale * (c + stop_gradient(self._bent(c, true) - c)) + answer.bias
    losses = jax.nn.softplus(jnp.where(true, -logits, logits))
    return self.weight / self.scale * (losses * jnp.where(true, self.balance, 1 - self.balance)).sum(-1)

  def _bent(self, c: Array, true: Array) -> Array:
    """g(c), less the margin for the true class and more for the others."""
    g = 2 * ((c + 1) / 2) ** self.power - 1
    return g + jnp.where(true, -self.margin, self.margin)

  def scores(self, answer: Answer) -> Array:
    return self.scale * cosines(answer.features, answer.centres)

  def initial_centres(self, key: Array, count: int, size: int) -> Array:
    return XAVIER(key, (count, size))

  def initial_bias(self, count: int) -> Array:
    """Where, while all cosines are 0, the true class and the others pull equally hard."""
    z = self.balance / ((1 - self.balance) * (count - 1))
    start = 2 * 0.5**self.power - 1
    y, i = (self.scale * (start + m) for m in (-self.margin, self.margin))
    root = math.sqrt((1 - z) ** 2 + 4 * z * math.exp(y - i))
    if z > 1:  # where 1 - z + root would cancel
      return jnp.asarray(math.log((root - 1 + z) / 2) - y)
    return jnp.asarray(math.log(2 * z / (1 - z + root)) - i)


@dataclass(frozen=True)
class MarginSoftmax(Classification):
  """Cross-entropy of scale * cosines, with a margin taken off the true class's.

  'cosface': c - margin; 'arcface': cos(arccos c + margin), which is not monotone where that angle is
  beyond pi. `margin` None is 0.4 and 0.5. The derivative is exact unless `straight_through`, which is
  insightface's: there the margin is put on without a gradient, so that d logit / d cosine = scale.
  """

  embeds: ClassVar[bool] = True
  kind: str = 'cosface'
  margin: float | None = None
  scale: float = 64.0
  straight_through: bool = False

  def __post_init__(self):
    if self.kind not in MARGINS:
      raise UserError(f'kind={self.kind!r} of a margin is unknown; there are cosface and arcface.')

  def __call__(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    return cross_entropy(self.logits(cosines(answer.features, answer.centres), labels), labels)

  def logits(self, c: Array, labels: Array) -> Array:
    """Cosines [B, K] with the margin of the labels, scaled."""
    size = MARGINS[self.kind] if self.margin is None else self.margin
    if self.kind == 'cosface':
      moved = c - size
    else:
      sine = jnp.sqrt(jnp.maximum(1 - jnp.square(c), 1e-12))
      moved = c * math.cos(size) - sine * math.sin(size)
    if self.straight_through:
      moved = c + stop_gradient(moved - c)
    return self.scale * jnp.where(is_true(c, labels), moved, c)

  def scores(self, answer: Answer) -> Array:
    return self.scale * cosines(answer.features, answer.centres)

  def initial_centres(self, key: Array, count: int, size: int) -> Array:
    return 0.01 * jax.random.normal(key, (count, size))


@dataclass(frozen=True)
class PartialFC(MarginSoftmax):
  """The softmax over the classes of the batch and a sample of the others, `rate` of all in total.

  Classes outside the sample get a gradient of exactly 0. So that they do not move (nor their moments,
  nor by weight decay), their group is to have `optimizer_of.<group>.sparse_rows`, as in
  configs/partial_fc.py. rate=1 is the whole softmax. `conflict`: other classes whose cosine is above
  it count as logit 0, since they may be the same person (0.4 in the paper; 0: off).

  *Where we differ*: an array of the whole size is updated, with the rows outside the sample kept, where
  insightface gathers rows; and centres are on every device, where it splits them. A sampled row whose
  gradient underflows to 0 in float32 counts as not sampled.
  """

  rate: float = 0.1
  conflict: float = 0.0

  def __call__(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    if self.rate >= 1:
      sample, kept = jnp.arange(len(answer.centres)), jnp.ones(len(answer.centres), bool)
    else:
      sample, kept = self.sampled(index_of(labels), len(answer.centres), key)
    places = jnp.argmax(sample[None] == index_of(labels)[:, None], -1)
    c = cosines(answer.features, answer.centres[sample])
    logits = self.logits(c, places)
    if self.conflict:
      logits = jnp.where((c > self.conflict) & ~is_true(c, places), 0, logits)
    return cross_entropy(jnp.where(kept[None], logits, -jnp.inf), places)

  def sampled(self, labels: Array, count: int, key: Array) -> tuple[Array, Array]:
    """(classes int32 [n], which of them take part [n]): those of the labels, and others at random.

    n is fixed: at least the sample's size, and enough for all classes that a batch can have.
    """
    size = int(self.rate * count)
    present = jnp.zeros(count, bool).at[labels].set(True)
    rank = jax.random.uniform(key, (count,)) + 2 * present
    _, chosen = jax.lax.top_k(rank, min(count, max(size, len(labels))))
    return chosen, jnp.arange(len(chosen)) < jnp.maximum(size, present.sum())


@dataclass(frozen=True)
class UNPG(MarginSoftmax):
  """A margin softmax whose denominators also hold cosines between features of different classes.

  All pairs of the batch with different labels, the outliers filtered: cosines within `width`
  interquartile ranges of the quartiles are kept (order statistics, without interpolation). Every
  example's denominator gets the same pairs. The gradient goes into both features of a pair.
  """

  margin: float | None = 0.5
  width: float = 1.5

  def __call__(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    labels = index_of(labels)
    logits = self.logits(cosines(answer.features, answer.centres), labels)
    if len(labels) < 2:
      return cross_entropy(logits, labels)
    pairs, kept = self.negatives(answer.features, labels)
    # -1e30, not -inf, whose derivative would be NaN where no pair is kept
    more = jax.nn.logsumexp(jnp.where(kept, self.scale * pairs, -1e30))
    return jnp.logaddexp(jax.nn.logsumexp(logits, -1), more) - picked(logits, labels)

  def negatives(self, features: Array, labels: Array) -> tuple[Array, Array]:
    """(cosines of all pairs [B (B-1) / 2], which of them take part)."""
    i, j = jnp.triu_indices(len(labels), 1)
    pairs = cosines(features, features)[i, j]
    different = labels[i] != labels[j]
    fixed, count = stop_gradient(pairs), different.sum()
    ranked = jnp.sort(jnp.where(different, fixed, jnp.inf))
    first, third = (ranked[(count * k) // 4] for k in (1, 3))
    reach = self.width * (third - first)
    return pairs, different & (fixed >= first - reach) & (fixed <= third + reach)


@dataclass(frozen=True)
class Harmonic(Classification):
  """-ln p_y with p_k in proportion to d_k^-exponent, d_k the distance of features and centre k (eq. 3).

  Scaling features and centres together changes nothing, and a centre is where the loss is least.
  exponent None is sqrt(F) of F features, as the paper has it.

  *Where we differ*: the official layer (KindXiaoming/grow-crystals, DistLayer) raises *squared*
  distances plus 1e-4 to the power, so that its n is half of ours: n=28 for MNIST's 784 pixels is our
  exponent 56; `epsilon` is that 1e-4. It expands |w|^2 + |x|^2 - 2wx, which cancels in float32; we
  subtract first.
  """

  embeds: ClassVar[bool] = True
  exponent: float | None = None
  epsilon: float = 1e-12

  def __call__(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    return cross_entropy(self.scores(answer), labels)

  def scores(self, answer: Answer) -> Array:
    exponent = math.sqrt(answer.features.shape[-1]) if self.exponent is None else self.exponent
    squared = jnp.square(answer.features[:, None] - answer.centres[None]).sum(-1)
    return -exponent / 2 * jnp.log(squared + self.epsilon)

  def initial_centres(self, key: Array, count: int, size: int) -> Array:
    return jax.random.normal(key, (count, size)) / math.sqrt(size)
