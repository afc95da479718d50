"""Labelled sets made by a formula, for what losses of classes claim.

  sphere        points around random directions, a class each: as many as config.attributes.class has
  modular       pairs of numbers below p as two one-hots, whose class is their sum modulo p
  digit_spaces  handwritten digits as two data sets with label spaces of their own
  overlapping   three normal laws on a line that overlap: what class-conditional GANs make of spreads
  circle        points near a circle at few angles, whose label is the angle: a quantity
"""

from itertools import product

import numpy as np

from decoupled_gan.core.types import Examples
from decoupled_gan.data.dataset import ArrayImages, Dataset
from decoupled_gan.data.sources import digits
from decoupled_gan.errors import UserError

SPHERE_STD = 0.22  # of each coordinate around a direction: nine in ten lie nearest to their own
SPHERE_TRAIN, SPHERE_TEST = 50, 20  # points of each class
SPACES = {'a': tuple('0123456'), 'b': ('5 or 6', '7', '8', '9')}
OVERLAPPING = ((0.0, 1.0), (3.0, 2.0), (6.0, 3.0))  # mean, standard deviation
OVERLAPPING_EACH, OVERLAPPING_TEST = 20_000, 2_000
CIRCLE_ANGLES, CIRCLE_EACH, CIRCLE_STD = 6, 10, 0.1
SPACE_CLASSES = (*digits.NAMES, '5 or 6')


def load_sphere(config) -> Dataset:
  """50 points of each class to train and 20 to test, on the sphere of config.vector_size dimensions.

  Raises UserError unless there is one attribute, and points have at least two coordinates.
  """
  values = _only_attribute(config)
  if config.vector_size < 2:
    raise UserError(f'vector_size={config.vector_size}: the sphere is in two dimensions or more.')
  rng, count = np.random.default_rng(0), len(values)
  centres = _unit(rng.normal(size=(count, config.vector_size)))

  def points(each: int) -> Examples:
    labels = np.repeat(np.arange(count, dtype=np.int32), each)
    around = centres[labels] + SPHERE_STD * rng.normal(size=(len(labels), config.vector_size))
    return Examples(_unit(around).astype(np.float32), labels[:, None])

  return Dataset(f'sphere, {count} classes', points(SPHERE_TRAIN), points(SPHERE_TEST))


def load_modular(config) -> Dataset:
  """Four fifths of the p^2 pairs to train, the others to test; p is the number of classes.

  Raises UserError unless there is one attribute, and config.vector_size is 2p.
  """
  p = len(_only_attribute(config))
  if config.vector_size != 2 * p:
    raise UserError(f'vector_size={config.vector_size}: two numbers below {p} are {2 * p} coordinates.')
  pairs = np.array(list(product(range(p), repeat=2)))
  pairs = pairs[np.random.default_rng(0).permutation(len(pairs))]
  x = np.concatenate([np.eye(p, dtype=np.float32)[pairs[:, i]] for i in (0, 1)], 1)
  labels = (pairs.sum(1, keepdims=True) % p).astype(np.int32)
  count = 4 * len(pairs) // 5
  parts = [Examples(x[part], labels[part]) for part in (slice(count), slice(count, None))]
  return Dataset(f'addition modulo {p}', *parts)


def load_digit_spaces(config) -> Dataset:
  """Digits of two data sets that label what they like: 'a' knows 0 to 6, 'b' 7, 8, 9 and '5 or 6'.

  Those of b have a white pixel in a corner, so that a network can tell where an image is from. Each
  image to train is in one of them, if that labels it; those to test are in both, with their digit as
  the label, whoever labels it.

  Raises UserError unless the attributes are `digit` and `space` with their values.
  """
  wanted = {'digit': SPACE_CLASSES, 'space': tuple(SPACES)}
  if {name: tuple(values) for name, values in config.attributes.items()} != wanted:
    raise UserError(f'attributes={config.attributes.to_dict()}: the digits of two spaces have {wanted}.')
  (train, train_labels), (test, test_labels) = digits.halves(config)
  train, test = train.array, test.array
  place = np.arange(len(train)) % 2
  digit = train_labels[:, 0]
  digit = np.where((place == 1) & np.isin(digit, (5, 6)), len(digits.NAMES), digit)
  names = [SPACES[value] for value in SPACES]
  known = np.array([SPACE_CLASSES[d] in names[s] for d, s in zip(digit, place, strict=True)])
  labels = np.stack([digit, place], 1)[known].astype(np.int32)
  both = np.concatenate([np.insert(test_labels, 1, space, 1) for space in (0, 1)]).astype(np.int32)
  return Dataset(
    'digits of two label spaces',
    Examples(_marked(train[known], labels[:, 1], config), labels),
    Examples(_marked(np.concatenate([test, test]), both[:, 1], config), both),
  )


def load_overlapping(config) -> Dataset:
  """20,000 points of each of three classes to train, 2,000 to test.

  Raises UserError unless there is one attribute of three values, and points have one coordinate.
  """
  if len(_only_attribute(config)) != len(OVERLAPPING) or config.vector_size != 1:
    raise UserError(
      f'the overlapping classes are {len(OVERLAPPING)}, of points with one coordinate: an attribute of '
      f'so many values and vector_size=1 (it is {config.vector_size}).'
    )
  rng, (means, stds) = np.random.default_rng(0), np.array(OVERLAPPING).T

  def points(each: int) -> Examples:
    labels = np.repeat(np.arange(len(means), dtype=np.int32), each)
    x = means[labels] + stds[labels] * rng.normal(size=len(labels))
    return Examples(x[:, None].astype(np.float32), labels[:, None])

  return Dataset('overlapping, 3 classes', points(OVERLAPPING_EACH), points(OVERLAPPING_TEST))


def load_circle(config) -> Dataset:
  """Ten points at each of six angles to train, and between them to test; the label is the angle.

  Their mean is (sin a, cos a), their standard deviation 0.1. Raises UserError unless there is one
  attribute, a quantity, and points have two coordinates.
  """
  if _only_attribute(config) or config.vector_size != 2:
    raise UserError(
      'points near a circle have two coordinates (vector_size=2) and one attribute, a quantity: '
      'config.attributes.<name> = ().'
    )
  rng, step = np.random.default_rng(0), 2 * np.pi / CIRCLE_ANGLES

  def points(first: float) -> Examples:
    angles = np.repeat(first + step * np.arange(CIRCLE_ANGLES), CIRCLE_EACH)[:, None]
    centres = np.concatenate([np.sin(angles), np.cos(angles)], 1)
    x = centres + CIRCLE_STD * rng.normal(size=centres.shape)
    return Examples(x.astype(np.float32), angles.astype(np.float32))

  return Dataset(f'circle at {CIRCLE_ANGLES} angles', points(0.0), points(step / 2))


def _marked(images: np.ndarray, space: np.ndarray, config) -> ArrayImages:
  """Images of the second space with a white pixel in the corner, where no digit has ink."""
  images = images.copy()
  images[space == 1, 0, 0] = 255
  names = [f'{i:04d}' for i in range(len(images))]
  return ArrayImages(images, names, config.image_channels, resident=True)


def _only_attribute(config) -> tuple[str, ...]:
  if len(config.attributes) != 1:
    raise UserError(
      f'data.source={config.data.source!r} has one attribute, and config.attributes names '
      f'{len(config.attributes)}.'
    )
  return tuple(next(iter(config.attributes.values())))


def _unit(x: np.ndarray) -> np.ndarray:
  return x / np.linalg.norm(x, axis=1, keepdims=True)
