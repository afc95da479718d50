"""METRICS, and how a metric is asked for: `kid`, `kid_1k`, `kid_1k@efficientnet_lite0`.

A metric is a function with the decorator below; its name is the metric's. Behind the underscore stands
the number of generated images (none: all that there are), behind the @ the feature network, unless it
is the one that published numbers are made with. Two networks' numbers never share a name.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from decoupled_gan.errors import UserError, listing

FEATURES, IMAGES, PAIRS, ANSWERS = 'features', 'images', 'pairs', 'answers'
POINTS, MODES, PATHS = 'points', 'modes', 'paths'
RETRAINED = 'retrained'
LEAST = 8  # images on each side, for an interval from halves of them


class Estimate(NamedTuple):
  """A number with a 95 % confidence interval, and how that was found; NaN: it cannot be estimated."""

  value: float
  low: float
  high: float
  interval: str


@dataclass(frozen=True)
class Metric:
  """What is known of a metric.

  Attributes:
    name: of the function.
    function: by `needs`:
      'features': (real, fake, protocol, rng) -> Estimate; real and fake {'features': [N, D],
        'logits': [N, K]}, float32, as features.extract gives them, and 'labels' int [N] where
        `labels` says so; with `train`, (real, fake, train, protocol, rng);
      'images': (real, fake, rng) -> Estimate; uint8 [N, S, S, C];
      'pairs': (images, truth) -> float [N], a number for each image; uint8 [N, S, S, C];
      'points': (real, fake, rng) -> Estimate; float32 [N, D];
      'modes': (law, fake) -> Estimate; law as data.dataset.Law, of images uint8 or points float32;
      'paths': (walk, count, rng) -> Estimate; walk as scoring.ImageSet has it;
      'answers': (answers, rng) -> Estimate; a Response of arrays, see classification.py;
      'retrained': (told, labels) -> Estimate; logits [R, N, K] that R classifiers, which were trained
        on the generated images, give the real test images, and their classes int [N].
    needs: see above.
    network: whose weights published numbers are made with; only 'features' metrics take another
      one, and 'retrained' ones the classifier to train anew. '' if there is none.
    better: 'lower' or 'higher'.
    labels: whether it wants the class of each image, on both sides.
    train: whether it wants the images that were trained on, beside those of the protocol.
  """

  name: str
  function: Callable
  needs: str
  network: str
  better: str
  labels: bool = False
  train: bool = False

  @property
  def counted(self) -> bool:
    """Whether the number of images belongs into the name: means over images do not depend on it."""
    return self.needs not in (PAIRS, ANSWERS)


METRICS: dict[str, Metric] = {}
INCEPTION, OWN = 'inception', 'own'
OF_INCEPTION = {'fid': 'fd', 'intra_fid': 'intra_fd'}
"""Frechet distances of Inception's features, and what those of other features are called."""


def metric(
  needs: str, better: str, network: str = '', name: str = '', labels: bool = False, train: bool = False
):
  """Registers a function as a metric, of its own name if none is given; see Metric."""

  def register(function):
    title = name or function.__name__
    if title in METRICS:
      raise ValueError(f'there are two metrics {title}')
    METRICS[title] = Metric(title, function, needs, network, better, labels, train)
    return function

  return register


@dataclass(frozen=True)
class Request:
  """A metric, how many generated images (None: all), and the feature network ('': none)."""

  metric: Metric
  count: int | None
  network: str

  def title(self, count: int) -> str:
    """The name that a number made from `count` generated images goes by."""
    name = f'{self.metric.name}_{short(count)}' if self.metric.counted else self.metric.name
    return name if self.network == self.metric.network else f'{name}@{self.network}'


def short(count: int) -> str:
  """1000 -> '1k', 1234 -> '1234'."""
  return f'{count // 1000}k' if count >= 1000 and count % 1000 == 0 else str(count)


