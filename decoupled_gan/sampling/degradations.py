"""What is seen of an image in part: masked, smaller, grey. A search compares what is left of both.

  none                as it is
  downsample:4        a quarter of the size, bilinear, not antialiased (mGANprior's)
  pool:4              means of 4 x 4 px
  grey                0.299 R + 0.587 G + 0.114 B, in all channels
  mask:hole.png       nothing where the picture is white

A degradation is (images [B, H, W, C]) -> images, linear, and has no parameters that could learn.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from decoupled_gan.core.types import Array
from decoupled_gan.data.decode import white_of
from decoupled_gan.errors import UserError
from decoupled_gan.machine import paths

GREY = (0.299, 0.587, 0.114)  # ITU-R 601
KINDS = 'none, downsample:4, pool:4, grey, mask:<picture, white where nothing is seen>'


def downsample(images: Array, factor: int) -> Array:
  """1 / factor of the size: bilinear between the four pixels about each place."""
  batch, height, width, channels = images.shape
  shape = (batch, height // factor, width // factor, channels)
  return jax.image.resize(images, shape, 'bilinear', antialias=False)


def pool(images: Array, factor: int) -> Array:
  """Means of factor x factor px."""
  batch, height, width, channels = images.shape
  blocks = images.reshape(batch, height // factor, factor, width // factor, factor, channels)
  return blocks.mean((2, 4))


def grey(images: Array) -> Array:
  """The brightness, in as many channels as there were."""
  if images.shape[-1] == 1:
    return images
  brightness = (images * jnp.array(GREY)[None, None, None]).sum(-1, keepdims=True)
  return jnp.broadcast_to(brightness, images.shape)


def mask(images: Array, hidden: Array) -> Array:
  """Zero where `hidden` [H, W] is 1."""
  return images * (1 - hidden)[None, :, :, None]


def coloured(given: Array, found: Array) -> Array:
  """The colours of `found` at the brightness of `given`, as in YCbCr with Y exchanged."""
  return found + grey(given) - grey(found)


def parse(text: str, size: tuple[int, int]) -> Callable[[Array], Array]:
  """The degradation that --degrade names, of images of `size` (height, width).

  Raises UserError if it is none, or does not fit the size.
  """
  kind, _, rest = text.partition(':')
  if text in ('', 'none'):
    return lambda images: images
  if text == 'grey':
    return grey
  if kind in ('downsample', 'pool') and rest.isdecimal() and int(rest) > 0:
    factor = int(rest)
    if size[0] % factor or size[1] % factor:
      raise UserError(
        f'--degrade={text}: {factor} does not divide the images, {size[0]} x {size[1]} px.'
      )
    return lambda images: {'downsample': downsample, 'pool': pool}[kind](images, factor)
  if kind == 'mask' and rest:
    hidden = jnp.asarray(_read_mask(rest, size))
    return lambda images: mask(images, hidden)
  raise UserError(f'--degrade={text} is unknown; there are {KINDS}.')


def read_by(text: str) -> list[str]:
  """The files that --degrade names."""
  kind, _, rest = text.partition(':')
  return [rest] if kind == 'mask' else []


def _read_mask(path: str, size: tuple[int, int]) -> np.ndarray:
  try:
    white = white_of(paths.local(path, '--degrade'))
  except UserError as error:
    raise UserError(f'--degrade=mask:{path}: {error}.') from None
  picture = Image.fromarray(white.astype(np.uint8))
  return np.asarray(picture.resize(size[::-1], Image.Resampling.NEAREST), np.float32)
