"""From an image file to a uint8 array, and the cheap check that it can be done.

*Where we differ from the official NICE-GAN loader* (Pillow `convert('RGB')`): the EXIF orientation
is applied, because phones store portraits lying on their side and a generator that sees a fifth of
its faces rotated learns that; transparency is composited on white instead of showing whatever
colour hides below it (usually black); 16-bit greys are scaled instead of clipped at 255.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from decoupled_gan.errors import UserError

_ENDINGS = {'JPEG': b'\xff\xd9', 'MPO': b'\xff\xd9', 'PNG': b'IEND\xaeB`\x82'}


def decode(file, channels: int, name) -> np.ndarray:
  """Reads one image.

  Args:
    file: a path or a binary file object, in any format that Pillow knows.
    channels: 3 for RGB, 1 for grey.
    name: how the error message calls the file.

  Returns:
    uint8 [H, W, channels].

  Raises:
    UserError: it cannot be decoded; names the file.
  """
  try:
    with Image.open(file) as image:
      return _to_array(image, channels)
  # Pillow's decoders raise anything from SyntaxError to struct.error on damaged files.
  except Exception as error:
    raise UserError(
      f'the image {str(name)!r} cannot be decoded ({reason(error)}): repair or remove it'
    ) from error


def problem(path: Path) -> str:
  """Why the file cannot be an image of the set, or '' when nothing speaks against it.

  Reads the header and the last bytes only. A file whose format leaves no recognisable ending, or
  whose ending is not the expected one (it may be truncated, or just have a trailer), is decoded.
  """
  try:
    size = path.stat().st_size
    if not size:
      return 'empty file'
    with Image.open(path) as image:
      if image.mode == 'F':
        return 'floating-point pixels, convert them to 8 bits'
      if not _ends_well(path, image.format, size):
        image.load()
  except Exception as error:  # see decode()
    return reason(error)
  return ''


def shorter_side(path: Path) -> int:
  """The shorter side in pixels, from the header; EXIF orientation does not change it."""
  with Image.open(path) as image:
    return min(image.size)


def reason(error: Exception) -> str:
  """The error in a few words, without the path that the caller already names."""
  if isinstance(error, Image.UnidentifiedImageError):
    return 'not an image'
  return (str(error) or type(error).__name__).splitlines()[0]


def _ends_well(path: Path, kind: str, size: int) -> bool:
  with path.open('rb') as file:
    if kind == 'WEBP':  # RIFF header: the length of what follows its first 8 bytes
      return int.from_bytes(file.read(8)[4:], 'little') + 8 <= size
    ending = _ENDINGS.get(kind)
    if ending is None or size < len(ending):
      return False
    file.seek(-len(ending), 2)
    return file.read() == ending


def _to_array(image: Image.Image, channels: int) -> np.ndarray:
  ImageOps.exif_transpose(image, in_place=True)
  if image.mode.startswith('I'):  # 'I', 'I;16', 'I;16B': 16-bit grey, in PNG, TIFF and PGM
    grey = np.asarray(image).astype(np.float32) / 257
    image = Image.fromarray(np.clip(grey + 0.5, 0, 255).astype(np.uint8))
  if image.has_transparency_data:
    image = image.convert('RGBA')
    white = Image.new('RGBA', image.size, 'white')
    image = Image.alpha_composite(white, image)
  if channels == 3:
    return np.asarray(image.convert('RGB'))
  return np.asarray(image.convert('L'))[..., None]
