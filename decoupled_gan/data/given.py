"""Images as a Python program hands them over, and the results as it wants them back.

A path or a picture of Pillow's becomes a picture of Pillow's, an array an array of its own type, a
list a list. Files and pictures are read as training reads them (decode.py: orientation, transparency).
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from decoupled_gan.core.images import to_uint8
from decoupled_gan.core.types import image_shape
from decoupled_gan.data import deep
from decoupled_gan.data.decode import decode, to_array
from decoupled_gan.data.transforms import fitted
from decoupled_gan.errors import UserError
from decoupled_gan.machine import paths

WANTED = 'an image is a path, a PIL image, or an array [H, W, {c}] (several: [N, H, W, {c}], or a list)'


@dataclass(frozen=True)
class Given:
  """Images that somebody gave, and how results become what is given back.

  Attributes:
    images: [H, W, C] each, uint8, uint16 or floats in 0..1.
    back: results in [-1, 1] -> theirs; a picture with one channel more has it as its alpha.
    alphas: of each what was transparent, float32 [H, W, 1] in 0..1, or None.
  """

  images: Sequence[np.ndarray]
  back: Callable[[Sequence[np.ndarray]], Any]
  alphas: Sequence[np.ndarray | None]


def read(images, channels: int, values: tuple = (), whole: bool = False) -> Given:
  """What somebody gave, as arrays of `channels`; raises UserError if it is no image.

  Args:
    values: as of decode.
    whole: whether files and pictures are read with all their bits, and their transparency.
  """
  if isinstance(images, list | tuple):
    each = [read(image, channels, values, whole) for image in images]
    if not each or any(len(x.images) != 1 for x in each):
      raise UserError(f'a list holds single images, and at least one: {WANTED.format(c=channels)}.')
    return Given(
      [x.images[0] for x in each],
      lambda made: [x.back([image]) for x, image in zip(each, made, strict=True)],
      [x.alphas[0] for x in each],
    )
  if isinstance(images, str | os.PathLike):
    path = paths.local(images, 'the image')
    if not path.is_file():
      raise UserError(f'the image {str(images)!r} is not there, or is a folder: name one file.')
    return _pictured((deep.read if whole else decode)(path, channels, images, values))
  if isinstance(images, Image.Image):
    return _pictured((deep.of_picture if whole else to_array)(images.copy(), channels, values))
  return _of_array(np.asarray(images), channels)


def _pictured(found: np.ndarray | deep.Whole) -> Given:
  found = found if isinstance(found, deep.Whole) else deep.Whole(found)
  return Given([found.image], lambda made: picture(to_uint8(made[0])), [found.alpha])


def picture(image: np.ndarray) -> Image.Image:
  """uint8 [H, W, C] as Pillow has it: grey, grey with alpha, RGB or RGBA."""
  return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def brought(image: np.ndarray, config) -> np.ndarray:
  """[h, w, C] -> float32 [H, W, C] in [-1, 1], brought to the size of training as 8-bit images are.

  For arrays of more than 8 bits: nothing is rounded on the way.
  """
  image, fit = unit(image), (image_shape(config), config.data.fit, config.data.interpolation)
  if config.data.stretch:
    low, high = image.min(), image.max()
    image = (image - low) / max(high - low, np.float32(1 / 255))
  return fitted(image, *fit) * 2 - 1


def unit(image: np.ndarray) -> np.ndarray:
  """uint8, uint16 or floats as float32 in 0..1."""
  if np.issubdtype(image.dtype, np.integer):
    return image.astype(np.float32) / np.iinfo(image.dtype).max
  return image.astype(np.float32)


def _of_array(array: np.ndarray, channels: int) -> Given:
  check(array, channels)
  single = array.ndim == 3

  def back(made):
    own = [typed(image, array.dtype) for image in made]
    return own[0] if single else np.stack(own)

  images = [array] if single else list(array)
  return Given(images, back, [None] * len(images))


def typed(image: np.ndarray, dtype) -> np.ndarray:
  """An image in [-1, 1] as values of `dtype`: 0..255, 0..65535, or 0..1."""
  if dtype == np.uint8:
    return to_uint8(image)
  share = np.clip(np.asarray(image, np.float32) / 2 + 0.5, 0, 1)
  return np.rint(share * 65535).astype(dtype) if dtype == np.uint16 else share.astype(dtype)


def check(array: np.ndarray, channels: int):
  """Raises UserError for shapes, types and ranges that are no images."""
  wanted = WANTED.format(c=channels)
  if array.ndim not in (3, 4) or array.shape[-1] != channels or not array.size:
    shape, hint = list(array.shape), ''
    if array.ndim in (3, 4) and array.shape[-3] == channels:
      hint = ' This looks like channels first: numpy.moveaxis(x, -3, -1) brings them to the end.'
    raise UserError(f'an array of shape {shape} is no image of this run: {wanted}.{hint}')
  if array.dtype in (np.uint8, np.uint16):
    return
  if not np.issubdtype(array.dtype, np.floating):
    raise UserError(f'an array of {array.dtype}: images are uint8, uint16, or floats in 0..1.')
  low, high = float(array.min()), float(array.max())
  if not (low >= 0 and high <= 1):  # NaN is neither
    raise UserError(
      f'an array of {array.dtype} with values from {low:g} to {high:g}: floats are 0 (black) to 1 '
      '(white). Divide by the largest that there can be, or hand over uint8.'
    )
