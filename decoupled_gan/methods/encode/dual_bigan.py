"""Dual-encoder BiGAN: anomalies told by a BiGAN with a second encoder (Budianto et al., 2020).

arXiv 2012.11834. Trained on normal examples only. A BiGAN is to give a normal example back and an
abnormal one not; its own losses do not make it, since nothing holds G(E(x)) to x ("bad cycle
consistency"). The second encoder, `re_encoder`, codes what was given back.

  phase    loss     trains                           with e = E(x)
  contest  joint    discriminator                    as in BiGAN, see bigan.py
           swapped  encoder, generator
           cycle    encoder, generator               mean |x - G(e)|
           latent   encoder, generator, re_encoder   mean (e - R(G(e)))^2

The score of an example, which is to be large where it is unlike the training examples:

  share |x - G(e)|_1 + (1 - share) extra       sums over what an example has
  extra 'feature': |f(x, e) - f(G(e), e)|_1, f the discriminator's last hidden layer
        'latent':  |e - R(G(e))|_1

*Where we differ*: of the paper the abstract and the introduction were at hand, and no official code.
Two encoders, trained with generator and discriminator at the same time on normal data, for the sake of
cycle consistency: that much is the paper's. What the second encoder is shown and asked, the weights, the
score and the networks are ours, of parts whose sources are known: re-encoding is GANomaly's (Akcay et
al., ACCV 2018), the score with `feature` and its share 0.9 EGBAD's (Zenati et al., arXiv 1802.06222, w =
0.1).
"""

import dataclasses
import functools

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError, listing
from decoupled_gan.losses import pixels
from decoupled_gan.methods.encode import bigan
from decoupled_gan.networks import joint

EXTRAS = ('feature', 'latent')


class DualBiGAN(bigan.BiGAN):
  """As BiGAN; `re_encoder`: examples -> Code of what was given back.

  Attributes:
    extra: of EXTRAS, what the score has beside the distance of examples.
    share: of that distance in the score.
  """

  re_encoder: nn.Module
  extra: str
  share: float


def contest(gan: DualBiGAN, batch: Examples) -> dict:
  """BiGAN's game, and examples given back: trains all four at once."""
  code = gan.encoder(batch.x).mean

  @functools.cache
  def rebuilt() -> Array:
    return gan.generator(code)

  return {
    **bigan.of_pairs(gan, batch.x, code),
    'cycle': lambda: pixels.l1(rebuilt(), batch.x),
    'latent': lambda: pixels.mse(gan.re_encoder(rebuilt()).mean, code),
  }


def detect(gan: DualBiGAN, x: Array) -> Array:
  """The score of each example, [B]."""
  code = gan.encoder(x).mean
  rebuilt = gan.generator(code)
  if gan.extra == 'latent':
    extra = _apart(code, gan.re_encoder(rebuilt).mean)
  else:
    extra = _apart(*(gan.discriminator(y, code, features=True) for y in (x, rebuilt)))
  return score(_apart(x, rebuilt), extra, gan.share)


def score(distance: Array, extra: Array, share: float) -> Array:
  """share distance + (1 - share) extra."""
  return share * distance + (1 - share) * extra


def _apart(x: Array, y: Array) -> Array:
  """The sum of absolute differences of each row, [B]."""
  return jnp.abs(x - y).reshape(len(x), -1).sum(1)


def build(config: ConfigDict) -> DualBiGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, dtype = config.model, jnp.dtype(config.compute_dtype)
  if model.score_extra not in EXTRAS:
    raise UserError(f'model.score_extra={model.score_extra!r} is unknown; there are {listing(EXTRAS)}.')
  if model.score_extra == 'latent' and 'latent' not in config.routes.contest:
    raise UserError("model.score_extra='latent' asks the second encoder, which no row latent trains.")
  bounded = model.prior == 'uniform'
  encoder = functools.partial(joint.Encoder, model.z_dim, model.width, bounded, dtype=dtype)
  return DualBiGAN(
    **bigan.fields(config),
    encoder=encoder(),
    discriminator=joint.Discriminator(model.width, dtype),
    re_encoder=encoder(),
    extra=model.score_extra,
    share=model.score_share,
  )


METHOD = dataclasses.replace(bigan.METHOD, objectives={'contest': contest}, build=build, detect=detect)
