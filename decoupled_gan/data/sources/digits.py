"""Handwritten digits, 8 x 8 px, grey: the 1,797 test images of UCI's optical recognition set.

Alpaydin and Kaynak, 1998; as scikit-learn carries them (CC BY 4.0). One in five is for testing.
"""

import numpy as np

from decoupled_gan.core.types import Examples
from decoupled_gan.data.dataset import ArrayImages, Dataset
from decoupled_gan.errors import UserError

NAMES = tuple('0123456789')


def load(config) -> Dataset:
  """1,438 digits to train and 359 to test."""
  (train, _), (test, _) = halves(config)
  return Dataset('digits', Examples(train), Examples(test))


def load_labelled(config) -> Dataset:
  """The same with the label `digit`, the only attribute that they have; its values in any order."""
  given = {name: tuple(values) for name, values in config.attributes.items()}
  if set(given) != {'digit'} or sorted(given['digit']) != list(NAMES):
    raise UserError(
      f'attributes={config.attributes.to_dict()}: digits have one, config.attributes.digit = {NAMES} in '
      'any order.'
    )
  order = np.array([given['digit'].index(name) for name in NAMES], np.int32)
  (train, train_labels), (test, test_labels) = halves(config)
  return Dataset('digits', Examples(train, order[train_labels]), Examples(test, order[test_labels]))


def halves(config):
  """((images, labels [N, 1]) to train, the same to test)."""
  from sklearn.datasets import load_digits  # half a second that no other source should pay for

  found = load_digits()
  images = np.round(found.images * (255 / 16)).astype(np.uint8)[..., None].repeat(3, -1)
  labels = found.target.astype(np.int32)[:, None]
  testing = np.arange(len(images)) % 5 == 4

  def part(chosen):
    names = [f'{i:04d}' for i in np.flatnonzero(chosen)]
    return ArrayImages(images[chosen], names, config.image_channels, resident=True), labels[chosen]

  return part(~testing), part(testing)
