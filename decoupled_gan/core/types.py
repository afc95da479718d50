"""The words of the project that are data: what a batch is made of, the kinds of a batch, losses, routes.

A kind is a NamedTuple whose annotations say what each field is; a field's type says its shape. Fields
that a run does not have are None, which is an empty pytree.
"""

import math
import types
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.errors import UserError

Array = jax.Array
Losses = dict[str, Array]
"""Loss name -> scalar, float32, unweighted: weights live in the routes."""

Routes = Mapping[str, Mapping[str, Mapping[str, float]]]
"""`routes[phase][loss][group] = weight`. A missing cell is no gradient and no optimizer call."""


class Image:
  """[H, W, C], uint8 in the data pipeline (uint8 means image), float32 in [-1, 1] in objectives."""

  @staticmethod
  def spec(config: ConfigDict):
    """(shape, dtype) of one example's field, or None where a run does not have it."""
    return None if config.vector_size else (example_shape(config), np.uint8)


class Vector:
  """[D], float32: a point, a feature."""

  @staticmethod
  def spec(config: ConfigDict):
    return (example_shape(config), np.float32) if config.vector_size else None


class Labels:
  """[K]: int32, the number of each attribute's value; or float32, if `()` are its values: a quantity.

  The attributes are those of `config.attributes`, in sorted order.
  """

  @staticmethod
  def spec(config: ConfigDict):
    if not config.attributes:
      return None
    continuous = any(len(values) == 0 for values in config.attributes.values())
    return (len(config.attributes),), np.float32 if continuous else np.int32


class Index:
  """A number, int32: which example of the training set it is. There if `config.data.index`."""

  @staticmethod
  def spec(config: ConfigDict):
    return ((), np.int32) if config.data.index else None


class Pair(NamedTuple):
  """One value for each of the two image domains; a pytree, so `jax.tree.map` reaches into it.

  As a batch: images of each domain that have nothing to do with those of the other.
  """

  a: Image
  b: Image

  @property
  def swapped(self) -> 'Pair':
    """The two values with their domains exchanged."""
    return Pair(self.b, self.a)


DIRECTIONS = {'a_to_b': 'b', 'b_to_a': 'a'}
"""Direction of a translator -> the domain it makes."""


class Aligned(NamedTuple):
  """An image and what it is to become: row i of both shows the same thing, pixel by pixel."""

  input: Image
  target: Image


class Examples(NamedTuple):
  """Images or points, with labels and numbers where a run has them."""

  x: Image | Vector
  labels: Labels | None = None
  index: Index | None = None


Batch = Pair | Aligned | Examples
"""What an objective gets, of the kind that its method names."""


def image_shape(config: ConfigDict) -> tuple[int, int]:
  """(height, width) in pixels: `config.image_size` is a number or a pair."""
  size = config.image_size
  return (size, size) if isinstance(size, int) else tuple(size)


def typed(shape: tuple[int, int]) -> str:
  """A shape as `config.image_size` has it: '32', or '(32, 48)'."""
  height, width = shape
  return str(height) if height == width else f'({height}, {width})'


def square_size(config: ConfigDict) -> int:
  """The edge of square images in pixels; raises UserError where they are no squares."""
  height, width = image_shape(config)
  if height != width:
    raise UserError(
      f'image_size={height},{width}: networks of method={config.method!r} make squares. Name one number '
      'of pixels, or a method whose networks take rectangles, such as nice or cyclegan.'
    )
  return height


def example_shape(config: ConfigDict) -> tuple[int, ...]:
  """(D,) of points, (H, W, C) of images."""
  return (config.vector_size,) if config.vector_size else (*image_shape(config), config.image_channels)


def example_size(config: ConfigDict) -> int:
  """How many numbers an image or a point has."""
  return math.prod(example_shape(config))


def batch_shape(config: ConfigDict, kind: type[Batch]) -> Batch:
  """Shapes and types of a global batch of `kind` as the data pipeline makes it."""

  def field(annotation) -> jax.ShapeDtypeStruct | None:
    union = isinstance(annotation, types.UnionType)
    for option in typing.get_args(annotation) if union else (annotation,):
      spec = option.spec(config) if hasattr(option, 'spec') else None
      if spec is not None:
        shape, dtype = spec
        return jax.ShapeDtypeStruct((config.batch_size, *shape), dtype)
    return None

  return kind(*map(field, typing.get_type_hints(kind).values()))


def present(batch: Batch) -> dict[str, Any]:
  """{field: value} of the fields that are there."""
  return {name: x for name, x in zip(batch._fields, batch, strict=True) if x is not None}
