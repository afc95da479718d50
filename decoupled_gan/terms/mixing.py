"""AdaptiveMix: features of mixed examples are drawn to mixtures of features (Liu et al., CVPR 2023).

arXiv 2303.01559. F is the discriminator up to its head, C the head. For a batch x, as the discriminator
sees it, and the same batch in another order x', with one number l ~ U(0, 1) = Beta(1, 1) for them all:

  mixed = F(l x + (1 - l) x'),  target = l F(x) + (1 - l) F(x')

The rows of the published code are `adaptive_mix`, `mixed_adversarial` in place of `adversarial`, and
`mixed_r1` in place of `r1`: there C judges the mixed and the target and their logits are added, so that
no example is ever judged as it is. With `adversarial` it is, and the term is one more regulariser.
*Where we differ*: labels, of which the code has none, are those of x.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.augment.seen import Seen
from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.losses.pixels import cosine, mse
from decoupled_gan.terms import slopes, term
from decoupled_gan.terms.scenes import Scene, outputs_of


class Mixture(NamedTuple):
  """Features of mixed examples, and the mixture of features that they are to be."""

  mixed: Array
  target: Array

  def distance(self, noise: Array, kind: str) -> Array:
    """From `mixed` to the constant target with `noise` on it: -cosine of an example's vector, or l2."""
    target = stop_gradient(self.target.astype(jnp.float32) + noise)
    if kind == 'cosine':
      return -cosine(self.mixed.reshape(len(noise), -1), target.reshape(len(noise), -1))
    return mse(self.mixed, target)


def mix(features, x: Array, share: Array, order: Array) -> Mixture:
  """x [B, ...] with itself in another order; `features` is F."""
  made = features(x)
  mixed = features(share * x + (1 - share) * x[order])
  return Mixture(mixed, share * made + (1 - share) * made[order])


def _mixed(scene: Scene, which: str, seen: Seen, features=None) -> Mixture:
  """The mixture of what is seen of 'real' or 'fake' examples: one share, one order a scene."""
  if scene.condition is not None or seen.told is not None:
    raise UserError(
      'AdaptiveMix mixes what a discriminator sees, not what it is told beside: leave out the scene '
      f'{scene.gan.scene!r}, or set augment.tell_time=False.'
    )
  x, labels = seen.x, scene.told_to(seen.x)[1]
  order = jax.random.permutation(scene.key(f'order of {which}'), len(x))
  share = jax.random.uniform(scene.key(f'share of {which}'))
  return mix(features or (lambda x: scene.gan.discriminator.features(x, labels)), x, share, order)


def mixtures(scene: Scene) -> dict[str, Mixture]:
  """{'fake': Mixture} and, where the discriminator learns, 'real'."""

  def make():
    found = {'fake': _mixed(scene, 'fake', scene.seen_fake)}
    return found | ({'real': _mixed(scene, 'real', scene.seen_real)} if scene.frozen else {})

  return scene.once('mixtures', make)


@term('discriminate', 'generate')
def adaptive_mix(scene: Scene, noise: float = 0.05, distance: str = 'cosine') -> Array:
  """The distance of mixed features from the mixture of features; weight 1. Or distance='l2'."""
  if distance not in ('cosine', 'l2'):
    raise UserError(f'losses.adaptive_mix.distance={distance!r} is unknown; there are cosine and l2.')
  return sum(
    mixture.distance(
      noise * jax.random.normal(scene.key(f'noise of {which}'), mixture.target.shape), distance
    )
    for which, mixture in mixtures(scene).items()
  )


def _outputs(conclude, mixture: Mixture, labels) -> Array:
  return sum(outputs_of(conclude(features, labels)) for features in mixture)


@term('discriminate', 'generate')
def mixed_adversarial(scene: Scene) -> Array:
  """The adversarial loss of outputs on mixed features plus those on mixtures of features."""
  conclude, gan = scene.gan.discriminator.conclude, scene.gan
  if gan.adversarial.pairs:
    raise UserError('mixed_adversarial judges fakes alone: a relativistic loss wants pairs.')
  outputs = {
    name: _outputs(conclude, m, scene.told_to(m.mixed)[1]) for name, m in mixtures(scene).items()
  }
  if not scene.frozen:
    return gan.adversarial.generate(outputs['fake'], None)
  gan.view.watch(outputs['real'])
  return gan.adversarial.discriminate(outputs['real'], outputs['fake'])


@term('discriminate', 'regularise')
def mixed_r1(scene: Scene) -> Array:
  """R1 of these outputs: the slope on each real example, through both mixtures that it is in."""
  module, variables = scene.gan.discriminator.unbind()
  lens = scene.gan.view.lens(scene.view_key('mixed_r1'))

  def critic(x):
    def features(x):
      return module.apply(variables, x, scene.labels, method='features')

    def conclude(features, labels):
      return module.apply(variables, features, labels, method='conclude')

    return _outputs(conclude, _mixed(scene, 'real', lens(x), features), scene.labels)

  return jnp.square(slopes(critic, scene.real)).mean()
