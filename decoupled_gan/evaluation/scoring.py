"""Metrics of sets of images, by a protocol: what evaluation of a run and of two folders share."""

import functools
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import jax
import numpy as np
from rich.console import Console
from rich.progress import Progress

from decoupled_gan.data.dataset import Law
from decoupled_gan.errors import UserError, listing
from decoupled_gan.evaluation.metrics import registry
from decoupled_gan.evaluation.metrics.protocols import Protocol, network_input
from decoupled_gan.evaluation.metrics.registry import (
  ANSWERS,
  FEATURES,
  IMAGES,
  MODES,
  PATHS,
  POINTS,
  RETRAINED,
  Estimate,
  Request,
)
from decoupled_gan.machine import cache
from decoupled_gan.pretrained import features, lpips

CHUNK = 64  # images decoded, resized or generated at a time
THREADS = 8
BIASED_BELOW = 2000  # images: below it FID is mostly bias


@dataclass
class ImageSet:
  """Images that are read a chunk at a time, whose features are kept.

  Attributes:
    name: in progress bars and errors.
    read: indices -> images uint8 [H, W, C], of any sizes; or what a classifier answers to each example.
    count: how many there are; None: no end.
    lasting: the images are the same in the next process: features are cached by content.
    copies: how many were found to be copies of others, where they were looked at for that cache.
    labels: indices -> the class of each, int [n]; None where images have none.
    walk: (count, 'z' or 'w') -> iterator over as many steps in the latents of the generator that made
      them, images in [-1, 1] at both ends [n, H, W, C] of some at a time; None where there is none.
  """

  name: str
  read: Callable[[np.ndarray], Sequence[np.ndarray]]
  count: int | None
  lasting: bool = False
  copies: int = 0
  labels: Callable[[np.ndarray], np.ndarray] | None = None
  walk: Callable[[int, str], Iterator[tuple[np.ndarray, np.ndarray]]] | None = None
  _features: dict = field(default_factory=dict)
  _images: np.ndarray | None = None

  def images(self, count: int) -> np.ndarray:
    """The first `count` as one array; raises UserError if they differ in size."""
    if self._images is None or len(self._images) < count:
      found = list(self._iterate(count, 'images'))
      sizes = sorted({x.shape for x in found})
      if len(sizes) > 1:
        names = ', '.join('x'.join(map(str, size)) for size in sizes[:3])
        raise UserError(
          f'{self.name}: images of one size are needed here, and there are {len(sizes)} sizes '
          f'({names}): resize them first, or ask for metrics of features (kid, fid, ...).'
        )
      self._images = np.stack(found)
    return self._images[:count]

  def answers(self):
    """All that a classifier answers, as one NamedTuple of arrays [N, ...]."""
    return jax.tree.map(lambda *rows: np.stack(rows), *self._iterate(self.count, 'answers'))

  def features(self, network: features.Network, resize: str, count: int) -> dict[str, np.ndarray]:
    """What `network` makes of the first `count`; see features.extract."""
    key = (network.name, resize)
    known = self._features.get(key)
    if known is None or len(known['features']) < count:
      known = self._features[key] = self._extract(network, resize, count)
    return {name: x[:count] for name, x in known.items()}

  def _extract(self, network, resize, count) -> dict[str, np.ndarray]:
    def compute():
      images = self._iterate(count, f'{network.name} features')
      return features.extract(network, _resized(images, network.input_size, resize))

    if not self.lasting:
      return compute()
    content = hashlib.sha256(f'{network.sha256} {resize}'.encode())
    seen = set()
    for image in self._iterate(count, 'content'):
      pixels = str(image.shape).encode() + image.tobytes()
      content.update(pixels)
      seen.add(hash(pixels))
    self.copies = count - len(seen)
    name = f'features/{network.name}-{content.hexdigest()[:24]}'
    with cache.cached(name, 1, compute) as arrays:
      return dict(arrays)

  def _iterate(self, count: int, what: str) -> Iterator[np.ndarray]:
    with bar() as progress:
      for start in progress.track(range(0, count, CHUNK), description=f'{self.name}: {what}'):
        indices = np.arange(start, min(start + CHUNK, count))
        yield from self.read(indices)


def bar() -> Progress:
  """A progress bar on a terminal, nothing elsewhere."""
  console = Console(stderr=True)
  return Progress(console=console, transient=True, disable=not sys.stderr.isatty())


