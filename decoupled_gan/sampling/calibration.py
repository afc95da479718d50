"""From a discriminator's outputs to log odds that can be believed: real against generated.

Rejection and Markov chains take D / (1 - D) for p_data / p_model. A discriminator's own outputs are
seldom that, and a critic's (Wasserstein, hinge) never. On held-out real examples and fakes, of as many,
either a line through the logits is fitted (`logistic`), or the step function that rises and fits best
(`isotonic`), as Turner et al. (ICML 2019) do for MH-GAN.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy import optimize

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing

KINDS = ('logistic', 'isotonic', 'none')
RIDGE = 1e-4  # on the slope: of two sets that a threshold separates no slope is steep enough


class Calibration(NamedTuple):
  """A rising function of outputs: a line, or between `outputs` the straight parts of `log_odds`.

  Attributes:
    slope, offset: of the line; of use where there are no `outputs`.
    outputs, log_odds: [n], rising; empty for a line.
  """

  slope: Array | float = 1.0
  offset: Array | float = 0.0
  outputs: Array = np.zeros(0, np.float32)
  log_odds: Array = np.zeros(0, np.float32)

  def __call__(self, outputs: Array) -> Array:
    """Log odds [B] of outputs [B]."""
    if len(self.outputs):
      return jnp.interp(outputs, self.outputs, self.log_odds)
    return self.slope * outputs + self.offset


def fit(kind: str, real: np.ndarray, fake: np.ndarray) -> Calibration:
  """The calibration by outputs on real [N] and fake [M] examples, which count alike, however many.

  Raises UserError if there is no such kind.
  """
  if kind not in KINDS:
    raise UserError(f'--calibration={kind} is unknown; there are {listing(KINDS)}.')
  if kind == 'none':
    return Calibration()
  return logistic(real, fake) if kind == 'logistic' else isotonic(real, fake)


def logistic(real: np.ndarray, fake: np.ndarray) -> Calibration:
  """The line whose cross entropy is least."""
  real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
  both = np.concatenate([real, fake])
  middle, scale = both.mean(), both.std() + 1e-12
  r, f = (real - middle) / scale, (fake - middle) / scale

  def loss(line):
    slope, offset = line
    cross_entropy = np.logaddexp(0, -(slope * r + offset)).mean()
    return cross_entropy + np.logaddexp(0, slope * f + offset).mean() + RIDGE * slope**2

  slope, offset = optimize.minimize(loss, np.array([1.0, 0.0]), method='BFGS').x
  return Calibration(np.float32(slope / scale), np.float32(offset - slope * middle / scale))


def isotonic(real: np.ndarray, fake: np.ndarray) -> Calibration:
  """The rising step function whose squared error is least; its ends stay within what n examples tell."""
  both = np.concatenate([real, fake])
  order = np.argsort(both, kind='stable')
  targets = np.concatenate([np.ones(len(real)), np.zeros(len(fake))])[order]
  weights = np.concatenate([np.full(len(real), 1 / len(real)), np.full(len(fake), 1 / len(fake))])[order]
  risen = optimize.isotonic_regression(targets, weights=weights).x
  least = 1 / (len(both) + 2)
  risen = np.clip(risen, least, 1 - least)
  return Calibration(
    outputs=both[order].astype(np.float32), log_odds=np.log(risen / (1 - risen)).astype(np.float32)
  )
