"""How images come to the size of training, and augmentation, on uint8 arrays.

Source of 'resize': Chen et al., CVPR 2020, official code of NICE-GAN: horizontal flip with probability
1/2, bilinear resize (Pillow, antialiased) to (S + 30, S + 30) at S = 256 without regard to the aspect,
random S x S crop. At other sizes the margin keeps that ratio. The flip comes last here, where the array
is smallest; the distribution is the same, because the crop's offset is symmetric.

'crop' and 'pad' keep the aspect. 'crop' trains on random windows of the images at their own scale (one
that is smaller than the window is enlarged until it covers it); what is tested is the window in the
middle. 'pad' makes the whole image fit, and mirrors its border into the rest.
"""

import numpy as np
from PIL import Image

from decoupled_gan.errors import UserError, listing

FITS = ('resize', 'crop', 'pad')
"""Words of config.data.fit."""
Size = int | tuple[int, int]
"""Pixels of a square's edge, or (height, width)."""


def load_size(size: int) -> int:
  """The edge that an image is resized to before the random crop: 286 at 256."""
  return round(size * 286 / 256)


INTERPOLATIONS = {'bilinear': Image.Resampling.BILINEAR, 'bicubic': Image.Resampling.BICUBIC}
"""Word of config.data.interpolation -> Pillow's, which both antialias."""


def resize(image: np.ndarray, size: Size, interpolation: str = 'bilinear') -> np.ndarray:
  """[h, w, C] -> [H, W, C], of uint8 or float32; the test protocol.

  An image that already has the size is returned as it is.
  """
  if interpolation not in INTERPOLATIONS:
    raise UserError(
      f'data.interpolation={interpolation!r} is unknown; there are {listing(INTERPOLATIONS)}.'
    )
  height, width = both(size)
  if image.shape[:2] == (height, width):
    return image
  if image.dtype != np.uint8:  # Pillow has no floats in several channels
    planes = [Image.fromarray(plane) for plane in np.moveaxis(image, -1, 0)]
    return np.stack([x.resize((width, height), INTERPOLATIONS[interpolation]) for x in planes], -1)
  grey = image.shape[-1] == 1
  pillow = Image.fromarray(image[..., 0] if grey else image)
  resized = np.asarray(pillow.resize((width, height), INTERPOLATIONS[interpolation]))
  return resized[..., None] if grey else resized


def fitted(
  image: np.ndarray, size: Size, fit: str = 'resize', interpolation: str = 'bilinear'
) -> np.ndarray:
  """[h, w, C] -> [H, W, C], of uint8 or float32: stretched, its middle, or all of it in a frame.

  Raises UserError if `fit` is none of FITS.
  """
  shape = both(size)
  if fit == 'resize':
    return resize(image, shape, interpolation)
  if fit == 'crop':
    return window(covering(image, shape, interpolation), shape, (0.5, 0.5))
  if fit == 'pad':
    return framed(resize(image, inside(image.shape[:2], shape), interpolation), shape)
  raise UserError(f'data.fit={fit!r} is unknown; there are {listing(FITS)}.')


def inside(own: tuple[int, int], size: Size) -> tuple[int, int]:
  """(height, width) of an image of the size `own`, scaled so that it just fits into `size`."""
  scale = min(new / old for new, old in zip(both(size), own, strict=True))
  return tuple(max(1, round(old * scale)) for old in own)


def framed(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
  """`image`, not larger than `shape`, in the middle of one that its mirrored border fills: [H, W, C]."""
  pads = [(room // 2, room - room // 2) for room in np.subtract(shape, image.shape[:2])]
  return np.pad(image, [*pads, (0, 0)], 'symmetric')


def unframed(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
  """What `framed` put in the middle: an image of `shape`."""
  return window(image, shape, (0.5, 0.5))


def covering(image: np.ndarray, shape: tuple[int, int], interpolation: str) -> np.ndarray:
  """`image`, enlarged with its aspect until both sides are those of `shape` at least."""
  scale = max(new / old for new, old in zip(shape, image.shape[:2], strict=True))
  if scale <= 1:
    return image
  larger = [max(new, round(old * scale)) for new, old in zip(shape, image.shape[:2], strict=True)]
  return resize(image, tuple(larger), interpolation)


def window(image: np.ndarray, shape: tuple[int, int], place: tuple[float, float]) -> np.ndarray:
  """A window of `shape`; `place` is 0 at the top or left, 1 at the bottom or right."""
  rooms = np.subtract(image.shape[:2], shape)
  top, left = (int(room * at) for room, at in zip(rooms, place, strict=True))
  return image[top : top + shape[0], left : left + shape[1]]


def both(size: Size) -> tuple[int, int]:
  """(height, width) of a size."""
  return (size, size) if isinstance(size, int) else tuple(size)


def stretch(image: np.ndarray) -> np.ndarray:
  """uint8 [H, W, C] with its least value at 0 and its largest at 255, over all channels alike.

  What scipy.misc.imresize did to float images, and so what the official ED//GAN code trains on.
  """
  low, high = int(image.min()), int(image.max())
  return np.rint((image - np.float32(low)) * (255 / max(high - low, 1))).astype(np.uint8)


def center_crop(image: np.ndarray, aspect: Size = 1) -> np.ndarray:
  """The largest part in the middle of an image [H, W, C] whose sides are as those of `aspect`."""
  height, width = both(aspect)
  unit = min(image.shape[0] / height, image.shape[1] / width)
  return window(image, (round(unit * height), round(unit * width)), (0.5, 0.5))


def mirror(image: np.ndarray) -> np.ndarray:
  """Left and right exchanged."""
  return image[:, ::-1]


def augment(
  image: np.ndarray,
  rng: np.random.Generator,
  size: Size,
  interpolation: str = 'bilinear',
  fit: str = 'resize',
) -> np.ndarray:
  """uint8 [h, w, C] -> uint8 [H, W, C]: a random window of the image, maybe flipped.

  Of 'resize' and 'pad' the image is brought to a size that is a little larger first.
  """
  shape = both(size)
  if fit == 'crop':
    large = covering(image, shape, interpolation)
  else:
    large = fitted(image, tuple(map(load_size, shape)), fit, interpolation)
  y, x = (rng.integers(0, room + 1) for room in np.subtract(large.shape[:2], shape))
  crop = large[y : y + shape[0], x : x + shape[1]]
  return crop[:, ::-1] if rng.random() < 0.5 else crop
