"""Adversarial losses of logits: pure functions, computed in float32, each a mean over the batch.

ADVERSARIAL has the pairs of losses by name: what a discriminator minimises, given its outputs on real
and on fake examples, and what a generator minimises.

  minimax, non_saturating          Goodfellow et al., NIPS 2014, eq. 1 and section 3
  least_squares                    Mao et al., ICCV 2017, eq. 9 with a=0, b=c=1
  hinge                            Lim and Ye, 2017; Tran et al., 2017
  wasserstein                      Arjovsky et al., ICML 2017
  relativistic*                    Jolicoeur-Martineau, ICLR 2019: pairing (R3GAN's), average

*Where we differ*: no loss is halved (the originals of GAN and LSGAN have 1/2 in the discriminator's),
as in most later code; under Adam only the ratio to penalties would change.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.losses import f32

softplus = jax.nn.softplus


def least_squares(logits: Array, target: float) -> Array:
  """mean (logits - target)^2 over all elements: LSGAN (Mao et al., ICCV 2017, eq. 9), a=0, b=c=1.

  Without their factor 1/2, as CycleGAN and NICE-GAN have it. A discriminator minimises it with
  target 1 on real images plus with target 0 on fakes; a generator with target 1 on fakes.
  """
  return jnp.square(f32(logits) - target).mean()


def logistic(logits: Array, real: bool) -> Array:
  """mean softplus(-logits) if they are to count as real, else mean softplus(logits).

  The GAN loss of Goodfellow et al., 2014; a generator that minimises it with real=True is the
  non-saturating one.
  """
  logits = f32(logits)
  return softplus(-logits if real else logits).mean()


def hinge(logits: Array, real: bool) -> Array:
  """mean relu(1 - logits) if they are to count as real, else mean relu(1 + logits)."""
  logits = f32(logits)
  return jax.nn.relu(1 - logits if real else 1 + logits).mean()


@dataclass(frozen=True)
class Adversarial:
  """What the two players minimise.

  Attributes:
    discriminate: (real outputs, fake outputs) -> scalar.
    generate: (fake outputs, real outputs) -> scalar; real ones are None unless `pairs`.
    pairs: whether the generator's loss looks at real outputs too.
  """

  discriminate: Callable[[Array, Array], Array]
  generate: Callable[[Array, Array | None], Array]
  pairs: bool = False


def relativistic(loss: Callable[[Array, bool], Array], average: bool) -> Adversarial:
  """Real against fake outputs: row by row (pairing), or each against the other half's mean (average).

  The generator's loss is the discriminator's with the halves exchanged. In the average form the mean of
  the fakes moves with the generator, and is not stopped.
  """

  def discriminate(real, fake):
    real, fake = f32(real), f32(fake)
    if average:
      other_fake, other_real = fake.mean(0, keepdims=True), real.mean(0, keepdims=True)
      return loss(real - other_fake, True) + loss(fake - other_real, False)
    return loss(real - fake, True)

  return Adversarial(discriminate, lambda fake, real: discriminate(fake, real), pairs=True)


ADVERSARIAL: dict[str, Adversarial] = {
  'non_saturating': Adversarial(
    lambda real, fake: logistic(real, True) + logistic(fake, False),
    lambda fake, _: logistic(fake, True),
  ),
  'minimax': Adversarial(
    lambda real, fake: logistic(real, True) + logistic(fake, False),
    lambda fake, _: -logistic(fake, False),
  ),
  'least_squares': Adversarial(
    lambda real, fake: least_squares(real, 1) + least_squares(fake, 0),
    lambda fake, _: least_squares(fake, 1),
  ),
  'hinge': Adversarial(
    lambda real, fake: hinge(real, True) + hinge(fake, False),
    lambda fake, _: -f32(fake).mean(),
  ),
  'wasserstein': Adversarial(
    lambda real, fake: f32(fake).mean() - f32(real).mean(),
    lambda fake, _: -f32(fake).mean(),
  ),
  'relativistic': relativistic(logistic, average=False),
  'relativistic_average': relativistic(logistic, average=True),
  'relativistic_hinge': relativistic(hinge, average=False),
  'relativistic_average_hinge': relativistic(hinge, average=True),
  'relativistic_average_least_squares': relativistic(
    lambda logits, real: least_squares(logits, 1 if real else -1), average=True
  ),
}
