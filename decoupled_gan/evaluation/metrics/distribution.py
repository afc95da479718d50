"""Distances between two sets of images, seen by a feature network.

  fid                       Heusel et al., NeurIPS 2017: Frechet distance of two normal distributions
  fd                        the same in the features of any other network than Inception
  kid                       Binkowski et al., ICLR 2018: unbiased MMD^2, cubic kernel
  inception_score           Salimans et al., NeurIPS 2016: of generated images alone, in 10 splits
  am_score                  Zhou et al., ICLR 2018: sure answers, and the classes of the data; best by a
                            classifier of the data, am_score@own
  precision, recall         Kynkaanniemi et al., NeurIPS 2019: 3 nearest neighbours
  density, coverage         Naeem et al., ICML 2020: 5 nearest neighbours

FID of few images is mostly bias: at 2,048 features, two halves of one set of 320 images are as far
apart as two different ones. KID has none, and is to be preferred below a few thousand images.
"""

import functools
import itertools
from collections.abc import Iterator

import numpy as np
from scipy.special import softmax

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics.registry import FEATURES, Estimate, metric, subsampled, within

BLOCK = 2048  # rows of a matrix of distances at a time
ROUNDING = 1e-12  # of a sum, by the size of its terms: less is 0


@metric(FEATURES, 'lower', 'inception')
def kid(real, fake, protocol, rng) -> Estimate:
  """The mean over `protocol.kid_subsets` of unbiased MMD^2, times `protocol.kid_scale`.

  Subsets have at most `protocol.kid_subset_size` images; if there are no more, one is all.
  """
  x, y = _features('kid', 2, real, fake)
  size = min(protocol.kid_subset_size, len(x), len(y))
  if size == len(x) == len(y):
    value = squared_mmd(x, y)
  else:
    draws = [
      squared_mmd(*(z[rng.choice(len(z), size, replace=False)] for z in (x, y)))
      for _ in range(protocol.kid_subsets)
    ]
    value = float(np.mean(draws))
  estimate = subsampled(value, squared_mmd, x, y, rng)
  scaled = [protocol.kid_scale * number for number in estimate[:3]]
  return Estimate(*scaled, estimate.interval)


@metric(FEATURES, 'lower', 'inception')
def fid(real, fake, protocol, rng) -> Estimate:
  """With the covariances' denominator of `protocol.fid_ddof`."""
  return _frechet('fid', real, fake, protocol, rng)


@metric(FEATURES, 'lower')
def fd(real, fake, protocol, rng) -> Estimate:
  """As `fid`, in the features that stand behind the @."""
  return _frechet('fd', real, fake, protocol, rng)


def _frechet(name: str, real, fake, protocol, rng) -> Estimate:
  x, y = _features(name, 2, real, fake)

  def distance(x, y):
    return frechet_distance(x, y, protocol.fid_ddof)

  return _above_zero(subsampled(distance(x, y), distance, x, y, rng, draws=8))


