"""Adversarial losses of outputs: pure functions, computed in float32, each a mean over the batch.

ADVERSARIAL has the pairs of losses by name: what a discriminator minimises, given its outputs on real
and on fake examples, and what a generator minimises. Each entry makes the pair from its constants,
which `config.losses.<name>` can change.

  minimax, non_saturating          Goodfellow et al., NIPS 2014, eq. 1 and section 3
  least_squares                    Mao et al., ICCV 2017, eq. 9 with a=0, b=c=1
  hinge                            Lim and Ye, 2017; Tran et al., 2017
  wasserstein                      Arjovsky et al., ICML 2017
  relativistic*                    Jolicoeur-Martineau, ICLR 2019: pairing (R3GAN's), average
  mmd, cramer                      of vectors of outputs, see kernels.py
  k_plus_one                       Salimans et al., NIPS 2016, section 5: K outputs, one for each class

`real_target` is one-sided label smoothing (Salimans et al., section 3.4): reals are to count as real
with this probability only. Fakes are not smoothed: their law would enter the optimum's numerator.

*Where we differ*: no loss is halved (the originals of GAN and LSGAN have 1/2 in the discriminator's),
as in most later code; under Adam only the ratio to penalties would change.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.losses import f32, kernels

softplus = jax.nn.softplus


def least_squares(logits: Array, target: float) -> Array:
  """mean (logits - target)^2 over all elements: LSGAN (Mao et al., ICCV 2017, eq. 9), a=0, b=c=1.

  Without their factor 1/2, as CycleGAN and NICE-GAN have it. A discriminator minimises it with
  target 1 on real images plus with target 0 on fakes; a generator with target 1 on fakes.
  """
  return jnp.square(f32(logits) - target).mean()


def least_squares_of_all(logits, target: float) -> Array:
  """`least_squares` of each array of a tree of logits, added up: over domains, scales, heads."""
  return sum(least_squares(x, target) for x in jax.tree.leaves(logits))


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
    witness: (outputs [B, K], real outputs, fake outputs) -> what tells real from fake of each example,
      [B, ...], whose slope penalties bound; None where outputs are no features, but that already.
  """

  discriminate: Callable[[Array, Array], Array]
  generate: Callable[[Array, Array | None], Array]
  pairs: bool = False
  witness: Callable[[Array, Array, Array], Array] | None = None


def non_saturating(real_target: float = 1.0) -> Adversarial:
  """log D and log(1 - D); the generator maximises log D of its fakes."""
  return Adversarial(_logistic(real_target), lambda fake, _: logistic(fake, True))


def minimax(real_target: float = 1.0) -> Adversarial:
  """The same discriminator; the generator minimises log(1 - D): -softplus, which does not underflow."""
  return Adversarial(_logistic(real_target), lambda fake, _: -logistic(fake, False))


def _logistic(real_target: float) -> Callable[[Array, Array], Array]:
  def discriminate(real, fake):
    smoothed = real_target * logistic(real, True) + (1 - real_target) * logistic(real, False)
    return smoothed + logistic(fake, False)

  return discriminate


def least_squares_pair(real_target: float = 1.0) -> Adversarial:
  """Reals to `real_target`, fakes to 0; the generator's fakes to 1."""
  return Adversarial(
    lambda real, fake: least_squares(real, real_target) + least_squares(fake, 0),
    lambda fake, _: least_squares(fake, 1),
  )


def hinge_pair() -> Adversarial:
  """Reals above 1, fakes below -1; the generator raises its fakes' outputs without end."""
  return Adversarial(
    lambda real, fake: hinge(real, True) + hinge(fake, False), lambda fake, _: -f32(fake).mean()
  )


def wasserstein() -> Adversarial:
  """The difference of the means; bounds on the critic's slope are the table's or the optimizer's."""
  return Adversarial(
    lambda real, fake: f32(fake).mean() - f32(real).mean(), lambda fake, _: -f32(fake).mean()
  )


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


