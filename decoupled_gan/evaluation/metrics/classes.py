"""Metrics that know classes: those that a network tells, and those that images were drawn for.

  cafd             Liu et al., 2018 (arXiv 1803.07474): a Frechet distance for each class, by soft
                   memberships of a classifier of the data; the mean over classes
  class_kl         the same paper: the divergence of the generated images' class shares
  intra_fid        Miyato and Koyama, ICLR 2018; StudioGAN: FID for each class, the mean over classes
  intra_fd         the same in the features of any other network
  fake_top1, fake_top5   StudioGAN: the part of the generated images told to be what they are drawn for
  cas, cas_top5    Ravuri and Vinyals, NeurIPS 2019 (arXiv 1905.10887), classification accuracy score:
                   classifiers learn from generated images under their labels alone, and are tested on
                   real test images; top-1 and top-5 accuracy

The first two need no labels, only a network with classes (`own`). Of images with several attributes the
first one is meant.

`fake_top1` asks a classifier of real images about fakes, and a generator that draws one image for each
class pleases it wholly. CAS asks the other way round: what a generator lacks, its pupils never saw.

*Where we differ* from the official code of CAFD: all images count, there those that fill batches of 50.
From CAS: the pupil is no ResNet-50 but the classifier of --own, trained anew as that was, so that its
accuracy (`--metrics=accuracy`) is what real images reach; there are three, whose mean is the score.
Classes are drawn in the shares that they have among the test examples, there as among the training ones.
(StudioGAN's `GAN_train` draws fresh fakes for each batch, classes evenly, looks at the real images of
its training loader after each epoch and keeps the best of these numbers.)

Measured: pytest tests/test_metrics_classes.py -k hide, 5 seeds of 20,000 numbers: two classes
N(-1, 0.2^2) and N(1, 0.2^2) against one cloud N(0, 1.04). FD is 0.00002 to 0.0001, CAFD 0.223 to 0.232
(0.2276 by quadrature); two halves of the real numbers have a CAFD below 0.0001. On images nothing yet.

Measured cas: benchmarks/cas.py --seeds=0,1 (digits, 1,438 images, the projection GAN of configs/gan.py).
CAS of the training images themselves 0.981 (0.962 to 0.999); of the GAN after 250, 1,000 and 3,000 steps
0.863, 0.928, 0.955 (seed 0) and 0.887, 0.944, 0.962 (seed 1); of one real image of each class again and
again 0.618 (0.569 to 0.668), where fake_top1 says 1.000. fake_top1 of the GAN: 0.933, 0.992, 0.997 and
0.918, 0.988, 0.992.
"""

import numpy as np
from scipy.special import rel_entr, softmax

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics.distribution import frechet_distance
from decoupled_gan.evaluation.metrics.registry import (
  FEATURES,
  INCEPTION,
  RETRAINED,
  Estimate,
  mean_of,
  metric,
  subsampled,
  within,
)

LEAST_WEIGHT = 1e-12  # of a class in a set: softmax may leave nothing of it


@metric(FEATURES, 'lower')
def cafd(real, fake, protocol, rng) -> Estimate:
  """The mean over classes of |mu - mu'|^2 + Tr(C + C' - 2 (C C')^(1/2)), moments weighted by p(class).

  A class that no fake shows still has the moments of far ones, and a large distance: that is meant.
  """
  sides = [(_told('cafd', x), x['features'].astype(np.float64)) for x in (real, fake)]
  packed = [np.concatenate(side, 1) for side in sides]  # so that both are subsampled alike
  classes = sides[0][0].shape[1]

  def distance(x, y):
    return class_aware_distance(x[:, classes:], x[:, :classes], y[:, classes:], y[:, :classes])

  found = subsampled(distance(*packed), distance, *packed, rng, draws=8)
  return within(found.value, (found.high - found.low) / 2, found.interval, least=0)


@metric(FEATURES, 'lower')
def class_kl(real, fake, protocol, rng) -> Estimate:
  """KL(class shares of the real images || those of the generated ones)."""
  x, y = (_told('class_kl', side) for side in (real, fake))
  found = subsampled(share_divergence(x, y), share_divergence, x, y, rng)
  return within(found.value, (found.high - found.low) / 2, found.interval, least=0)


@metric(FEATURES, 'lower', INCEPTION, labels=True)
def intra_fid(real, fake, protocol, rng) -> Estimate:
  """FID of all real images of a class against the generated ones of it; the mean over classes."""
  return _within_classes('intra_fid', real, fake, protocol)


@metric(FEATURES, 'lower', labels=True)
def intra_fd(real, fake, protocol, rng) -> Estimate:
  """As `intra_fid`, in the features that stand behind the @."""
  return _within_classes('intra_fd', real, fake, protocol)