@metric(FEATURES, 'higher', 'inception')
def inception_score(real, fake, protocol, rng) -> Estimate:
  """The exponential of the mean divergence of an image's classes from those of its split.

  Of `protocol.score_splits`; of one split there is no interval.
  """
  splits = protocol.score_splits
  if 'logits' not in fake:
    raise UserError('inception_score needs a network with classes: inception, efficientnet_lite0.')
  logits = rng.permutation(fake['logits'].astype(np.float64))
  count = len(logits)
  if count < splits:
    raise UserError(f'inception_score needs at least {splits} images; there are {count}.')
  ends = [i * count // splits for i in range(splits + 1)]
  scores = [_exponential_divergence(logits[i:j]) for i, j in itertools.pairwise(ends)]
  error = 1.96 * np.std(scores, ddof=1) / np.sqrt(splits) if splits > 1 else np.nan
  return within(float(np.mean(scores)), float(error), f'{splits} splits', least=1)


@metric(FEATURES, 'lower')
def am_score(real, fake, protocol, rng) -> Estimate:
  """mean H(p_i) + KL(p of the real images || p of the generated ones)."""
  if 'logits' not in real or 'logits' not in fake:
    raise UserError('am_score needs a network with classes: own, inception, efficientnet_lite0.')
  x, y = (softmax(side['logits'].astype(np.float64), 1) for side in (real, fake))
  return _above_zero(subsampled(am(x, y), am, x, y, rng))


def am(real: np.ndarray, fake: np.ndarray) -> float:
  """The AM score of answers [N, K] and [M, K], rows of probabilities; 0 is perfect.

  Generated ones get 1e-18 before logarithms, as in the official code. A class that no real image shows
  counts as 0 there, where the code has NaN.
  """
  fake = fake + 1e-18
  entropy = -(fake * np.log(fake)).sum(1).mean()
  reference, shares = real.mean(0), fake.mean(0)
  ratio = np.where(reference > 0, reference, 1) / shares
  return float(entropy + (reference * np.log(ratio)).sum())


@metric(FEATURES, 'higher', 'vgg16')
def precision(real, fake, protocol, rng) -> Estimate:
  """The part of the generated images that lies within the real ones' neighbourhoods."""
  return _neighbourly('precision', _within(protocol), real, fake, protocol.neighbours or 3, rng)


@metric(FEATURES, 'higher', 'vgg16')
def recall(real, fake, protocol, rng) -> Estimate:
  """The part of the real images that lies within the generated ones' neighbourhoods."""
  share, k = _within(protocol), protocol.neighbours or 3
  return _neighbourly('recall', lambda x, y, k: share(y, x, k), real, fake, k, rng)


@metric(FEATURES, 'higher', 'vgg16')
def density(real, fake, protocol, rng) -> Estimate:
  """How many real neighbourhoods a generated image lies in, over the number of neighbours."""
  return _neighbourly('density', mean_density, real, fake, protocol.neighbours or 5, rng)


@metric(FEATURES, 'higher', 'vgg16')
def coverage(real, fake, protocol, rng) -> Estimate:
  """The part of the real images with a generated one in their neighbourhood."""
  return _neighbourly('coverage', share_covered, real, fake, protocol.neighbours or 5, rng)


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
  """Unbiased, of features [N, D] and [M, D], with the kernel (x . y / D + 1)^3."""

  def kernel(a, b):
    return (a @ b.T / a.shape[1] + 1) ** 3

  def within(a):
    k = kernel(a, a)
    return (k.sum() - np.trace(k)) / (len(a) * (len(a) - 1))

  return float(within(x) + within(y) - 2 * kernel(x, y).mean())


def frechet_distance(x: np.ndarray, y: np.ndarray, ddof: int = 1) -> float:
  """Of the normal distributions with the means and covariances of [N, D] and [M, D].

  The trace of the root of the covariances' product is the sum of the singular values of the product
  of their factors: exact for any N, where roots of singular matrices are not. Of equal sets it is 0.
  """
  factors = []
  for z in (x, y):
    centred = (z - z.mean(0)) / np.sqrt(len(z) - ddof)
    factors.append(np.linalg.qr(centred, mode='r') if len(z) > z.shape[1] else centred)
  a, b = factors
  root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
  apart = np.square(x.mean(0) - y.mean(0)).sum()
  terms = np.array([apart, np.square(a).sum(), np.square(b).sum(), -2 * root])
  found = float(terms.sum())
  return found if abs(found) > ROUNDING * np.abs(terms).sum() else 0.0


def share_within(x: np.ndarray, y: np.ndarray, k: int, strict: bool = False) -> float:
  """The part of y [M, D] that is no farther from some x [N, D] than its k-th neighbour in x.

  `strict`: that is nearer.
  """
  reach = radii(x, k)
  nearer = np.less if strict else np.less_equal
  return float(np.concatenate([nearer(d, reach).any(1) for d in distances(y, x)]).mean())


def mean_density(x: np.ndarray, y: np.ndarray, k: int) -> float:
  reach = radii(x, k)
  return float(np.concatenate([(d < reach).sum(1) for d in distances(y, x)]).mean() / k)


def share_covered(x: np.ndarray, y: np.ndarray, k: int) -> float:
  nearest = np.concatenate([d.min(1) for d in distances(x, y)])
  return float((nearest < radii(x, k)).mean())


def _within(protocol):
  return functools.partial(share_within, strict=protocol.strict)


def _neighbourly(name, function, real, fake, k: int, rng) -> Estimate:
  x, y = _features(name, k + 1, real, fake)

  def statistic(x, y):
    return function(x, y, min(k, len(x) - 1, len(y) - 1))

  estimate = subsampled(statistic(x, y), statistic, x, y, rng, draws=8)
  return _above_zero(estimate, np.inf if name == 'density' else 1)


def _above_zero(estimate: Estimate, most: float = np.inf) -> Estimate:
  """An estimate of what is never below 0 nor above `most`; rounding may have told otherwise."""
  value, low, high, how = estimate
  return Estimate(max(value, 0.0), max(low, 0.0), min(high, most), how)


def _features(name: str, least: int, real, fake) -> list[np.ndarray]:
  """Both sets' features in float64; raises UserError if there are fewer than `least`."""
  counts = [len(x['features']) for x in (real, fake)]
  if min(counts) < least:
    raise UserError(
      f'{name} needs at least {least} images on both sides; there are {counts[0]} real and '
      f'{counts[1]} generated ones.'
    )
  return [x['features'].astype(np.float64) for x in (real, fake)]


def _exponential_divergence(logits: np.ndarray) -> float:
  logits = logits - logits.max(1, keepdims=True)
  log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
  p = np.exp(log_p)
  return float(np.exp((p * (log_p - np.log(p.mean(0)))).sum(1).mean()))


def distances(x: np.ndarray, y: np.ndarray) -> Iterator[np.ndarray]:
  """Euclidean distances of x [N, D] to y [M, D], rows a block at a time."""
  squared = np.square(y).sum(1)
  for start in range(0, len(x), BLOCK):
    part = x[start : start + BLOCK]
    both = np.square(part).sum(1)[:, None] + squared - 2 * part @ y.T
    yield np.sqrt(np.maximum(both, 0))


def radii(x: np.ndarray, k: int) -> np.ndarray:
  """The distance of each of x [N, D] to its k-th neighbour among the others."""
  rows = []
  for number, block in enumerate(distances(x, x)):
    own = np.arange(len(block))
    block[own, number * BLOCK + own] = 0  # its place is the first, whatever rounding says
    rows.append(np.partition(block, k, 1)[:, k])
  return np.concatenate(rows)
