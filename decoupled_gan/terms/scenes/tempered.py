"""Parallel tempering of GANs: PTGAN (Sohn and Song, 2024, arXiv 2411.11786 v2).

Beside the data, the networks learn all convex mixtures of two examples at once. Mixtures are less
multimodal; the temperature, of which both networks are told, says how much was mixed. A penalty along
the direction of mixing ties the critic's temperatures together, in place of a bound on its slope.

*What we know of it*: no code of the authors was found; formulas are from the abstract and a third
party's reading of the paper's Algorithm 3. Our own choices: how convolutional networks are told (one
constant channel for the discriminator, one more latent for the generator), and fresh draws for the
generator's step, where the third party reuses the critic's.
"""

import functools

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError
from decoupled_gan.terms import term
from decoupled_gan.terms.scenes import SCENES, Scene


class Tempered(Scene):
  """Mixtures a x + (1 - a) x' of an example and the next row's, at the temperature 1 - 2 |a - 1/2|.

  With probability `ratio` a = 1, which is the data at temperature 0, else a ~ U(0, 1). A latent is mixed
  alike of two normal ones.
  """

  told = (0.0,)

  def __init__(self, gan, batch: Examples, frozen: bool, ratio: float = 0.5):
    super().__init__(gan, batch, frozen)
    if self.labels is not None:
      raise UserError("model.scene='tempered' mixes examples, and labels cannot be mixed with them.")
    if gan.fakes_per_real != 1:
      raise UserError("model.scene='tempered' mixes latents as examples: fakes_per_real must be 1.")
    self.pair = self.real, jnp.roll(self.real, 1, axis=0)  # batches come shuffled
    pure, share = (self.uniform(name, self.one_each) for name in ('tempered_pure', 'tempered_share'))
    self.share = jnp.where(pure < ratio, 1.0, share)
    self.real, self.condition = mixed(*self.pair, self.share), temperature(self.share)

  @functools.cached_property
  def z(self) -> Array:
    first, second = (self.gan.prior(self.key(name), len(self.real)) for name in ('z', 'tempered_z'))
    return mixed(first, second, self.share.reshape(-1, 1))


SCENES['tempered'] = Tempered


def mixed(x: Array, y: Array, share: Array) -> Array:
  """share x + (1 - share) y."""
  return share * x + (1 - share) * y


def temperature(share: Array) -> Array:
  """[B, 1]: 0 of what is not mixed, 1 of halves; shares a and 1 - a have one law and one temperature."""
  return 1 - 2 * jnp.abs(share.reshape(-1, 1) - 0.5)


@term('discriminate')
def coherency(scene: Scene) -> Array:
  """mean (grad_x D(q_t, t) . (q - q'))^2 between two mixtures q, q' of two examples; weight 100.

  q_t and its share lie between those of q and q'; the temperature is no argument of the gradient.
  """
  if not isinstance(scene, Tempered):
    raise UserError("coherency is between mixtures of examples: model.scene = 'tempered' makes them.")
  other, nu = (scene.uniform(name, scene.one_each) for name in ('coherency', 'coherency_place'))
  critic, ends = scene.critic, (scene.real, mixed(*scene.pair, other))
  told = temperature(mixed(scene.share, other, nu))
  slope = jax.grad(lambda x: critic(x, told).astype(jnp.float32).sum())(mixed(*ends, nu))
  along = (slope * (ends[0] - ends[1])).reshape(len(slope), -1).sum(-1)
  return jnp.square(along).mean()
