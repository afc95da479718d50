"""Of points, and of examples whose law is known: how many of its modes there are, and how evenly.

  modes                     modes with at least one good example
  high_quality_share        the share of good examples
  mode_kl                   sum over modes of q ln(q / p), q the shares of all examples by nearest mode
                            and p the law's, which are equal where it does not say otherwise
  wasserstein               exact, of points on a line
  sliced_wasserstein_points mean over 512 directions

What is good, the law says (of Gaussians: each coordinate within 3 standard deviations of a centre, as
stevliu/self-conditioned-gan has it). The numbers depend on how many examples there are: of n examples
that are spread evenly over 1,000 modes, 1000 (1 - 0.999^n) modes are found: 864.8 of 2,000.
"""

import math

import numpy as np
from scipy.stats import wasserstein_distance

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics.registry import (
  MODES,
  POINTS,
  Estimate,
  mean_of,
  metric,
  subsampled,
)  # fmt: skip

DIRECTIONS = 512


@metric(MODES, 'higher')
def modes(law, fake: np.ndarray) -> Estimate:
  """How many of the law's modes have a good example."""
  which, good = law.assign(fake)
  return _exactly(len(np.unique(which[good])))


@metric(MODES, 'higher')
def high_quality_share(law, fake: np.ndarray) -> Estimate:
  """The share of examples that are good."""
  return mean_of(law.assign(fake)[1])


@metric(MODES, 'lower')
def mode_kl(law, fake: np.ndarray) -> Estimate:
  """KL(q | the law's shares) in nats, q the share of each mode: of all examples, good or not."""
  shares = np.bincount(law.assign(fake)[0], minlength=law.modes) / len(fake)
  own = getattr(law, 'shares', None)
  ratio = shares * law.modes if own is None else shares / own
  return _exactly(float((shares * np.log(np.where(shares > 0, ratio, 1))).sum()))


@metric(POINTS, 'lower')
def wasserstein(real: np.ndarray, fake: np.ndarray, rng) -> Estimate:
  """The mean distance of points [N, 1] when both sets are sorted; raises UserError for a plane's."""
  if real.shape[1] != 1:
    raise UserError(
      f'wasserstein is exact on a line, and these points have {real.shape[1]} coordinates: ask for '
      'sliced_wasserstein_points.'
    )

  def distance(x, y):
    return wasserstein_distance(x[:, 0], y[:, 0])

  return subsampled(distance(real, fake), distance, real, fake, rng)


@metric(POINTS, 'lower')
def sliced_wasserstein_points(real: np.ndarray, fake: np.ndarray, rng) -> Estimate:
  """The mean over random directions of the distance of projections: first powers, not squares."""
  directions = rng.standard_normal((real.shape[1], DIRECTIONS))
  directions /= np.linalg.norm(directions, axis=0)

  def distance(x, y):
    return np.mean([wasserstein_distance(x @ d, y @ d) for d in directions.T])

  def quickly(x, y):
    return np.mean([wasserstein_distance(x @ d, y @ d) for d in directions.T[:32]])

  estimate = subsampled(0, quickly, real, fake, rng)
  value = float(distance(real, fake))
  return Estimate(value, value + estimate.low, value + estimate.high, estimate.interval)


def _exactly(value: float) -> Estimate:
  return Estimate(value, math.nan, math.nan, 'none')