def of_images(name: str, images, prepare: Callable = lambda x: x, labels=None) -> ImageSet:
  """Images of random access, decoded by threads, each through `prepare`.

  In an order that is the same for all sets of as many, so that pairs stay pairs, and shuffled, so that
  the first hundred are a fair sample. `labels`: the class of each, int [N], or None.
  """
  order = np.random.default_rng(0).permutation(len(images))

  def read(indices):
    with ThreadPoolExecutor(THREADS) as pool:
      return list(pool.map(lambda i: prepare(images[int(i)]), order[indices]))

  ordered = None if labels is None else lambda indices: np.asarray(labels)[order[indices]]
  return ImageSet(name, read, len(images), lasting=True, labels=ordered)


@dataclass(frozen=True)
class Score:
  """A number with all that is needed to compare it; `scale` is what it was multiplied by."""

  title: str
  estimate: Estimate
  metric: registry.Metric
  count: int
  reference_count: int
  network: str
  sha256: str
  scale: float = 1


def score(
  requests: Sequence[Request],
  real: ImageSet,
  fake: ImageSet,
  protocol: Protocol,
  seed: int,
  truth: ImageSet | None = None,
  law: Law | None = None,
  train: ImageSet | None = None,
  test: ImageSet | None = None,
) -> list[Score]:
  """Each request's number. Raises UserError where there are too few images, no truth, law or labels.

  `train` are the images that were trained on, `test` those that were not, at the size of training, where
  they are known.
  """
  if any(request.metric.needs == ANSWERS for request in requests):
    return _of_answers(requests, fake, seed)
  found = networks(requests)
  counts = [_count(request, fake) for request in requests]
  largest: dict[str, int] = {}
  for request, count in zip(requests, counts, strict=True):
    largest[request.network] = max(count, largest.get(request.network, 0))
  told, scores = functools.cache(functools.partial(_retrained, fake, test)), []
  for request, count in zip(requests, counts, strict=True):
    rng = np.random.default_rng(seed)
    metric, reference, sha256 = request.metric, real.count, ''
    _check_kind(metric, real, law)
    if metric.needs == FEATURES:
      network = found[request.network]
      sha256 = network.sha256
      fake.features(network, protocol.resize, largest[request.network])  # once for all counts
      sides = [(real, real.count), (fake, count), *_trained_on(metric, train)]
      found_features = [_features(side, metric, network, protocol, n) for side, n in sides]
      estimate = metric.function(*found_features, protocol, rng)
    elif metric.needs == MODES:
      reference = 0
      estimate = metric.function(law, fake.images(count))
    elif metric.needs == PATHS:
      reference = 0
      estimate = metric.function(_walk(metric, fake), count, rng)
    elif metric.needs == RETRAINED:
      network = found[request.network]
      sha256 = network.sha256
      logits, labels = told(network, count)
      reference = len(labels)
      estimate = metric.function(logits, labels)
    elif metric.needs in (IMAGES, POINTS):
      reference = min(real.count, count)
      estimate = metric.function(real.images(reference), fake.images(count), rng)
    else:
      if truth is None:
        raise UserError(
          f'{metric.name} needs the truth of each generated image, which there is not here; ask for '
          'metrics of whole sets: kid, fid, sliced_wasserstein, ...'
        )
      estimate = registry.mean_of(metric.function(*_of_one_size(fake, truth, count)))
      reference = count
    for trunk in (lpips.ALEX, lpips.VGG):
      if metric.network == trunk.name:
        sha256 = trunk.sha256
    scale = protocol.kid_scale if metric.name == 'kid' else 1
    title = request.title(count)
    scores.append(
      Score(title, estimate, metric, count, reference, request.network, sha256, scale)
    )
  return scores


def _walk(metric: registry.Metric, fake: ImageSet):
  if fake.walk is None:
    raise UserError(
      f'{metric.name} walks in the latents of a generator, and {fake.name} has none at hand: ask for it '
      'of a run that draws from seeds, by --mode=evaluate.'
    )
  return fake.walk


def _retrained(fake: ImageSet, test: ImageSet | None, network, count: int):
  """(logits [R, N, K] of the test images by networks trained on `count` fakes, their classes [N])."""
  if test is None or test.labels is None or fake.labels is None:
    raise UserError(
      f'a classifier that is trained on generated images wants the class of each, and {fake.name} or '
      'the test images have none: it is of runs on labelled data (config.attributes) whose generator is '
      'told a class, by --mode=evaluate.'
    )
  everyone = np.arange(test.count)
  given = fake.images(count), fake.labels(np.arange(count)), test.images(test.count)
  return network.learn(*given), test.labels(everyone)