@metric(FEATURES, 'higher', labels=True)
def fake_top1(real, fake, protocol, rng) -> Estimate:
  """The part of the generated images whose likeliest class is the one they were drawn for."""
  return mean_of(_among('fake_top1', fake, 1))


@metric(FEATURES, 'higher', labels=True)
def fake_top5(real, fake, protocol, rng) -> Estimate:
  """The part whose class is among the five likeliest."""
  return mean_of(_among('fake_top5', fake, 5))


@metric(RETRAINED, 'higher')
def cas(told: np.ndarray, labels: np.ndarray) -> Estimate:
  """The top-1 accuracy on real test images of classifiers that learned from generated ones."""
  return _taught(told, labels, 1)


@metric(RETRAINED, 'higher')
def cas_top5(told: np.ndarray, labels: np.ndarray) -> Estimate:
  """The part of the test images whose class is among the five likeliest."""
  return _taught(told, labels, 5)


def class_aware_distance(x: np.ndarray, p: np.ndarray, y: np.ndarray, q: np.ndarray) -> float:
  """CAFD of features [N, D] with classes' probabilities [N, K], and of [M, D] with [M, K].

  Weighted moments without N - 1; factors sqrt(w) (f - mu) keep the trace of the root exact.
  """
  distances = []
  for k in range(p.shape[1]):
    means, factors = zip(*(_moments(f, r[:, k]) for f, r in ((x, p), (y, q))), strict=True)
    root = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    apart = np.square(means[0] - means[1]).sum()
    distances.append(apart + sum(np.square(f).sum() for f in factors) - 2 * root)
  return float(np.mean(distances))


def _moments(features: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The weighted mean [D], and a factor of the covariance, [N or D, D]."""
  weights = weights / max(weights.sum(), LEAST_WEIGHT)
  mean = weights @ features
  factor = np.sqrt(weights)[:, None] * (features - mean)
  return mean, np.linalg.qr(factor, mode='r') if len(factor) > factor.shape[1] else factor


def share_divergence(p: np.ndarray, q: np.ndarray) -> float:
  """KL of the mean rows of probabilities [N, K] and [M, K]."""
  return float(rel_entr(p.mean(0), np.maximum(q.mean(0), LEAST_WEIGHT)).sum())


def _within_classes(name: str, real, fake, protocol) -> Estimate:
  """Its interval is of the classes' spread: what other classes of such data would give."""
  distances = []
  for label in np.unique(real['labels'][real['labels'] >= 0]):  # below: nobody says which
    x, y = (side['features'][side['labels'] == label].astype(np.float64) for side in (real, fake))
    if min(len(x), len(y)) < 2:
      raise UserError(
        f'{name} needs at least 2 images of each class on both sides; of class {label} there are '
        f'{len(x)} real and {len(y)} generated ones.'
      )
    distances.append(max(frechet_distance(x, y, protocol.fid_ddof), 0.0))
  return mean_of(np.array(distances))


def _among(name: str, fake, count: int) -> np.ndarray:
  """Whether each image's label is among its `count` likeliest classes: [N], 0 or 1."""
  told, labels = _told(name, fake), fake['labels']
  if labels.max() >= told.shape[1]:
    raise UserError(
      f'{name}: the network tells {told.shape[1]} classes, and images are drawn for class '
      f'{labels.max()} too: measure by a classifier of the same classes, in their order.'
    )
  own = told[np.arange(len(told)), labels]
  return ((told > own[:, None]).sum(1) < count).astype(float)


def _taught(told: np.ndarray, labels: np.ndarray, count: int) -> Estimate:
  """The mean accuracy of classifiers' logits [R, N, K]; ties count against the true class.

  Two things vary: the test images, of which there are N, and the R trainings. The interval adds the
  squares of both half-widths (Student's t of N - 1 and of R - 1): other test images, and other trainings
  on these same fakes.
  """
  true = np.take_along_axis(told, np.broadcast_to(labels, told.shape[:2])[..., None], 2)
  right = ((told >= true).sum(2) <= count).astype(float)
  parts = mean_of(right.mean(0)), mean_of(right.mean(1))
  errors = [(x.high - x.low) / 2 for x in parts]
  error = float(np.sqrt(np.nansum(np.square(errors))))
  return within(parts[0].value, error, f'standard error, {len(told)} trainings', least=0, most=1)


def _told(name: str, side) -> np.ndarray:
  """Probabilities of the network's classes, float64 [N, K]."""
  if 'logits' not in side:
    raise UserError(f'{name} needs a network with classes: own, inception, efficientnet_lite0.')
  return softmax(side['logits'].astype(np.float64), 1)
