"""A classifier: one network and one loss, which config.losses.classify chooses.

  phase  loss      trains       what happens
  learn  classify  classifier   tells the classes of examples apart (losses/classification)
  learn  robust    classifier   the same of examples that an adversary moved (losses/attacks.py)

The group `classifier` is the trunk with its heads, one for each attribute; `config.parts` takes the
centres or the bias out of it, where they are to be trained by a rule of their own. An example's loss is
the sum over the attributes, and a batch's the mean over examples.

The adversary of `robust` raises the cross-entropy of the network's scores, whatever the loss is. It sees
the network in evaluation mode: without dropout, normalised by running averages, which it leaves as they
are; no gradient leads through what it does.

`config.model.label_space` names the attribute that says which data set an example is from, where several
are joined whose classes differ; `config.model.known.<value>` are the classes that this data set labels.
All others are then targets of -1: not labelled.
"""

import dataclasses
from collections import OrderedDict
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError, listing
from decoupled_gan.losses import attacks, classification
from decoupled_gan.losses.classification import Classification, targets_of
from decoupled_gan.losses.classification.answer import cross_entropy
from decoupled_gan.networks.classifier import Classifier, trunk


class Answered(NamedTuple):
  """What a classifier says of one attribute: features [B, F], and logits [B, K] or None."""

  features: Array
  logits: Array | None


class Classify(nn.Module):
  """`classifier`: examples -> (features, an Answer for each of `attributes`).

  Attributes:
    loss: what the heads are made for.
    attributes: the names of what is told apart, sorted.
    columns: where each stands among the labels.
    adversary: what moves the examples of `robust`; None: nobody.
    space: the column that says which data set an example is from; -1: all are from one.
    known: for each data set, whether it labels each class.
  """

  classifier: Classifier
  loss: Classification
  attributes: tuple[str, ...]
  columns: tuple[int, ...]
  adversary: attacks.Attack | None = None
  space: int = -1
  known: tuple[tuple[bool, ...], ...] = ()

  def error(self, x: Array, labels: Array) -> Array:
    """The mean loss of examples under labels int32 [B, K]."""
    asked = [self.asked(labels, column) for column in self.columns]
    return self.classifier.error(x, asked, self.make_rng('noise'))

  def asked(self, labels: Array, column: int) -> Array:
    """Labels int32 [B] of one attribute, or its targets [B, K] where data sets differ in classes."""
    own = labels[:, column]
    if self.space < 0:
      return own
    known = jnp.asarray(self.known)[labels[:, self.space]]
    return jnp.where(known, targets_of(own, known.shape[-1]), -1)

  def attacked(self, x: Array, labels: Array, key: Array, adversary: attacks.Attack) -> Array:
    """Examples near x that the network, as it is, is most wrong about; constants."""
    if self.is_initializing():
      return x
    answers = self.pure()

    def wrong(x):
      scores = [self.loss.scores(answer) for answer in answers(x)[1]]
      columns = zip(scores, self.columns, strict=True)
      return sum(cross_entropy(z, labels[:, column]) for z, column in columns)

    return attacks.perturb(wrong, x, adversary, key)

  def pure(self):
    """The classifier as a function, in evaluation mode and with constant parameters."""
    module, variables = self.classifier.unbind()
    variables = stop_gradient(variables)
    return lambda x: module.apply(variables, x)


def learn(gan: Classify, batch: Examples) -> dict:
  """Tell classes apart: trains the classifier."""

  def classify():
    return gan.error(batch.x, batch.labels)

  def robust():
    key = gan.make_rng('noise')
    return gan.error(gan.attacked(batch.x, batch.labels, key, gan.adversary), batch.labels)

  return {'classify': classify, 'robust': robust}


