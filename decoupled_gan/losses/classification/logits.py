"""Losses of logits z [B, K]: what a linear layer says of each class.

  squentropy   row 29   Hui, Belkin, Wright, ICML 2023, arXiv 2302.03952
  null_bce     row 69   Kim et al. (UniSeg), ECCV 2022, arXiv 2202.14030
  sovr         row 81   Kanai et al., ICML 2023, arXiv 2207.10283
  z_loss       row 100  de Brebisson and Vincent, 2016, arXiv 1604.08859
  encouraging  row 113  Zhao et al., AAAI 2022, arXiv 2110.06537
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array
from decoupled_gan.losses import f32
from decoupled_gan.losses.classification.answer import (
  OfLogits,
  cross_entropy,
  index_of,
  is_true,
  picked,
  targets_of,
)

softplus = jax.nn.softplus


@dataclass(frozen=True)
class CrossEntropy(OfLogits):
  """-ln softmax(z)_y."""

  def each(self, logits: Array, labels: Array) -> Array:
    return cross_entropy(logits, labels)


@dataclass(frozen=True)
class Squentropy(OfLogits):
  """Cross-entropy + 1/(K-1) sum over the wrong classes of z^2 (eq. 1); nothing to tune.

  The true logit is not squared. Unlike cross-entropy, it notices a constant added to all logits.
  """

  def each(self, logits: Array, labels: Array) -> Array:
    wrong = jnp.where(is_true(logits, labels), 0, jnp.square(logits)).sum(-1)
    return cross_entropy(logits, labels) + wrong / (logits.shape[-1] - 1)


@dataclass(frozen=True)
class NullBCE(OfLogits):
  """A binary cross-entropy for each class that the example's data set labels; none for the others.

  Where data sets with label spaces of their own are joined, softmax would push down every class that
  they do not share. Targets of -1 are such classes: neither value nor gradient comes of them.

  `relations` [K][K] in [0, 1] makes it the class-relational loss: an example of class y has at least
  target relations[y][k] for k as well, whether its data set labels k or not, so that a motorcyclist of
  one counts as a rider of the other (see `related`).

  *Where we differ*: we could not find the paper's normalisation, nor its threshold of relations. Here
  the mean over a batch is the mean over all its labelled (example, class) pairs; relations are given.
  """

  relations: tuple[tuple[float, ...], ...] = ()

  def each(self, logits: Array, labels: Array) -> Array:
    targets = targets_of(labels, logits.shape[-1])
    if self.relations:
      also = jnp.asarray(self.relations, jnp.float32)[index_of(labels)]
      targets = jnp.where(also > 0, jnp.maximum(targets, also), targets)
    known = targets >= 0
    losses = jnp.where(known, targets * softplus(-logits) + (1 - targets) * softplus(logits), 0)
    return losses.sum(-1) * len(logits) / jnp.maximum(known.sum(), 1)


def related(scores: Array, labels: Array, threshold: float) -> Array:
  """Relations float32 [K, K] of 0 and 1: which classes answer, on average, to examples of each class.

  Args:
    scores: [N, K], of a cosine classifier.
    labels: int32 [N].
    threshold: mean scores above it are relations. A class is always related to itself.
  """
  of = jax.nn.one_hot(labels, scores.shape[-1])
  means = of.T @ f32(scores) / jnp.maximum(of.sum(0), 1)[:, None]
  return jnp.maximum(f32(means > threshold), jnp.eye(len(means)))


@dataclass(frozen=True)
class SOVR(OfLogits):
  """One-vs-rest for the `share` of a batch with the smallest margins, cross-entropy for the others.

  The margin is z_y - max over the others of z, and who has the smallest is no matter of gradients. Made
  for adversarial training: the logits are to be those of attacked examples (losses/attacks.py).

  *Where we differ*: the paper tunes share and weight for each network; (0.4, 0.4) is the middle of what
  is reported for ResNet-18 on CIFAR-10, not a value of the paper that we could check.
  """

  share: float = 0.4
  weight: float = 0.4

  def each(self, logits: Array, labels: Array) -> Array:
    count = round(self.share * len(logits))
    hardest = jnp.argsort(stop_gradient(margin(logits, labels)))[:count]
    hard = jnp.zeros(len(logits), bool).at[hardest].set(True)
    return jnp.where(hard, self.weight * one_vs_rest(logits, labels), cross_entropy(logits, labels))


def margin(logits: Array, labels: Array) -> Array:
  """z_y - max over the other classes of z, [B]: positive where the answer is right."""
  others = jnp.where(is_true(logits, labels), -jnp.inf, logits)
  return picked(logits, labels) - others.max(-1)


def one_vs_rest(logits: Array, labels: Array) -> Array:
  """softplus(-z_y) + sum over the other classes of softplus(z), [B]."""
  return softplus(jnp.where(is_true(logits, labels), -logits, logits)).sum(-1)


@dataclass(frozen=True)
class ZLoss(OfLogits):
  """1/a softplus(a (b - z)), z the true logit standardised over the K logits of its example (eq. 3).

  Shift and scale of the logits are no matter. z is at most sqrt(K-1), where all others are equal.

  *Where we differ*: a and b are tuned for each task in the paper. b = None is 0.7 sqrt(K-1), a target
  that can be reached, with a = 1: our choice for tens of classes; for a thousand, a = 0.1 and b = 10.
  The variance gets 1e-6, since logits of a fresh head may all be alike.
  """

  a: float = 1.0
  b: float | None = None

  def each(self, logits: Array, labels: Array) -> Array:
    b = 0.7 * math.sqrt(logits.shape[-1] - 1) if self.b is None else self.b
    centred = logits - logits.mean(-1, keepdims=True)
    z = centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-6)
    return softplus(self.a * (b - picked(z, labels))) / self.a


@dataclass(frozen=True)
class Encouraging(OfLogits):
  """-ln p_y + ln(1 - p_y), the second term going on as its tangent from p_y = `log_end` on.

  Below it the derivative by z_y is exactly -1, however well an example is classified already. 0.75 is
  the default of the official code, 0.5 its careful and 1 its plain form. The loss of sure answers is
  negative.

  *Where we differ*: the official code takes ln max(1 - p, 1e-5), which ends the push above p = 1 - 1e-5;
  here ln(1 - p) comes from the other logits and is exact. With log_end < 1 both are the same.
  """

  log_end: float = 0.75

  def each(self, logits: Array, labels: Array) -> Array:
    others = jnp.where(is_true(logits, labels), -jnp.inf, logits)
    log_p = picked(jax.nn.log_softmax(logits), labels)
    bonus = jax.nn.logsumexp(others, -1) - jax.nn.logsumexp(logits, -1)
    if self.log_end < 1:
      p, rest = jnp.exp(log_p), 1 - self.log_end
      bonus = jnp.where(p > self.log_end, math.log(rest) - (p - self.log_end) / rest, bonus)
    return bonus - log_p
