"""Images with all that their files hold, more than 8 bits and transparency: for what is translated.

Training and evaluation take what `decode` gives, 8 bits on white: their pipeline is uint8, since nobody
has shown yet that a generator gains by more. A trained one is given all there is. Pillow keeps the upper
half of 16-bit colour and says nothing, so that it is read and written by tifffile (TIFF) and imagecodecs
(PNG, and compressed TIFF) here, and refused without them. *Our choice*: CMYK and L*a*b* of 16 bits are
read as training reads them.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageOps

from decoupled_gan.data.decode import DEEP, check_size, decoding, is_deep, opened, to_array
from decoupled_gan.errors import need

HOLD = ('PNG', 'TIFF')
"""Pillow's names of the formats that hold 16 bits."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # as Pillow weighs colours
TURNED = {  # EXIF's orientation -> upright
  2: lambda x: x[:, ::-1],
  3: lambda x: x[::-1, ::-1],
  4: lambda x: x[::-1],
  5: lambda x: x.swapaxes(0, 1),
  6: lambda x: np.rot90(x, -1),
  7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
  8: lambda x: np.rot90(x),
}


@dataclass(frozen=True)
class Whole:
  """An image on white, and what was transparent.

  Attributes:
    image: [H, W, C], uint8; or float32 in 0..1 where the file has more than 8 bits.
    alpha: float32 [H, W, 1], 0 (transparent) to 1; None where the file has no transparency.
  """

  image: np.ndarray
  alpha: np.ndarray | None = None


def read(file, channels: int, name, values: tuple = ()) -> Whole:
  """Reads one image; arguments and errors as of `decode`.

  Raises UserError for 16-bit colour where the packages that read it are not installed, too.
  """
  with decoding(name), opened(file) as image:
    check_size(image)
    if is_deep(image) and image.format in HOLD and image.mode in ('RGB', 'RGBA', 'RGBX', 'LA'):
      return _of_colour(image, channels, name, values)
    return of_picture(image, channels, values)


def of_picture(image: Image.Image, channels: int, values: tuple = ()) -> Whole:
  """The same of a picture of Pillow's, which is turned upright in place; only its greys are deep."""
  if image.mode[0] in 'IF':
    ImageOps.exif_transpose(image, in_place=True)
    return Whole(_with_channels(_unit(np.asarray(image)[..., None], values), channels))
  array = to_array(image, channels, values)
  if not image.has_transparency_data:
    return Whole(array)
  alpha = np.asarray(image.convert('RGBA').getchannel('A'), np.float32)
  return Whole(array, alpha[..., None] / 255)


def require(what: str):
  """Raises UserError unless the packages for 16-bit colour are there; `what` needs them.

  Pillow would halve it to 8 bits silently.
  """
  for package in ('tifffile', 'imagecodecs'):
    need(f'{what}: 16-bit colour', package, 'images')


def encoded(image: np.ndarray, form: str) -> bytes:
  """uint16 [H, W, 1 to 4] (grey, with alpha, RGB, with alpha) as a file of `form`, one of HOLD."""
  buffer = io.BytesIO()
  if image.shape[-1] == 1:
    Image.fromarray(image[..., 0]).save(buffer, format=form)
    return buffer.getvalue()
  require(f'writing a {form}')
  image = np.ascontiguousarray(image)
  if form == 'PNG':
    import imagecodecs

    return imagecodecs.png_encode(image)
  import tifffile

  if image.shape[-1] == 2:  # a grey TIFF of 16 bits with alpha is one that Pillow cannot open
    image = image[..., [0, 0, 0, 1]]
  alpha = {'extrasamples': ['unassalpha']} if image.shape[-1] == 4 else {}
  tifffile.imwrite(buffer, image, photometric='rgb', compression='zlib', **alpha)
  return buffer.getvalue()


def _of_colour(image: Image.Image, channels: int, name, values: tuple) -> Whole:
  require(f'{str(name)!r}')
  array, premultiplied = _samples(image)
  array = TURNED.get(image.getexif().get(ExifTags.Base.Orientation, 1), lambda x: x)(array)
  if array.shape[-1] in (1, 3):
    return Whole(_with_channels(_unit(array, values), channels))
  colours, alpha = _unit(array[..., :-1], values), _unit(array[..., -1:], ())
  on_white = (colours if premultiplied else colours * alpha) + 1 - alpha
  return Whole(_with_channels(np.minimum(on_white, 1), channels), alpha)


def _samples(image: Image.Image) -> tuple[np.ndarray, bool]:
  """uint16 [H, W, 1 to 4] as the file has them, and whether its colours are multiplied by alpha."""
  image.fp.seek(0)
  content = image.fp.read()
  if image.format == 'PNG':
    import imagecodecs

    return imagecodecs.png_decode(content), False
  import tifffile

  with tifffile.TiffFile(io.BytesIO(content)) as file:
    page = file.pages[0]
    array = page.asarray()
    if page.axes.startswith('S'):  # planes that lie apart
      array = np.moveaxis(array, 0, -1)
    kinds = tuple(map(int, page.extrasamples))
  colours = array.shape[-1] - len(kinds)
  alpha = kinds[:1] in ((1,), (2,))
  return array[..., : colours + alpha], kinds[:1] == (1,)


def _unit(array: np.ndarray, values: tuple) -> np.ndarray:
  """Values of a file as float32 in 0..1."""
  low, high = values or (0, DEEP)
  return np.clip((array.astype(np.float32) - np.float32(low)) / np.float32(high - low), 0, 1)


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
  """float32 [H, W, 1 or 3] with `channels`: three equal ones of a grey, or the luma of colours."""
  if image.shape[-1] == channels:
    return image
  return np.repeat(image, 3, -1) if channels == 3 else (image @ LUMA)[..., None]
