"""Batches from images: random access all the way, so that a batch is a function of the step.

Built on `grain.MapDataset`: source -> shuffle (another order each epoch) -> repeat -> augment with a
generator of its own per example -> batch. The fields of an example go through it together and are
augmented alike; those of a Pair go through streams of their own, which are then zipped. Nothing
depends on what was read before, so a run resumed at step k reads batch k of the uninterrupted run,
bit by bit, whatever the number of threads or processes.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from operator import itemgetter

import numpy as np

from decoupled_gan.core.types import Batch, Pair, image_shape, present
from decoupled_gan.data.dataset import Dataset, Images
from decoupled_gan.data.episodes import ENDLESS, Episodes, InEpisodes
from decoupled_gan.data.transforms import augment, fitted, stretch
from decoupled_gan.data.views import column
from decoupled_gan.errors import UserError


def train_batches(
  dataset: Dataset, config, start_step: int = 0, process_index: int = 0, process_count: int = 1
) -> Iterator[Batch]:
  """An endless iterator over training batches, decoded and augmented by threads in the background.

  All examples (of a Pair: all images of each domain, in orders of their own) come once before they
  start again; a set smaller than the batch is therefore seen several times in one.

  Args:
    dataset: what `load` gave.
    config: reads seed, batch_size, image_size, data.augment, data.fit and data.num_threads (0: none).
    start_step: the step whose batch comes first.
    process_index: which of the `process_count` processes this is.
    process_count: every process gets batch_size / process_count images a step; process p's are the
      p-th contiguous chunk of the batch that a single process would get.

  Returns:
    An iterator of `dataset.kind`: images uint8 [batch_size / process_count, H, W, C], points, labels;
    `close()` stops its threads.

  Raises:
    UserError: batch_size is not divisible by process_count, or is no episode of config.data.episode;
      later, from `next`, an image that cannot be decoded.
  """
  local, rest = divmod(config.batch_size, process_count)
  if rest or not local:
    raise UserError(
      f'batch_size={config.batch_size} cannot be shared by {process_count} processes: '
      f'make it a multiple of {process_count}'
    )
  fields = present(dataset.train)
  if all(map(partial(_is_resident, config=config), fields.values())):
    part = slice(process_index * local, (process_index + 1) * local)
    return Resident(dataset, config, start_step, part)
  import grain  # seconds, which what only draws or translates need not wait for

  if dataset.kind is Pair:
    streams = [_examples(Rows((field,)), config, i) for i, field in enumerate(fields.values())]
    examples = grain.experimental.ZipMapDataset([stream.map(itemgetter(0)) for stream in streams])
  else:
    if config.data.index and 'index' in dataset.kind._fields:
      fields['index'] = np.arange(len(next(iter(fields.values()))), dtype=np.int32)
    examples = _examples(Rows(tuple(fields.values())), config, 0, _episodes(fields, config))
  batches = examples.batch(local).map(partial(_named, dataset.kind, tuple(fields)))
  batches = batches[process_index::process_count][start_step:]
  threads = config.data.num_threads
  # A thread makes a whole batch: a buffer of as many batches keeps all of them busy.
  options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
  return iter(batches.to_iter_dataset(options))


class Resident:
  """Training batches of a set that is in memory, taken by their indices: no threads, no reading.

  As an iterator it gives batches; `take(n)` gives the next n of them along a first axis. A function of
  (seed, step) as all others: every epoch has a permutation of its own.
  """

  def __init__(self, dataset: Dataset, config, step: int = 0, part: slice = slice(None)):
    self._kind, self._config, self._step, self._part = dataset.kind, config, step, part
    self._fields = {
      name: x if isinstance(x, np.ndarray) else test_images(x, None, config)
      for name, x in present(dataset.train).items()
    }
    self._count = len(next(iter(self._fields.values())))
    self._orders: dict[tuple[int, int], np.ndarray] = {}
    self._episodes = _episodes(self._fields, config)

  def __iter__(self):
    return self

  def __next__(self) -> Batch:
    return self._kind(**{name: x[0] for name, x in present(self.take(1)).items()})

  def take(self, count: int) -> Batch:
    """The next `count` batches: [count, batch_size / process_count, ...]."""
    size = self._config.batch_size
    places = np.arange(self._step * size, (self._step + count) * size)
    places = places.reshape(count, size)[:, self._part]
    self._step += count
    found = {}
    for number, (name, values) in enumerate(self._fields.items()):
      stream = number if self._kind is Pair else 0
      indices = self._indices(stream, places)
      found[name] = values[indices]
    if self._config.data.index and 'index' in self._kind._fields:
      found['index'] = indices.astype(np.int32)
    return self._kind(**found)

  def close(self):
    """Nothing is to be stopped."""

  def _indices(self, stream: int, places: np.ndarray) -> np.ndarray:
    if self._episodes:
      return self._episodes.at(places)
    epochs, within = np.divmod(places, self._count)
    found = np.empty_like(places)
    for epoch in np.unique(epochs):
      chosen = epochs == epoch
      found[chosen] = self._order(stream, int(epoch))[within[chosen]]
    return found

  def _order(self, stream: int, epoch: int) -> np.ndarray:
    if (stream, epoch) not in self._orders:
      self._orders = {key: x for key, x in self._orders.items() if key[1] >= epoch - 1}
      seed = (self._config.seed % 2**32, stream, epoch)
      self._orders[stream, epoch] = np.random.default_rng(seed).permutation(self._count)
    return self._orders[stream, epoch]


def _is_resident(field, config) -> bool:
  """Whether a field is an array, or images in memory that nothing is to change."""
  if isinstance(field, np.ndarray):
    return True
  return getattr(field, 'resident', False) and not config.data.augment


def take(batches: Iterator[Batch], count: int) -> Batch:
  """The next `count` batches along a first axis."""
  if isinstance(batches, Resident):
    return batches.take(count)
  parts = [next(batches) for _ in range(count)]
  return parts[0]._make(
    None if column[0] is None else np.stack(column) for column in zip(*parts, strict=True)
  )


def test_images(images: Images, which: int | Sequence[int] | None, config) -> np.ndarray:
  """Test images after the test protocol: brought to the size of training, nothing random.

  Args:
    images: one domain, e.g. `dataset.test.a`.
    which: indices, or a number for the first so many, or None for all.
    config: reads image_size, image_channels, data.fit, data.interpolation and data.num_threads.

  Returns:
    uint8 [N, H, W, C].

  Raises:
    UserError: an image that cannot be decoded.
  """
  if which is None or isinstance(which, int):
    which = range(len(images))[:which]
  with ThreadPoolExecutor(max(1, config.data.num_threads)) as pool:
    resized = list(pool.map(lambda index: tested(images[index], config), which))
  if not resized:
    return np.zeros((0, *image_shape(config), config.image_channels), np.uint8)
  return np.stack(resized)


def test_examples(field: Images | np.ndarray, which: Sequence[int], config) -> np.ndarray:
  """Those of a dataset's field: rows of an array, or images after the test protocol."""
  if isinstance(field, np.ndarray):
    return field[np.asarray(which)]
  return test_images(field, [int(i) for i in which], config)