def mmd(
  kernel: str = 'rational_quadratic_dot', scales: tuple = (), estimate: str = 'unbiased'
) -> Adversarial:
  """The squared kernel MMD of outputs [B, K] (Binkowski et al., ICLR 2018, eq. 4).

  The generator lowers it, through fakes against fakes and fakes against reals; the discriminator raises
  it. The witness is mean k(., real) - mean k(., fake).

  Args:
    kernel: of kernels.KERNELS.
    scales: of the kernel; its own if ().
    estimate: unbiased, biased (with the diagonal), or published, see kernels.squared_mmd.
  """
  k = kernels.get(kernel, scales)

  def distance(x, y):
    return kernels.squared_mmd(k, x, y, estimate)

  def witness(outputs, real, fake):
    return k(f32(outputs), f32(real)).mean(1) - k(f32(outputs), f32(fake)).mean(1)

  return Adversarial(lambda real, fake: -distance(real, fake), distance, True, witness)


def cramer() -> Adversarial:
  """The energy distance of outputs [B, K] (Bellemare et al., 2017, arXiv 1705.10743, algorithm 1).

  With independent fakes g, g' and f(a) = |a - g'| - |a|, the discriminator raises mean f(x) - f(g), and
  the generator lowers |g - x| + |g' - x| - |g - g'|. *Where we differ*: g' is the next row's fake, which
  is as independent, rather than a second batch. The witness is f.
  """

  def critic(outputs, other):
    return kernels.length(outputs - other) - kernels.length(outputs)

  def discriminate(real, fake):
    real, fake = f32(real), f32(fake)
    other = jnp.roll(fake, 1, 0)
    return critic(other, fake).mean() - critic(real, fake).mean()

  def generate(fake, real):
    real, fake = f32(real), f32(fake)
    other = jnp.roll(fake, 1, 0)
    near = kernels.length(fake - real) + kernels.length(other - real)
    return (near - kernels.length(fake - other)).mean()

  return Adversarial(
    discriminate, generate, True, lambda outputs, real, fake: critic(f32(outputs), f32(fake))
  )


def k_plus_one(scale: float = 0.5) -> Adversarial:
  """Of the logits of K classes [B, K], beside which that of 'fake' is 0: Salimans et al., section 5.

  p(real) = sigmoid(logsumexp of the K). The generator minimises log(1 - p); the paper has it match
  features instead.

  Args:
    scale: of the discriminator's loss; one half in the official code.
  """

  def real_logit(outputs):
    return jax.nn.logsumexp(f32(outputs), -1)

  def discriminate(real, fake):
    return scale * (logistic(real_logit(real), True) + logistic(real_logit(fake), False))

  return Adversarial(
    discriminate,
    lambda fake, _: -logistic(real_logit(fake), False),
    witness=lambda outputs, real, fake: real_logit(outputs),
  )


ADVERSARIAL: dict[str, Callable[..., Adversarial]] = {
  'non_saturating': non_saturating,
  'minimax': minimax,
  'least_squares': least_squares_pair,
  'hinge': hinge_pair,
  'wasserstein': wasserstein,
  'relativistic': lambda: relativistic(logistic, average=False),
  'relativistic_average': lambda: relativistic(logistic, average=True),
  'relativistic_hinge': lambda: relativistic(hinge, average=False),
  'relativistic_average_hinge': lambda: relativistic(hinge, average=True),
  'relativistic_average_least_squares': lambda: relativistic(_signed_least_squares, average=True),
  'mmd': mmd,
  'cramer': cramer,
  'k_plus_one': k_plus_one,
}
"""Name -> (constants) -> Adversarial."""


def unpaired() -> dict[str, Adversarial]:
  """Those of ADVERSARIAL, with their constants, whose generator looks at fakes alone."""
  made = {name: make() for name, make in ADVERSARIAL.items()}
  return {name: loss for name, loss in made.items() if not loss.pairs}


def _signed_least_squares(logits: Array, real: bool) -> Array:
  return least_squares(logits, 1 if real else -1)
