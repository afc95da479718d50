"""Losses of classes that class-conditional GANs brought: between examples of a batch, and hinges.

  contrastive   2C         Kang and Park (ContraGAN), NeurIPS 2020, arXiv 2006.12681, eq. 8
  d2dce         D2D-CE     Kang et al. (ReACGAN), NeurIPS 2021, arXiv 2111.01118, eq. 6
  multi_hinge   MHGAN      Kavalerov, Czaja, Chellappa, WACV 2021, arXiv 1912.04216, eq. 6
  class_hinge   --hinge    Hou et al., adcgan and ssgan-la on GitHub (ICML 2022, NeurIPS 2021)

Features e are embeddings and centres p proxies of the classes; both are normalised here. A batch of one
class has a loss of exactly 0 under contrastive and d2dce, and neither does it move anything.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array
from decoupled_gan.losses.classification.answer import (
  Answer,
  Classification,
  OfLogits,
  index_of,
  is_true,
  picked,
)
from decoupled_gan.losses.classification.centres import unit


@dataclass(frozen=True)
class OfPairs(Classification):
  """A loss of the cosines of embeddings with one another and with the proxies of the classes."""

  embeds: ClassVar[bool] = True

  def pairs(self, answer: Answer, labels: Array) -> tuple[Array, Array, Array, Array]:
    """Cosines with the own proxy [B] and of pairs [B, B], and which pairs are others, of one class."""
    labels, e = index_of(labels), unit(answer.features)
    with_proxy = (e * unit(answer.centres)[labels]).sum(-1)
    other = ~jnp.eye(len(e), dtype=bool)
    return with_proxy, e @ e.T, other, labels[:, None] == labels[None]

  def scores(self, answer: Answer) -> Array:
    return unit(answer.features) @ unit(answer.centres).T


@dataclass(frozen=True)
class Contrastive(OfPairs):
  """-ln of the share of the own proxy and of the class's other examples among proxy and all others."""

  temperature: float = 1.0

  def __call__(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    proxy, pairs, other, same = self.pairs(answer, labels)
    whole = _with_first(proxy / self.temperature, pairs / self.temperature, other)
    own = _with_first(proxy / self.temperature, pairs / self.temperature, other & same)
    return jax.nn.logsumexp(whole, -1) - jax.nn.logsumexp(own, -1)


@dataclass(frozen=True)
class DataToData(OfPairs):
  """a + ln(exp(-a) + sum over examples of other classes of exp(relu(q) - M)).

  a = relu(m - cos(e_i, p_i)) / t, q = (cos(e_i, e_j) + m - 1) / t, M = max_j q over all j != i.

  The paper has no M. The code subtracts it from one summand of the logarithm and not from the other,
  which makes another loss of it; published numbers come from the code. `exact=True` is the paper's.
  """

  temperature: float = 0.5
  margin: float = 0.98
  exact: bool = False

  def __call__(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    proxy, pairs, other, same = self.pairs(answer, labels)
    a = jax.nn.relu(self.margin - proxy) / self.temperature
    q = (pairs + self.margin - 1) / self.temperature
    most = stop_gradient(jnp.where(other, q, -jnp.inf).max(-1, keepdims=True))
    most = jnp.where(jnp.isfinite(most) & (not self.exact), most, 0)
    return a + jax.nn.logsumexp(_with_first(-a, jax.nn.relu(q) - most, ~same), -1)


def _with_first(first: Array, rest: Array, which: Array) -> Array:
  """[B] and those of [B, K] that count, the others as -inf: [B, 1 + K]."""
  return jnp.concatenate([first[:, None], jnp.where(which, rest, -jnp.inf)], -1)


@dataclass(frozen=True)
class MultiHinge(OfLogits):
  """relu(1 + the largest wrong logit - the true one): Crammer and Singer's hinge."""

  def each(self, logits: Array, labels: Array) -> Array:
    wrong = jnp.where(is_true(logits, labels), -jnp.inf, logits).max(-1)
    return jax.nn.relu(1 + wrong - picked(logits, labels))


@dataclass(frozen=True)
class ClassHinge(OfLogits):
  """The mean over the wrong classes of relu(1 + z_k - z_y); a generator's has no bound at 0."""

  def each(self, logits: Array, labels: Array) -> Array:
    return self._mean(jax.nn.relu(1 + self._over(logits, labels)), labels)

  def rising(self, answer: Answer, labels: Array, key: Array | None = None) -> Array:
    over = self._over(self.scores(answer), labels)
    return self._mean(over, labels)

  def _over(self, logits: Array, labels: Array) -> Array:
    return logits - picked(logits, labels)[:, None]

  def _mean(self, values: Array, labels: Array) -> Array:
    return jnp.where(is_true(values, labels), 0, values).sum(-1) / (values.shape[-1] - 1)