def build(config: ConfigDict) -> Classify:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  names, space = sorted(config.attributes), config.model.label_space
  if space and space not in names:
    raise UserError(f'model.label_space={space!r} is no attribute; there are {listing(names)}.')
  own = [name for name in names if name != space]
  if not own or any(len(config.attributes[name]) < 2 for name in own):
    raise UserError(
      'a classifier needs an attribute with two values or more: a data set with labels, such as the '
      'word labelled_digits, or config.attributes.<name> = (names of its values).'
    )
  loss = classification.choose(config.losses)
  adversary = attacks.from_config(config.losses.attack, images=not config.vector_size)
  _check_robust(config, loss, adversary)
  model = config.model
  if model.tied and (model.backbone != 'pairs' or loss.initial_bias(2) is not None):
    raise UserError(
      'model.tied makes the embedding of the backbone `pairs` the centres of the classes: it goes with '
      'that and with a loss without a bias, such as harmonic.'
    )
  counts = tuple(len(config.attributes[name]) - config.data.held_out for name in own)
  return Classify(
    classifier=Classifier(trunk(config), counts, loss, model.dropout, model.activate, model.tied),
    loss=loss,
    attributes=tuple(own),
    columns=tuple(map(names.index, own)),
    adversary=adversary,
    space=names.index(space) if space else -1,
    known=_known(config, own) if space else (),
  )


def _check_robust(config: ConfigDict, loss: Classification, adversary):
  if 'robust' in config.routes.learn and adversary is None:
    raise UserError('routes.learn.robust needs an adversary: losses.attack.steps is 0.')
  if adversary is not None and not loss.has_classes:
    raise UserError(
      f'losses.classify={config.losses.classify!r} has no classes of its own that an adversary could '
      'confuse: set losses.attack.steps to 0.'
    )


def _known(config: ConfigDict, own: list[str]) -> tuple[tuple[bool, ...], ...]:
  """For each value of the label space, which classes of the one attribute it labels."""
  space = config.model.label_space
  if len(own) != 1:
    raise UserError(
      f'model.label_space={space!r} goes with one other attribute; there are {listing(own)}.'
    )
  classes, rows = tuple(config.attributes[own[0]]), []
  for value in config.attributes[space]:
    given = tuple(config.model.known.get(value, ()))
    wrong = [name for name in given if name not in classes]
    if wrong or not given:
      raise UserError(
        f'model.known.{value} has to name the classes that {space} {value!r} labels, among '
        f'{listing(classes, 30)}; it has {listing(given, 30)}.'
      )
    rows.append(tuple(name in given for name in classes))
  return tuple(rows)


def classify(gan: Classify, x: Array) -> dict[str, Answered]:
  """{attribute: what the classifier says of it} for examples, in evaluation mode."""
  features, answers = gan.classifier(x)
  scores = map(gan.loss.scores, answers)
  return {name: Answered(features, z) for name, z in zip(gan.attributes, scores, strict=True)}


def attack(gan: Classify, x: Array, labels: Array, steps: int) -> Array:
  """Examples as the run's adversary moves them under labels [B, K], in `steps` steps."""
  adversary = dataclasses.replace(gan.adversary, steps=steps)
  return gan.attacked(x, labels, gan.make_rng('noise'), adversary)


def sample(gan: Classify, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: images and how much each pixel matters to the answer, |dL/dx|.

  With an adversary also what it makes of them. Of points, one heat map: an example a row, a class (or a
  feature, where a loss has no classes) a column.
  """
  features, answers = gan.classifier(batch.x)
  scores = gan.loss.scores(answers[0])
  if batch.x.ndim == 2:
    shown = features if scores is None else jax.nn.softmax(scores)
    return OrderedDict(answers=shown[None])
  pure = gan.pure()

  def certainty(x):
    features, answers = pure(x)
    scores = gan.loss.scores(answers[0])
    return jnp.square(features).sum() if scores is None else jax.nn.log_softmax(scores).max(-1).sum()

  columns = OrderedDict(input=batch.x, matters=jnp.abs(jax.grad(certainty)(batch.x)).sum(-1))
  if gan.adversary is not None:
    columns['attacked'] = gan.attacked(batch.x, batch.labels, jax.random.key(0), gan.adversary)
  return columns


def lacks(gan: Classify) -> dict[str, str]:
  """Without an adversary nothing is attacked."""
  told = 'this classifier has no adversary (losses.attack.steps is 0)'
  return {} if gan.adversary else {'attack': told}


METHOD = Method(
  batch=Examples,
  objectives={'learn': learn},
  build=build,
  sample=sample,
  classify=classify,
  attack=attack,
  lacks=lacks,
)