def parse(text: str) -> Request:
  """'kid_1k@efficientnet_lite0' as a Request; raises UserError if there is no such metric."""
  whole, _, network = text.strip().partition('@')
  name, count = whole, None
  if whole not in METRICS and (match := re.fullmatch(r'(.+)_(\d+)(k?)', whole)):
    name, count = match[1], int(match[2]) * (1000 if match[3] else 1)
  if name not in METRICS:
    raise UserError(
      f'there is no metric {text!r}; there are {listing(sorted(METRICS), 80)}, with the number of '
      'images behind an underscore and a feature network behind an @, as in '
      'kid_1k@efficientnet_lite0.'
    )
  found = METRICS[name]
  if network and found.needs not in (FEATURES, RETRAINED):
    raise UserError(f'{text}: {name} takes no feature network; ask for {whole}.')
  asked = network or found.network
  if name in OF_INCEPTION and asked != INCEPTION:
    raise UserError(
      f"{text}: FID is the Frechet distance of Inception's features; of others it is called fd: ask for "
      f'{whole.replace("fid", "fd", 1)}@{asked}.'
    )
  if name in OF_INCEPTION.values() and asked in ('', INCEPTION):
    raise UserError(
      f'{text}: say of which features, as in {whole}@efficientnet_lite0 or {whole}@own; of those of '
      f'Inception it is called {whole.replace("fd", "fid", 1)}.'
    )
  if found.needs == RETRAINED and asked != OWN:
    raise UserError(
      f'{text}: {name} trains a classifier anew on generated images, as the one of --own was trained on '
      f'real ones: ask for {whole}@{OWN}.'
    )
  if not asked and found.needs == FEATURES:
    raise UserError(f'{text}: say by which network, as in {whole}@own or {whole}@efficientnet_lite0.')
  if count is not None and (not found.counted or count < 1):
    raise UserError(f'{text}: {name} takes no such number of images; ask for {name}.')
  return Request(found, count, asked)


def within(value: float, error: float, how: str, least=-math.inf, most=math.inf) -> Estimate:
  """`value` give or take `error`, within what the metric can be.

  No interval where nothing was seen to vary, or could be: an error of 0, or not a number.
  """
  if not error > 1e-9 * abs(value):
    return Estimate(min(max(value, least), most), math.nan, math.nan, how)
  low, high = max(value - error, least), min(value + error, most)
  return Estimate(min(max(value, least), most), low, high, how)


def mean_of(scores: np.ndarray) -> Estimate:
  """The mean of independent scores [N]; its interval by Student's t."""
  scores = np.asarray(scores, np.float64)
  count, error = len(scores), math.nan
  if count > 1:
    error = stats.t.ppf(0.975, count - 1) * float(scores.std(ddof=1)) / math.sqrt(count)
  return within(float(scores.mean()), error, 'standard error')


def subsampled(
  value: float, statistic: Callable, real: np.ndarray, fake: np.ndarray, rng, draws: int = 20
) -> Estimate:
  """`value` with the interval that the statistic's spread over subsamples tells.

  Each draw takes the same fraction of both sets without replacement: half, or less so that 1,000
  images do. The spread of `statistic` over such draws, times sqrt(fraction / (1 - fraction)),
  estimates its standard error on the whole (delete-d jackknife, Shao & Wu 1989). Where whole images make
  the fractions differ, the larger one counts. Of fewer than LEAST images on a side there are too few
  different halves to tell anything: no interval.
  """
  if min(len(real), len(fake)) < LEAST:
    return within(value, math.nan, f'fewer than {LEAST} images')
  fraction = min(0.5, 1000 / max(len(real), len(fake)))
  sizes = [max(2, int(len(x) * fraction)) for x in (real, fake)]
  drawn = max(n / len(x) for n, x in zip(sizes, (real, fake), strict=True))
  found = []
  for _ in range(draws):
    parts = [x[rng.permutation(len(x))[:n]] for x, n in zip((real, fake), sizes, strict=True)]
    found.append(statistic(*parts))
  error = 1.96 * float(np.std(found, ddof=1)) * math.sqrt(drawn / (1 - drawn))
  return within(value, error, f'{draws} subsamples')
