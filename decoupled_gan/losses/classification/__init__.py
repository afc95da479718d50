"""Losses of classes: one interface for every network that has to tell classes apart.

CLASSIFICATION is {name: loss}; `config.losses.classify` names one wherever something classifies (the
method `classifier`, the attribute classifier of ED//GAN, a discriminator's class head), and
`config.losses.<name>.<constant>` changes its constants, which are the fields of its class and have the
paper's values. `choose` reads both.

How a network uses one, here with features [B, F] and labels int32 [B]:

  loss = classification.choose(config.losses)          in build(config); raises UserError
  head = heads.Classes(count, loss)                    a linen module: it has what the loss must learn
  answer = head(features)                              an Answer: features, centres [K, F], bias
  value = loss(answer, labels, key).mean()             [B], one number an example; reduce it as you like
  logits = loss.scores(answer)                         [B, K], whose largest is the class; None if the
                                                       loss has no classes of its own

What belongs to the classes (centres, which a linear layer calls its weights, and a bias) is a parameter
of the head, so that it is trained as a part of the network's group, or as a group of its own by
`config.parts.centres = '<network>/<path>/centres'`. The number of classes is the head's business: K + 1
(AM-GAN), 2 K (ADC-GAN) or K, and so is which labels are asked for; the same loss serves a generator,
whose images are to count as their class.

`labels` may also be targets float32 [B, K] in [0, 1], where -1 says that nobody labelled this class of
this example (UniSeg). cross_entropy and null_bce read them; other losses take the largest.

`key` is for losses that draw (partial_fc); the others leave it alone. Losses of a whole batch (sovr,
unpg, prototypical, proto_triplet, contrastive, d2dce) look at all examples of the global batch, on
however many devices.
"""

import dataclasses

from decoupled_gan.errors import UserError, listing
from decoupled_gan.losses.classification.answer import Answer, Classification, index_of, targets_of
from decoupled_gan.losses.classification.centres import (
  UNPG,
  Harmonic,
  MarginSoftmax,
  PartialFC,
  SphereFace2,
)
from decoupled_gan.losses.classification.conditional import (
  ClassHinge,
  Contrastive,
  DataToData,
  MultiHinge,
)
from decoupled_gan.losses.classification.episodes import ProtoTriplet, Prototypical
from decoupled_gan.losses.classification.logits import (
  SOVR,
  CrossEntropy,
  Encouraging,
  NullBCE,
  Squentropy,
  ZLoss,
)

__all__ = ['CLASSIFICATION', 'Answer', 'Classification', 'choose', 'index_of', 'targets_of']

CLASSIFICATION: dict[str, type[Classification]] = {
  'cross_entropy': CrossEntropy,
  'squentropy': Squentropy,
  'null_bce': NullBCE,
  'sovr': SOVR,
  'z_loss': ZLoss,
  'encouraging': Encouraging,
  'margin_softmax': MarginSoftmax,
  'sphereface2': SphereFace2,
  'partial_fc': PartialFC,
  'unpg': UNPG,
  'harmonic': Harmonic,
  'prototypical': Prototypical,
  'proto_triplet': ProtoTriplet,
  'contrastive': Contrastive,
  'd2dce': DataToData,
  'multi_hinge': MultiHinge,
  'class_hinge': ClassHinge,
}
"""Name -> loss; an instance has its constants."""


def choose(losses) -> Classification:
  """The loss that `losses.classify` names, with the constants of `losses.<name>`; `losses` is a config.

  Raises UserError for a loss or a constant that there is not.
  """
  name = losses.classify
  if name not in CLASSIFICATION:
    raise UserError(f'losses.classify={name!r} is unknown; there are {listing(CLASSIFICATION, 40)}.')
  given = losses[name].to_dict() if name in losses else {}
  known = [field.name for field in dataclasses.fields(CLASSIFICATION[name])]
  for constant in given:
    if constant not in known:
      raise UserError(f'losses.{name}.{constant}: {name} has no such constant; it has {listing(known)}.')
  return CLASSIFICATION[name](**given)
