"""Images for training and testing, by source.

A source is one function from the config to a `Dataset` and one word in `SOURCES`. All sources of
today are unpaired: two domains of images. Batches are made by `train_batches`, and are a function
of (seed, step, batch_size) alone.

Config fields read here: seed, batch_size, image_size, image_channels (1 or 3), data.source,
data.path, data.a, data.b, data.augment, data.tile_size, data.num_threads.
"""

from collections.abc import Callable

from ml_collections import ConfigDict

from decoupled_gan.data import emoji, fake, folder, terrain, tfds
from decoupled_gan.data.dataset import ArrayImages, Dataset, Images
from decoupled_gan.data.pipeline import test_images, train_batches
from decoupled_gan.errors import UserError, listing

__all__ = ['SOURCES', 'ArrayImages', 'Dataset', 'Images', 'load', 'test_images', 'train_batches']

SOURCES: dict[str, Callable[[ConfigDict], Dataset]] = {
  'folder': folder.load,
  'tfds': tfds.load,
  'terrain': terrain.load,
  'emoji': emoji.load,
  'fake': fake.load,
}


def load(config: ConfigDict) -> Dataset:
  """The dataset that config.data.source names: a word of SOURCES, or 'tfds:<dataset name>'.

  Raises:
    UserError: no such source, or the source cannot give what is asked.
  """
  source = config.data.source
  word, colon, _ = source.partition(':')
  if word not in SOURCES or (colon and word != 'tfds'):
    raise UserError(
      f'data.source={source!r} does not exist: there are {listing(SOURCES)}; '
      'tfds takes a name, as in tfds:cycle_gan/horse2zebra'
    )
  return SOURCES[word](config)
