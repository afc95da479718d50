"""Resize and augmentation on uint8 arrays, as the official NICE-GAN code does them.

Source: Chen et al., CVPR 2020, official code: horizontal flip with probability 1/2, bilinear resize
(Pillow, antialiased) to (S + 30, S + 30) at S = 256 without regard to the aspect, random S x S
crop. At other sizes the margin keeps that ratio. The flip comes last here, where the array is
smallest; the distribution is the same, because the crop's offset is symmetric.
"""

import numpy as np
from PIL import Image

from decoupled_gan.errors import UserError, listing


def load_size(size: int) -> int:
  """The edge that an image is resized to before the random crop: 286 at 256."""
  return round(size * 286 / 256)


INTERPOLATIONS = {'bilinear': Image.Resampling.BILINEAR, 'bicubic': Image.Resampling.BICUBIC}
"""Word of config.data.interpolation -> Pillow's, which both antialias."""


def resize(image: np.ndarray, size: int, interpolation: str = 'bilinear') -> np.ndarray:
  """uint8 [H, W, C] -> uint8 [size, size, C]; the test protocol.

  An image that already has the size is returned as it is.
  """
  if interpolation not in INTERPOLATIONS:
    raise UserError(
      f'data.interpolation={interpolation!r} is unknown; there are {listing(INTERPOLATIONS)}.'
    )
  if image.shape[:2] == (size, size):
    return image
  grey = image.shape[-1] == 1
  pillow = Image.fromarray(image[..., 0] if grey else image)
  resized = np.asarray(pillow.resize((size, size), INTERPOLATIONS[interpolation]))
  return resized[..., None] if grey else resized


def stretch(image: np.ndarray) -> np.ndarray:
  """uint8 [H, W, C] with its least value at 0 and its largest at 255, over all channels alike.

  What scipy.misc.imresize did to float images, and so what the official ED//GAN code trains on.
  """
  low, high = int(image.min()), int(image.max())
  return np.rint((image - np.float32(low)) * (255 / max(high - low, 1))).astype(np.uint8)


def center_crop(image: np.ndarray) -> np.ndarray:
  """The largest square in the middle of an image [H, W, C]."""
  height, width = image.shape[:2]
  side = min(height, width)
  top, left = (height - side) // 2, (width - side) // 2
  return image[top : top + side, left : left + side]


def mirror(image: np.ndarray) -> np.ndarray:
  """Left and right exchanged."""
  return image[:, ::-1]


def augment(
  image: np.ndarray, rng: np.random.Generator, size: int, interpolation: str = 'bilinear'
) -> np.ndarray:
  """uint8 [H, W, C] -> uint8 [size, size, C]: resized a little larger, cropped, maybe flipped."""
  large = resize(image, load_size(size), interpolation)
  y, x = rng.integers(0, load_size(size) - size + 1, size=2)
  crop = large[y : y + size, x : x + size]
  return crop[:, ::-1] if rng.random() < 0.5 else crop
