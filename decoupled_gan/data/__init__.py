"""Images for training and testing, by source.

A source is one function from the config to a `Dataset` and one word in `SOURCES`, below the kind of
batch that it gives: what a method's BATCH names. The same word may give several kinds. Batches are
made by `train_batches`, and are a function of (seed, step, batch_size) alone.

Config fields read here: seed, batch_size, image_size, image_channels (1 or 3), attributes, data.source,
data.path, data.a, data.b, data.direction, data.augment, data.stretch, data.center_crop, data.mirror,
data.tile_size, data.num_threads.
"""

from collections.abc import Callable

from ml_collections import ConfigDict

from decoupled_gan.core.types import Aligned, Batch, Labelled, Pair, Plain
from decoupled_gan.data.dataset import ArrayImages, Dataset, Images
from decoupled_gan.data.pipeline import test_batch, test_images, train_batches
from decoupled_gan.data.sources import aligned, avatars, emoji, fake, folder, labelled, terrain, tfds
from decoupled_gan.data.views import cropped, mirrored
from decoupled_gan.errors import UserError, listing

__all__ = [
  'SOURCES', 'ArrayImages', 'Dataset', 'Images', 'load', 'test_batch', 'test_images', 'train_batches',
]  # fmt: skip

SOURCES: dict[type[Batch], dict[str, Callable[[ConfigDict], Dataset]]] = {
  Pair: {
    'folder': folder.load,
    'tfds': tfds.load,
    'terrain': terrain.load,
    'emoji': emoji.load,
    'fake': fake.load,
  },
  Aligned: {'folder': aligned.load, 'terrain': terrain.load_aligned, 'fake': fake.load_aligned},
  Labelled: {
    'folder': labelled.load,
    'utkface': labelled.load_utkface,
    'avatars': avatars.load,
    'fake': fake.load_labelled,
  },
  Plain: {
    'folder': folder.load_plain,
    'tfds': tfds.load_plain,
    'terrain': terrain.load_plain,
    'emoji': emoji.load_plain,
    'avatars': avatars.load_plain,
    'fake': fake.load_plain,
  },
}


def load(config: ConfigDict, kind: type[Batch] = Pair) -> Dataset:
  """The dataset of `kind` that config.data.source names: a word of SOURCES, or 'tfds:<name>'.

  Raises:
    UserError: no such source, or the source cannot give what is asked.
  """
  source, sources = config.data.source, SOURCES[kind]
  word, colon, _ = source.partition(':')
  if word not in sources or (colon and word != 'tfds'):
    names = ' and '.join(kind._fields)
    naming = '; tfds takes a name, as in tfds:cycle_gan/horse2zebra' if 'tfds' in sources else ''
    raise UserError(
      f'data.source={source!r} does not exist for batches of {names} (the method wants '
      f'{kind.__name__}): there are {listing(sources)}{naming}'
    )
  dataset = sources[word](config)
  if config.data.get('center_crop', False):
    dataset = cropped(dataset)
  return mirrored(dataset) if config.data.get('mirror', False) else dataset