def _trained_on(metric: registry.Metric, train: ImageSet | None) -> list[tuple[ImageSet, int]]:
  if metric.train and train is None:
    raise UserError(
      f'{metric.name} looks at the images that were trained on, which two folders do not tell: ask for '
      'it of a run.'
    )
  return [(train, train.count)] if metric.train else []


def _features(side: ImageSet, metric: registry.Metric, network, protocol: Protocol, count: int):
  """What the network makes of a set's first `count`, with their labels where the metric wants them."""
  features = side.features(network, protocol.resize, count)
  if not metric.labels:
    return features
  if side.labels is None:
    raise UserError(
      f'{metric.name} wants the class of each image, and {side.name} has none: it is of runs on '
      'labelled data (config.attributes) whose generator is told a class.'
    )
  return features | {'labels': side.labels(np.arange(count))}


def _check_kind(metric: registry.Metric, real: ImageSet, law: Law | None):
  """Raises UserError where a metric of images is asked of points, or the other way round."""
  points = real.images(1).ndim == 2
  if metric.needs == MODES and law is None:
    raise UserError(
      f'{metric.name} counts modes, and those of this data are not known: they are of ring8, grid25, '
      'unequal8, line1, line4 and stacked_digits.'
    )
  if metric.needs != MODES and points != (metric.needs == POINTS):
    kinds = ('images', 'points')
    suited = [name for name, m in registry.METRICS.items() if (m.needs == POINTS) == points]
    raise UserError(
      f'{metric.name} is of {kinds[not points]}, and these are {kinds[points]}: ask for '
      f'{listing(sorted(suited), 80)}.'
    )


def _of_answers(requests: Sequence[Request], told: ImageSet, seed: int) -> list[Score]:
  """Each request's number of what a classifier answers."""
  answers, scores = told.answers(), []
  for request in requests:
    estimate = request.metric.function(answers, np.random.default_rng(seed))
    count = told.count
    scores.append(Score(request.title(count), estimate, request.metric, count, count, '', ''))
  return scores


def _of_one_size(fake: ImageSet, truth: ImageSet, count: int) -> tuple[np.ndarray, np.ndarray]:
  images, wanted = fake.images(count), truth.images(count)
  if images.shape != wanted.shape:
    sizes = ['x'.join(map(str, x.shape[1:])) for x in (images, wanted)]
    raise UserError(
      f'images and their truth must be of one size: {fake.name} has {sizes[0]}, {truth.name} has '
      f'{sizes[1]}. Resize one of them.'
    )
  return images, wanted


def networks(requests: Sequence[Request]) -> dict[str, features.Network]:
  """The feature networks that `requests` need; raises UserError if one cannot be had."""
  names = {r.network for r in requests if r.metric.needs in (FEATURES, RETRAINED)}
  return {name: features.load(name) for name in sorted(names)}


def notes(scores: Sequence[Score]) -> list[str]:
  """What a reader of the numbers should know."""
  told = []
  for name in ('fid', 'fd'):
    few = [min(s.count, s.reference_count) for s in scores if s.metric.name == name]
    if few and min(few) < BIASED_BELOW:
      told.append(
        f'{name.upper()} of fewer than {BIASED_BELOW:,} images ({min(few):,} here) is mostly bias: '
        f'compare it only with {name.upper()}s of as many, or read KID.'
      )
  others = [s for s in scores if s.network != s.metric.network and s.metric.network]
  if others:
    ours, published = {s.network for s in others}, {s.metric.network for s in others}
    told.append(
      f'Features of {listing(sorted(ours))}: not comparable with published numbers, which are made '
      f'with {listing(sorted(published))}.'
    )
  return told


def _count(request: Request, fake: ImageSet) -> int:
  """How many generated images a request takes."""
  name = request.metric.name
  if request.count is None and fake.count is None:
    raise UserError(f'{name}: say of how many images, as in {name}_10k: there is no end of them.')
  if request.count is None:
    return fake.count
  if fake.count is not None and request.count > fake.count:
    raise UserError(
      f'{name}_{registry.short(request.count)} needs {request.count:,} images, and there are '
      f'{fake.count:,} ({fake.name}): ask for {name}, which takes all of them and says how many.'
    )
  return request.count


def _resized(images, size: int, resize: str) -> Iterator[np.ndarray]:
  """Images as the network wants them, resized by threads a chunk at a time."""
  chunk = []

  def run():
    with ThreadPoolExecutor(THREADS) as pool:
      yield from pool.map(lambda image: network_input(image, size, resize), chunk)
    chunk.clear()

  for image in images:
    chunk.append(image)
    if len(chunk) == CHUNK:
      yield from run()
  yield from run()
