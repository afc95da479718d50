"""BigBiGAN: Large Scale Adversarial Representation Learning (Donahue and Simonyan, NeurIPS 2019).

arXiv 1907.02544.

BiGAN whose discriminator gives three scores of a pair: of the example s_x, of the latents s_z, of both
s_xz. With y = +1 for (x, E(x)) and -1 for (G(z), z):

  phase         trains              loss
  discriminate  discriminator       each score's hinge, max(0, 1 - y s): one for each, not of their sum
  embed         encoder, generator  y (s_x + s_z + s_xz)

Rows: joint, unary_image and unary_latent. E must lower the scores of real pairs. In `embed` the row
unary_image is constant for the encoder and unary_latent for the generator: cells that the recipe leaves
out. The paper's ablations are rows that are not there. The encoder may be stochastic, reparametrised.

*Where we differ*: networks of BiGAN's size (networks/joint.py), not BigGAN and ResNet-50.
"""

import dataclasses

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array, Examples
from decoupled_gan.methods.encode import bigan
from decoupled_gan.networks import joint
from decoupled_gan.networks.joint import Scores

ROWS = {'unary_image': 'image', 'unary_latent': 'latent', 'joint': 'joint'}
"""Loss -> the score that it is of."""


class BigBiGAN(bigan.BiGAN):
  """As BiGAN; the discriminator gives Scores."""

  def scores(self, x: Array) -> tuple[Scores, Scores]:
    """On the pairs (x, E(x)) and (G(z), z)."""
    z, code = self.latents(len(x)), self.encoder(x).sample(self.make_rng('noise'))
    return self.discriminator(x, code), self.discriminator(self.generator(z), z)


def hinge(real: Array, fake: Array) -> Array:
  """max(0, 1 - y s), halves added, each a mean over its pairs."""
  return jax.nn.relu(1 - real).mean() + jax.nn.relu(1 + fake).mean()


def embedding(real: Array, fake: Array) -> Array:
  """y s, halves added: what encoder and generator minimise."""
  return real.mean() - fake.mean()


def _by_score(loss, real: Scores, fake: Scores) -> dict:
  def thunk(score: str):
    return lambda: loss(getattr(real, score), getattr(fake, score))

  return {row: thunk(score) for row, score in ROWS.items()}


def discriminate(gan: BigBiGAN, batch: Examples) -> dict:
  """Tell the two kinds of pairs apart: trains the discriminator."""
  return _by_score(hinge, *gan.scores(batch.x))


def embed(gan: BigBiGAN, batch: Examples) -> dict:
  """Make the two kinds of pairs alike: trains encoder and generator."""
  return _by_score(embedding, *gan.scores(batch.x))


def build(config: ConfigDict) -> BigBiGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, dtype = config.model, jnp.dtype(config.compute_dtype)
  bounded = model.prior == 'uniform'
  return BigBiGAN(
    **bigan.fields(config),
    encoder=joint.Encoder(model.z_dim, model.width, bounded, model.stochastic, dtype),
    discriminator=joint.ScoringDiscriminator(model.width, dtype),
  )


METHOD = dataclasses.replace(
  bigan.METHOD, objectives={'discriminate': discriminate, 'embed': embed}, build=build
)
