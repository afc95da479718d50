"""Precision and recall as a curve, FD without its bias, diversity, and whether fakes are copies.

  prd_recall, prd_precision   Sajjadi et al., NeurIPS 2018: F_8 and F_1/8 of the curve of their precision
                              and recall (google/compare_gan: metrics/prd_score.py)
  fd_infinity                 Chong and Forsyth, CVPR 2020: the Frechet distance at N = infinity
                              (layer6ai-labs/dgm-eval: metrics/fd.py)
  vendi                       Friedman and Dieng, 2022: how many different images there are
  authenticity                Alaa et al., ICML 2022: the part of the fakes that are no copies
  copying                     Meehan, Chaudhuri, Dasgupta, AISTATS 2020: C_T; far below 0: copies
  realism                     Kynkaanniemi et al., NeurIPS 2019: the mean over fakes

Authenticity and copying look at the images that were trained on, whatever the protocol's reference is.

*Where we differ*: k-means is scikit-learn's, in mini-batches as there for PRD; fd_infinity takes a tenth
of the images as its smallest size where there are fewer than 50,000, as dgm-eval.
"""

import numpy as np
from scipy import stats

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics.distribution import distances, frechet_distance, radii
from decoupled_gan.evaluation.metrics.registry import (
  FEATURES,
  INCEPTION,
  Estimate,
  mean_of,
  metric,
  within,
)

ANGLES, BINS, RUNS, TINY = 1001, 20, 10, 1e-10  # of PRD
SIZES, LEAST_SIZE = 15, 5000  # of fd_infinity
COMPONENTS, CELLS, LEAST_FAKES = 64, 3, 20  # of copying
NEIGHBOURS = 3  # of realism


@metric(FEATURES, 'higher', INCEPTION)
def prd_recall(real, fake, protocol, rng) -> Estimate:
  """The largest F_8 on the curve: recall counts most."""
  return _prd(real, fake, rng, 8)


@metric(FEATURES, 'higher', INCEPTION)
def prd_precision(real, fake, protocol, rng) -> Estimate:
  """The largest F_1/8: precision counts most."""
  return _prd(real, fake, rng, 1 / 8)


def _prd(real, fake, rng, beta: float) -> Estimate:
  """The mean curve of 10 clusterings of as many images of each."""
  from sklearn.cluster import MiniBatchKMeans  # half a second that no other metric should pay for
  from threadpoolctl import threadpool_limits

  count = min(len(x['features']) for x in (real, fake))
  if count < BINS:
    raise UserError(f'PRD needs at least {BINS} images on both sides; there are {count}.')
  sides = [x['features'][rng.permutation(len(x['features']))[:count]] for x in (real, fake)]
  both, curves = np.concatenate(sides).astype(np.float64), []
  for _ in range(RUNS):
    means = MiniBatchKMeans(BINS, n_init=10, random_state=int(rng.integers(2**31)))
    with threadpool_limits(1):  # batches are small: threads wait for each other, on a busy machine long
      labels = means.fit_predict(both)
    shares = [np.bincount(x, minlength=BINS) / count for x in np.split(labels, 2)]
    curves.append(prd_curve(*shares))
  return within(largest_f(*np.mean(curves, 0), beta), np.nan, 'none', 0, 1)


