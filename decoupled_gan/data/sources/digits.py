"""Handwritten digits, 8 x 8 px, grey: the 1,797 test images of UCI's optical recognition set.

Alpaydin and Kaynak, 1998; as scikit-learn carries them (CC BY 4.0). One in five is for testing.

Seven of them as the parts of three classes that overlap, as S2M's cifar7to3 (Cho et al., NeurIPS 2022).

Three of them stacked as the channels of one image are an image of one of 1,000 modes, the number that
they write (Metz et al., ICLR 2017, did so with MNIST); a classifier of digits tells which.
"""

import functools
from dataclasses import replace

import numpy as np

from decoupled_gan.core.types import Examples, Pair
from decoupled_gan.data.dataset import ArrayImages, Dataset
from decoupled_gan.errors import UserError

NAMES = tuple('0123456789')
SETS = ('A', 'B', 'C', 'AB', 'AC', 'BC', 'ABC')
"""Of digits7to3: the classes that the digits 0 to 6 are of."""
TRIPLES, TEST_TRIPLES = 50_000, 10_000


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


def load_sets(config) -> Dataset:
  """The digits 0 to 6, each of one to three of the classes A, B, C, and labelled by any one of them."""
  given = {name: tuple(values) for name, values in config.attributes.items()}
  if given != {'set': tuple('ABC')}:
    raise UserError(
      f"attributes={config.attributes.to_dict()}: digits7to3 have one, set = ('A', 'B', 'C')."
    )

  def labelled(images: ArrayImages, labels: np.ndarray, seed: int) -> Examples:
    kept = np.flatnonzero(labels[:, 0] < len(SETS))
    choice = np.random.default_rng(seed).random(len(kept))
    sets = [SETS[digit] for digit in labels[kept, 0]]
    one = ['ABC'.index(x[int(u * len(x))]) for x, u in zip(sets, choice, strict=True)]
    names = [images.names[i] for i in kept]
    chosen = replace(images, array=images.array[kept], names=names)
    return Examples(chosen, np.array(one, np.int32)[:, None])

  (train, test) = (labelled(*half, seed) for seed, half in enumerate(halves(config)))
  return Dataset('seven digits of three classes', train, test)


def load_stacked(config) -> Dataset:
  """50,000 triples of the training digits, and 10,000 of those for testing, always the same ones."""
  if config.image_channels != 3:
    raise UserError(f'image_channels={config.image_channels}: stacked digits are three channels.')

  def triples(images: ArrayImages, count: int, seed: int) -> ArrayImages:
    which = np.random.default_rng(seed).integers(len(images), size=(count, 3))
    stacked = np.moveaxis(images.array[..., 0][which], 1, -1)
    return ArrayImages(stacked, [f'{i:05d}' for i in range(count)], resident=True)

  (digits, labels), (test, _) = halves(config)
  law = Triples(digits.array[..., 0], labels[:, 0])
  return Dataset(
    'stacked digits, 1,000 modes',
    Examples(triples(digits, TRIPLES, 0)),
    Examples(triples(test, TEST_TRIPLES, 1)),
    law=law,
  )


def load_inverted(config) -> Dataset:
  """Digits as they are, and *other* digits inverted; of test digits both are there.

  What a translation has to keep is known: its truth is the inverse of its input, and its label.
  """
  (digits, _), (test, _) = halves(config)

  def inverted(images: ArrayImages) -> ArrayImages:
    return replace(images, array=255 - images.array)

  def every_other(first: int) -> ArrayImages:
    return replace(digits, array=digits.array[first::2], names=digits.names[first::2])

  return Dataset(
    'digits and inverted digits',
    Pair(every_other(0), inverted(every_other(1))),
    Pair(test, inverted(test)),
    domains=Pair('digits', 'inverted digits'),
    aligned_test=True,
    notes=('no digit is in both training domains',),
  )


class Triples:
  """The law of stacked digits: their mode is the number a + 10 b + 100 c of the digits a, b, c.

  Told by a support vector machine that learned `images` [N, 8, 8] and their `labels` [N] (0.992 of the
  test digits are told right); every image is one of some number, so all are good.
  """

  modes = 1000

  def __init__(self, images: np.ndarray, labels: np.ndarray):
    self._images, self._labels = images, labels

  @functools.cached_property
  def _classifier(self):
    from sklearn.svm import SVC

    return SVC(C=10, gamma=1 / 64).fit(_flat(self._images), self._labels)

  def digits(self, images: np.ndarray) -> np.ndarray:
    """The digit of each grey image, uint8 [N, 8, 8] -> [N]."""
    return self._classifier.predict(_flat(images))

  def assign(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [N, 8, 8, 3] -> (numbers 0..999, True), [N] both."""
    channels = np.moveaxis(images, -1, 0)
    digits = self.digits(channels.reshape(-1, *channels.shape[2:])).reshape(3, -1)
    return digits[0] + 10 * digits[1] + 100 * digits[2], np.ones(len(images), bool)


def _flat(images: np.ndarray) -> np.ndarray:
  """Of unit variance, about."""
  return images.reshape(len(images), -1) / 96.0


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
