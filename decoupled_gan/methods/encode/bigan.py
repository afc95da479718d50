"""BiGAN: Adversarial Feature Learning (Donahue, Kraehenbuehl and Darrell, ICLR 2017, arXiv 1605.09782).

The same idea is ALI (Dumoulin et al., ICLR 2017). The discriminator judges pairs: an example and its
code (x, E(x)) against what was drawn and its latents (G(z), z). In equilibrium E inverts G.

  phase    loss     trains               with r = D(x, E(x)), f = D(G(z), z)
  contest  joint    discriminator        1/2 [mean softplus(-r) + mean softplus(f)]
           swapped  encoder, generator   1/2 [mean softplus(r) + mean softplus(-f)]

One phase and one forward pass: all three learn at the same parameters, as in the official code.
`swapped` has the labels exchanged for *both*: -joint, the minimax game, has no slope for E where D is
right. In `joint` a path leads through E(x) and G(z), and the table alone keeps it closed.
There is no reconstruction term; that is why reconstructions look like kin and not like copies.
"""

from collections import OrderedDict

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Examples, example_shape
from decoupled_gan.errors import UserError, listing
from decoupled_gan.methods.gan import PRIORS
from decoupled_gan.networks import joint

softplus = jax.nn.softplus


class BiGAN(nn.Module):
  """`generator`: z -> examples; `encoder`: examples -> Code; `discriminator`: of pairs.

  Attributes:
    prior_name: of PRIORS.
  """

  generator: nn.Module
  encoder: nn.Module
  discriminator: nn.Module
  z_dim: int
  prior_name: str

  def latents(self, count: int) -> Array:
    """Fresh latents [count, z_dim] of the prior."""
    return PRIORS[self.prior_name](jax.random.normal(self.make_rng('noise'), (count, self.z_dim)))


def joint_loss(real: Array, fake: Array) -> Array:
  """What the discriminator minimises, of logits on (x, E(x)) and (G(z), z)."""
  return (softplus(-real).mean() + softplus(fake).mean()) / 2


def contest(gan: BiGAN, batch: Examples) -> dict:
  """Tell the two kinds of pairs apart, and make them alike: trains all three at once."""
  return of_pairs(gan, batch.x, gan.encoder(batch.x).mean)


def of_pairs(gan: BiGAN, x: Array, code: Array) -> dict:
  """Both losses, of examples with their codes against fresh latents with what is drawn of them."""
  z = gan.latents(len(x))
  real, fake = gan.discriminator(x, code), gan.discriminator(gan.generator(z), z)
  return {'joint': joint_loss(real, fake), 'swapped': joint_loss(fake, real)}


def fields(config: ConfigDict) -> dict:
  """What methods of pairs have in common; raises UserError where fields do not fit."""
  model = config.model
  if model.prior not in PRIORS:
    raise UserError(f'model.prior={model.prior!r} is unknown; there are {listing(PRIORS)}.')
  return {
    'generator': joint.Generator(example_shape(config), model.width, jnp.dtype(config.compute_dtype)),
    'z_dim': model.z_dim,
    'prior_name': model.prior,
  }


def build(config: ConfigDict) -> BiGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, dtype = config.model, jnp.dtype(config.compute_dtype)
  return BiGAN(
    **fields(config),
    encoder=joint.Encoder(model.z_dim, model.width, model.prior == 'uniform', dtype=dtype),
    discriminator=joint.Discriminator(model.width, dtype),
  )


def sample(gan: BiGAN, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: given, given back, and drawn."""
  z = jax.random.normal(jax.random.key(0), (2, len(batch.x), gan.z_dim))
  drawn = [gan.generator(style(gan, y, 1.0)) for y in z]
  return OrderedDict(real=batch.x, rebuilt=reconstruct(gan, batch.x), generated=drawn[0], more=drawn[1])


def style(gan: BiGAN, z: Array, truncation: float) -> Array:
  """Latents of the prior for standard normal z [B, z_dim]; truncation scales z."""
  return PRIORS[gan.prior_name](z * truncation)


def draw(gan: BiGAN, codes: Array, noise: str) -> Array:
  """Examples of latents; `noise` is of no use here."""
  return gan.generator(codes)


def reconstruct(gan: BiGAN, images: Array) -> Array:
  """What the generator makes of the encoder's means."""
  return gan.generator(encode(gan, images))


def encode(gan: BiGAN, examples: Array) -> Array:
  """The encoder's means."""
  return gan.encoder(examples).mean


METHOD = Method(
  batch=Examples,
  objectives={'contest': contest},
  build=build,
  sample=sample,
  style=style,
  draw=draw,
  reconstruct=reconstruct,
  encode=encode,
)