def prd_curve(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """(precision, recall), [1001] each, of two distributions over the same bins.

  Precision at the slope s is sum min(s real, fake), recall that over s.
  """
  slopes = np.tan(np.linspace(TINY, np.pi / 2 - TINY, ANGLES))
  precision = np.minimum(slopes[:, None] * real[None], fake[None]).sum(1)
  return np.clip(precision, 0, 1), np.clip(precision / slopes, 0, 1)


def largest_f(precision: np.ndarray, recall: np.ndarray, beta: float) -> float:
  """max over the curve of (1 + beta^2) p r / (beta^2 p + r)."""
  squared = beta**2
  return float(((1 + squared) * precision * recall / (squared * precision + recall + TINY)).max())


@metric(FEATURES, 'lower', INCEPTION)
def fd_infinity(real, fake, protocol, rng) -> Estimate:
  """Where the line through the distances at 15 numbers of generated images, over 1 / N, meets 0.

  The interval is the intercept's; sizes share images, so that it is too narrow rather than too wide.
  """
  x, y = (side['features'].astype(np.float64) for side in (real, fake))
  sizes = np.linspace(min(LEAST_SIZE, len(y) // 10), len(y), SIZES).astype(int)
  if sizes[0] < 2:
    raise UserError(f'fd_infinity needs at least 20 generated images; there are {len(y)}.')
  parts = [y[rng.permutation(len(y))[:size]] for size in sizes]
  found = [frechet_distance(x, part, protocol.fid_ddof) for part in parts]
  return within(*at_infinity(sizes, found), 'line in 1 / N')


def at_infinity(sizes, values) -> tuple[float, float]:
  """The intercept of the least squares line of the values over 1 / size, and its 95 % half width."""
  line = stats.linregress(1 / np.asarray(sizes, np.float64), values)
  return float(line.intercept), float(stats.t.ppf(0.975, len(sizes) - 2) * line.intercept_stderr)


@metric(FEATURES, 'higher', INCEPTION)
def vendi(real, fake, protocol, rng) -> Estimate:
  """exp of the entropy of the eigenvalues of X X^T / N, rows of length 1: N for N orthogonal images."""
  return within(effective_number(fake['features']), np.nan, 'none', 1)


def effective_number(features: np.ndarray) -> float:
  """The Vendi score of features [N, D], of cosines."""
  x = features.astype(np.float64)
  x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
  values = np.square(np.linalg.svd(x, compute_uv=False)) / len(x)  # those of X X^T, whichever is smaller
  values = values[values > 1e-12]
  return float(np.exp(-(values * np.log(values)).sum()))


@metric(FEATURES, 'higher', INCEPTION, train=True)
def authenticity(real, fake, train, protocol, rng) -> Estimate:
  """The part of the fakes whose nearest training image has a training image nearer than the fake is."""
  return mean_of(authentic(train['features'].astype(np.float64), fake['features'].astype(np.float64)))


def authentic(train: np.ndarray, fake: np.ndarray) -> np.ndarray:
  """Whether each of fakes [M, D] is no copy of one of [N, D]: [M], 0 or 1."""
  own = radii(train, 1)
  found = [(d.argmin(1), d.min(1)) for d in distances(fake, train)]
  nearest, away = (np.concatenate(part) for part in zip(*found, strict=True))
  return (own[nearest] < away).astype(float)


@metric(FEATURES, 'higher', INCEPTION, train=True)
def copying(real, fake, train, protocol, rng) -> Estimate:
  """C_T: are fakes nearer to training images than the protocol's real ones are? 0: as near.

  In each of 3 cells of the training images' 64 principal components the Z score of Mann and Whitney's U;
  their mean weighted by the real images' shares. Cells with fewer than 20 fakes do not count.
  """
  from sklearn.cluster import KMeans
  from sklearn.decomposition import PCA

  sides = [side['features'].astype(np.float64) for side in (train, real, fake)]
  if len(sides[0]) == len(sides[1]) and np.array_equal(sides[0][0], sides[1][0]):
    raise UserError(
      'copying compares generated with held-out images, and the reference of this protocol is the '
      'training set: choose one with test images, --protocol=nice_gan.'
    )
  seed = int(rng.integers(2**31))
  parts = min(COMPONENTS, *sides[0].shape)
  project = PCA(parts, random_state=seed).fit(sides[0]).transform
  sides = [project(side) for side in sides]
  cells = KMeans(CELLS, n_init=10, random_state=seed).fit(sides[0]).predict
  return within(copied(*sides, *map(cells, sides)), np.nan, 'none')


def copied(train, test, fake, cells_train, cells_test, cells_fake) -> float:
  """C_T of features [., D] and their cells [.]; NaN where no cell has enough fakes."""
  scores, weights = [], []
  for cell in np.unique(cells_train):
    own, held, made = (
      x[c == cell] for x, c in ((train, cells_train), (test, cells_test), (fake, cells_fake))
    )
    if len(made) >= LEAST_FAKES and len(held):
      scores.append(u_score(_nearest(held, own), _nearest(made, own)))
      weights.append(len(held))
  return float(np.average(scores, weights=weights)) if scores else np.nan


def u_score(test: np.ndarray, fake: np.ndarray) -> float:
  """The Z score of how often a fake's distance is above a test image's: below 0, fakes are nearer."""
  n, m = len(test), len(fake)
  u = stats.mannwhitneyu(fake, test).statistic
  return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def _nearest(x: np.ndarray, of: np.ndarray) -> np.ndarray:
  return np.concatenate([d.min(1) for d in distances(x, of)])


@metric(FEATURES, 'higher', INCEPTION)
def realism(real, fake, protocol, rng) -> Estimate:
  """The mean over fakes of the largest radius over distance; the wider half of the real left out."""
  sides = (x['features'].astype(np.float64) for x in (real, fake))
  return mean_of(realistic(*sides, protocol.neighbours or NEIGHBOURS))


def realistic(real: np.ndarray, fake: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
  """How real each of fakes [M, D] is among [N, D]: [M]; from 1 on it lies in a neighbourhood."""
  own = radii(real, k)
  kept = own <= np.median(own)
  found = [(own[kept] / np.maximum(d, 1e-12)).max(1) for d in distances(fake, real[kept])]
  return np.concatenate(found)
