"""Masks that come beside images: white where something is done, black where nothing may change."""

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from decoupled_gan.data import given
from decoupled_gan.data.decode import decode, to_array
from decoupled_gan.data.files import EXTENSIONS, FileImages, by_stem, looks, stem_of
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import paths

BLEND = 1 / 64  # of the shorter side: how far an edge reaches into the white


def masks_for(mask: str, images: FileImages) -> list:
  """The file of each image's mask, of its size: --mask, one for all, or of the same name in a folder.

  Raises UserError if one is missing, or has another size than its image.
  """
  path = paths.local(mask, '--mask')
  if not mask or not path.exists():
    raise UserError(
      f'--mask={mask!r} is neither an image nor a folder of images: white is the hole, or what is '
      'translated.'
    )
  if path.is_file():
    found = [path] * len(images)
  else:
    below = FileImages.below(path)
    if not len(below):
      raise UserError(f'--mask={mask} holds no images ({", ".join(EXTENSIONS)}).')
    known = by_stem(below)
    if missing := [name for name in images.names if stem_of(name) not in known]:
      raise UserError(
        f'{len(missing)} of {len(images)} images have no mask of the same name below --mask={mask}: '
        f'{listing(missing)}.'
      )
    found = [path / known[stem_of(name)] for name in images.names]
  _check_sizes(images, found)
  return found


def read(mask) -> np.ndarray:
  """A mask as float32 [h, w, 1] from 0 (black) to 1: a path, a picture of Pillow's, or an array [h, w].

  Raises UserError if it is none.
  """
  if isinstance(mask, Image.Image):
    return given.unit(to_array(mask.copy(), 1))
  if isinstance(mask, str | os.PathLike):
    return given.unit(decode(mask, 1, mask))
  array = np.asarray(mask)
  if array.ndim == 2:
    array = array[..., None]
  if array.dtype == bool:
    array = array.astype(np.float32)
  if array.ndim != 3:
    raise UserError(
      f'a mask of shape {list(array.shape)}: it is a path, a PIL image, or an array [H, W], one for all '
      'images; or a list of such, one for each.'
    )
  given.check(array, 1)
  return given.unit(array)


def given_for(mask, images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
  """Each image's mask as `read` gives it: of one for all, of a list of as many, or None.

  Raises UserError if they do not fit.
  """
  several = isinstance(mask, list | tuple)
  if several and len(mask) != len(images):
    raise UserError(f'there are {len(mask)} masks and {len(images)} images: give one for each, or one.')
  found = list(mask) if several else [mask] * len(images)
  found = [x if x is None else read(x) for x in found]
  for number, (image, x) in enumerate(zip(images, found, strict=True)):
    if x is not None and x.shape[:2] != image.shape[:2]:
      raise UserError(
        f'the mask of image {number} is of {x.shape[1]} x {x.shape[0]} px, and the image of '
        f'{image.shape[1]} x {image.shape[0]}: it wants a pixel for each.'
      )
  return found


def weights(mask: np.ndarray) -> np.ndarray:
  """How much of each pixel changes: float32 [h, w, 1], nothing where the mask [h, w, 1] is black.

  Greys are shares. From a black pixel on the white grows linearly, within a 64th of the shorter side, so
  that no edge is seen, and a thin line still counts. *Our choice*, both.
  """
  if mask.all() or not mask.any():
    return mask
  from scipy.ndimage import distance_transform_edt

  width = max(1, round(min(mask.shape[:2]) * BLEND))
  distance = distance_transform_edt(mask[..., 0] > 0)[..., None]
  return (mask * np.minimum(1, distance / (width + 1))).astype(np.float32)


def _check_sizes(images: FileImages, masks: Sequence):
  sizes = {path: look.size for path, look in zip(masks, looks(masks), strict=True)}
  wrong = [
    f'{name} ({look.size[1]} x {look.size[0]} px, its mask {sizes[path][1]} x {sizes[path][0]})'
    for name, look, path in zip(images.names, looks(images.paths), masks, strict=True)
    if look.size != sizes[path]
  ]
  if wrong:
    raise UserError(f'{len(wrong)} masks have another size than their image: {listing(wrong)}.')
