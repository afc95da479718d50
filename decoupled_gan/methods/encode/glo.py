"""GLO: Optimizing the Latent Space of Generative Networks (Bojanowski et al., ICML 2018).

No discriminator: each training image has a code of its own, learned with the generator.

  phase        trains                what happens
  reconstruct  generator, latents    min mean_i l(G(z_i), x_i), z_i in the unit ball

`latents` is a group that is no network: a table with a row for each training example, which
`config.data.index` names in a batch. Only the batch's rows move and are brought into the ball; all
others stay to the bit (optimizer_of.latents: sparse_rows, unit_ball). l is the row that the table has:
`laplacian`, the paper's, or `mse`. After training, latents are drawn from a Gaussian with the mean and
the covariance of the codes.

*Where we differ*: codes start as N(0, 1) brought into the ball, where the paper starts at the images'
principal components. Latents that are drawn are not brought into the ball (the paper does not say).
"""

from collections import OrderedDict

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.core.method import Event, Method
from decoupled_gan.core.optim import unit_ball
from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError
from decoupled_gan.losses import pixels, pyramid
from decoupled_gan.networks import backbones
from decoupled_gan.networks.backbones import staged


class GLO(nn.Module):
  """`generator`: codes [B, z_dim] -> examples; `latents`: [count, z_dim]."""

  generator: nn.Module
  count: int
  z_dim: int

  def setup(self):
    def start(key):
      return unit_ball(jax.random.normal(key, (self.count, self.z_dim)))

    self.latents = self.param('latents', start)


def reconstruct(gan: GLO, batch: Examples) -> dict:
  """Draw each training image from its own code: trains both."""
  drawn = gan.generator(gan.latents[batch.index])
  return {
    'laplacian': lambda: pyramid.laplacian(drawn, batch.x),
    'mse': lambda: pixels.mse(drawn, batch.x),
  }


def build(config: ConfigDict) -> GLO:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model = config.model
  if not config.data.index:
    raise UserError('method=glo needs config.data.index=True: which code is which example drawn from?')
  if staged.counts_of(config):
    raise UserError('method=glo has no labels: leave config.attributes empty and data.clusters=0.')
  generator = backbones.choose(config).generator(config)
  return GLO(staged.referenced(generator, config, unit_ball), model.examples, model.z_dim)


def counted(config: ConfigDict, dataset) -> np.ndarray:
  """How many codes there are; raises UserError unless that is how many examples there are."""
  found = len(dataset.train.x)
  if found != config.model.examples:
    raise UserError(
      f'model.examples={config.model.examples}: there is a code for each training example, and these '
      f'data have {found}. Set --config.model.examples={found}.'
    )
  return np.int32(found)


def style(gan: GLO, z: Array, truncation: float) -> Array:
  """Codes [B, z_dim] of the Gaussian that fits the learned ones, for standard normal z."""
  mean = gan.latents.mean(0)
  away = gan.latents - mean[None]
  covariance = away.T @ away / max(1, gan.count - 1) + 1e-8 * jnp.eye(gan.z_dim)
  return mean[None] + truncation * z @ jnp.linalg.cholesky(covariance).T


def draw(gan: GLO, codes: Array, noise: str) -> Array:
  """Examples of codes; `noise` is of no use here."""
  return gan.generator(codes)


def cut(gan: GLO, x: Array, labels: None, upto: str | None, from_: str | None) -> Array:
  """The generator between two of its stages."""
  return gan.generator(x, upto=upto, from_=from_)


def sample(gan: GLO, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: drawings of new codes, and of the first training images' codes."""
  z = jax.random.normal(jax.random.key(0), (2, len(batch.x), gan.z_dim))
  drawn = [draw(gan, style(gan, y, 1.0), 'none') for y in z]
  own = gan.generator(gan.latents[: len(batch.x)])
  return OrderedDict(test=batch.x, generated=drawn[0], more=drawn[1], training=own)


METHOD = Method(
  batch=Examples,
  objectives={'reconstruct': reconstruct},
  build=build,
  sample=sample,
  style=style,
  draw=draw,
  cut=cut,
  events=(Event('count', lambda run, state, dataset, step: (state, dataset), counted),),
)