def test_batch(dataset: Dataset, count: int, config) -> Batch:
  """`count` test examples, evenly spread; some come twice if there are fewer."""

  def some(field):
    return test_examples(field, [i * len(field) // count for i in range(count)], config)

  found = {name: some(field) for name, field in present(dataset.test).items()}
  if config.data.index and 'index' in dataset.kind._fields:
    found['index'] = np.arange(count, dtype=np.int32)
  return dataset.kind(**found)


# pytest would otherwise collect the functions above wherever a test module imports them.
test_images.__test__ = test_examples.__test__ = test_batch.__test__ = False


@dataclass(frozen=True)
class Rows:
  """Fields side by side: `rows[i]` is the tuple of each field's i-th value."""

  fields: tuple

  def __len__(self) -> int:
    return len(self.fields[0])

  def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
    return tuple(field[index] for field in self.fields)


def _episodes(fields: dict, config) -> Episodes | None:
  """What config.data.episode asks; raises UserError if there are no labels, or batches do not fit."""
  episode = config.data.episode
  if not episode.ways:
    return None
  size = episode.ways * (episode.shots + episode.queries)
  if config.batch_size != size:
    raise UserError(
      f'batch_size={config.batch_size} is no episode of {episode.ways} classes with {episode.shots} + '
      f'{episode.queries} examples each: that is {size}.'
    )
  return Episodes(column(fields.get('labels'), 'data.episode'), episode, config.seed % 2**32)


def _examples(rows: Rows, config, number: int, episodes: Episodes | None = None):
  """Endless examples, a grain.MapDataset: tuples of images, uint8 [H, W, C], and what else there is.

  Args:
    episodes: the order of the rows, where they come in episodes.
  """
  import grain

  # Hashed, so that neighbouring seeds and the two domains share no order and no crop.
  seed = np.random.SeedSequence((config.seed % 2**32, number)).generate_state(1)[0]
  if episodes:
    examples = grain.MapDataset.source(InEpisodes(rows, episodes))
    return _prepared(examples.seed(int(seed)), config)
  # repeat() alone claims a length that overflows when batches of one are counted, and `zip` wants
  # both domains to be as long.
  epochs = ENDLESS // len(rows) + 1
  examples = grain.MapDataset.source(rows).seed(int(seed)).shuffle().repeat(epochs)[:ENDLESS]
  return _prepared(examples, config)


def _prepared(examples, config):
  if config.data.augment:
    return examples.random_map(partial(_augmented, config=config))
  return examples.map(partial(_resized, config=config))


def _named(kind: type[Batch], fields: Sequence[str], values: Sequence) -> Batch:
  return kind(**dict(zip(fields, values, strict=True)))


def _augmented(example: tuple, rng: np.random.Generator, config) -> tuple:
  """The images of one example, all flipped and cropped alike."""
  state = rng.bit_generator.state

  def convert(image):
    rng.bit_generator.state = state
    shape, data = image_shape(config), config.data
    return augment(stretched(image, config), rng, shape, data.interpolation, data.fit)

  return tuple(convert(x) if x.dtype == np.uint8 else x for x in example)


def _resized(example: tuple, config) -> tuple:
  return tuple(tested(x, config) if x.dtype == np.uint8 else x for x in example)


def tested(image: np.ndarray, config) -> np.ndarray:
  """uint8 [h, w, C] -> [H, W, C]: an image as it is tested, brought to the size of training."""
  data = config.data
  return fitted(stretched(image, config), image_shape(config), data.fit, data.interpolation)


def stretched(image: np.ndarray, config) -> np.ndarray:
  """An image with the values that it is trained with, at its own size."""
  return stretch(image) if config.data.stretch else image
