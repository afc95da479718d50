"""SLOGAN: Stein Latent Optimization for GANs (Hwang et al., ICLR 2022, arXiv 2106.05319).

The generic method whose latents come of a Gaussian mixture that learns too, so that clusters of unequal
size get components of unequal weight. An encoder and a contrastive loss tie an example to the component
that made it.

  phase         loss           trains
  discriminate  adversarial    discriminator, with its penalty
  generate      adversarial    generator, means, covariances
                contrast       generator, encoder, means, covariances     weight lambda
                stein_weight   weights: mean_i (r_ic - pi_c) l_i, l the adversarial loss alone

Means and covariances learn through the latents, by Stein's identities (networks/mixture.py): any loss of
the table trains them, and an empty cell is an ablation. Covariances step by `positive_definite` of their
optimizer: a plain step leaves what a covariance can be. `contrast` is tau times the paper's loss, tau
falling to 0; tau is in its margin too. It draws an image's code to the soft assignment of its latent, in
which the mixture is a constant.

*Where we differ* from shinyflight/SLOGAN: the encoder's spectral norms keep their vectors from step to
step (theirs start anew, two iterations each time), kernels begin by He et al., and points are as they
come (theirs end in tanh, in mixed precision). SimCLR's loss on the encoder, the adversarial Lipschitz
penalty and the few labelled images of the image runs are not here.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan import terms
from decoupled_gan.core.state import clock
from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError
from decoupled_gan.losses import f32
from decoupled_gan.methods import gan as generic
from decoupled_gan.networks import heads
from decoupled_gan.networks.backbones import mlp
from decoupled_gan.networks.mixture import Mixture, log_joint, weight_loss
from decoupled_gan.terms import scenes

MARGIN = 0.5  # times tau, radians
TEMPERATURE = 0.1  # of the soft assignment


class SLOGAN(generic.GAN):
  """As GAN; `encoder`: examples -> Verdict whose outputs are codes; `mixture`: the prior of latents.

  Attributes:
    scale: s of the contrastive loss.
    tau_steps: in which tau goes from 1 to 0.
  """

  encoder: heads.Discriminator | None = None
  mixture: Mixture | None = None
  scale: float = 2.0
  tau_steps: int = 20_000

  def prior(self, key: Array, count: int) -> Array:
    """Latents [count, z_dim], through which the mixture learns."""
    return self.mixture(jax.random.normal(key, (count, self.z_dim)))

  def codes(self, normal: Array) -> Array:
    """Latents of standard normal [N, z_dim]."""
    return self.mixture.place(normal)

  @property
  def tau(self) -> Array:
    """From 1 to 0, by the step."""
    return jnp.clip(1 - clock(self) / self.tau_steps, 0, 1)


def turned(cosine: Array, margin: Array, scale: float) -> Array:
  """s cos(angle + margin); beyond pi, where that would rise again, s (cos - margin sin margin)."""
  sine = jnp.sqrt(jnp.clip(1 - jnp.square(cosine), 1e-9, 1))
  beyond = cosine <= jnp.cos(jnp.pi - margin)
  return scale * jnp.where(
    beyond,
    cosine - margin * jnp.sin(margin),
    cosine * jnp.cos(margin) - sine * jnp.sin(margin),
  )


def contrastive(codes: Array, assigned: Array, margin: Array, scale: float) -> Array:
  """-log of exp(own) over the mean of exp, own and others' in one row, [B]; it may be negative.

  Args:
    codes: E(G(z_i)) [B, D].
    assigned: m_j [B, D], what examples are assigned to.
    margin: added to the angle of an example and its own m.
  """
  cosine = unit(codes) @ unit(assigned).T
  own = turned(jnp.diagonal(cosine), margin, scale)
  both = jnp.where(jnp.eye(len(codes), dtype=bool), own[:, None], scale * cosine)
  return jax.nn.logsumexp(both, axis=1) - jnp.log(len(codes)) - own


def unit(x: Array) -> Array:
  """Rows of length 1."""
  return x / jnp.sqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-12)


def assignment(z: Array, parameters: tuple, key: Array) -> Array:
  """m_i [B, D]: the components' means, weighted by a soft draw of the component that z_i is of."""
  noisy = log_joint(z, *parameters) + jax.random.gumbel(key, (len(z), len(parameters[0])))
  return jax.nn.softmax(noisy / TEMPERATURE) @ parameters[0]


def generate(gan: SLOGAN, batch: Examples) -> dict:
  """Make what counts as real and tells its component: trains the generator, the encoder, the prior."""
  scene = scenes.stage(gan, batch, frozen=False)

  def adversarial():
    return gan.adversarial.generate(scene.on_fake, None)

  def contrast():
    fixed = stop_gradient(gan.mixture.parameters)
    codes = f32(gan.encoder(scene.fake, None).outputs)
    assigned = assignment(scene.z, fixed, scene.key('contrast'))
    return gan.tau * contrastive(codes, assigned, MARGIN * gan.tau, gan.scale).mean()

  def stein_weight():
    losses = jax.vmap(lambda output: gan.adversarial.generate(output[None], None))(scene.on_fake)
    return weight_loss(*stop_gradient((scene.z, losses)), *gan.mixture.parameters)

  own = {'adversarial': adversarial, 'contrast': contrast, 'stein_weight': stein_weight}
  return own | terms.offered('generate', scene)


def build(config: ConfigDict) -> SLOGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  base = generic.build(config)
  if base.adversarial.pairs:
    raise UserError(
      f'losses.adversarial={config.losses.adversarial!r} holds each fake against a real example, and '
      'method=slogan asks for a loss of each fake alone: choose another, such as hinge.'
    )
  if config.attributes:
    raise UserError('method=slogan finds its classes itself: leave config.attributes empty.')
  model = config.model
  if model.components < 1 or base.z_dim < 2:
    raise UserError(
      f'method=slogan wants a component and two numbers at least: model.components={model.components}, '
      f'model.z_dim={base.z_dim}.'
    )
  normed = config.copy_and_resolve_references()
  normed.model.norm_discriminator = 'spectral'
  network = mlp.discriminator(normed)
  kept = {x.name: getattr(base, x.name) for x in dataclasses.fields(generic.GAN)}
  given = {name: x for name, x in kept.items() if name not in ('parent', 'name')}
  return SLOGAN(
    **given,
    encoder=heads.Discriminator(network, heads.make_head('linear', base.z_dim, (), network)),
    mixture=Mixture(model.components, base.z_dim),
    scale=model.scale,
    tau_steps=model.tau_steps,
  )


METHOD = dataclasses.replace(
  generic.METHOD,
  objectives={**generic.METHOD.objectives, 'generate': generate},
  build=build,
  conditional=False,
)
