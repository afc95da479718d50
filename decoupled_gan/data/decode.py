"""From an image file to a uint8 array, and the cheap look that tells whether it can be done.

*Where we differ from the official NICE-GAN loader* (Pillow `convert('RGB')`): the EXIF orientation
is applied, because phones store portraits lying on their side and a generator that sees a fifth of
its faces rotated learns that; transparency is composited on white instead of showing whatever
colour hides below it (usually black); 16-bit greys are scaled instead of clipped at 255.
"""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from decoupled_gan.errors import UserError
from decoupled_gan.machine.archive import Member

MEGAPIXELS = 1000  # the most that is read: 3 GB
# Pillow's limits are against strangers' uploads; these are files of the user's own, and ours is told
Image.MAX_IMAGE_PIXELS = None
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 2**28

HEAD = 2**16  # bytes of a member of an archive that a header takes, mostly
DEEP = 65535  # the largest value of what Pillow opens with more than 8 bits
_ENDINGS = {'JPEG': b'\xff\xd9', 'MPO': b'\xff\xd9', 'PNG': b'IEND\xaeB`\x82'}


@dataclass(frozen=True)
class Look:
  """What a file's header tells.

  Attributes:
    problem: why it cannot be an image of the set, or '' when nothing speaks against it.
    size: (height, width) in pixels, by its EXIF orientation if its header has one.
    deep: it has more than 8 bits a channel.
    frames: it has more than one, as an animation has.
    grey: it has no colours.
    alpha: it has transparency.
  """

  problem: str
  size: tuple[int, int] = (0, 0)
  deep: bool = False
  frames: bool = False
  grey: bool = False
  alpha: bool = False

  @property
  def side(self) -> int:
    """The shorter one."""
    return min(self.size)


def decode(file, channels: int, name, values: tuple = ()) -> np.ndarray:
  """Reads one image.

  Args:
    file: a path, a member of an archive or a binary file object, in any format that Pillow knows.
    channels: 3 for RGB, 1 for grey.
    name: how the error message calls the file.
    values: (low, high), those that become 0 and 255; () for all that the format has room for.

  Returns:
    uint8 [H, W, channels]; of an animation, the first frame.

  Raises:
    UserError: it cannot be decoded; names the file.
  """
  with decoding(name), opened(file) as image:
    check_size(image)
    return to_array(image, channels, values)


@contextlib.contextmanager
def decoding(name):
  """What goes wrong with a file inside, as a UserError that calls it `name`."""
  try:
    yield
  except UserError:
    raise
  except FileNotFoundError:
    raise UserError(f'the image {str(name)!r} is not there any more') from None
  except _TooLarge as error:
    raise UserError(f'{str(name)!r} has {error}') from None
  # Pillow's decoders raise anything from SyntaxError to struct.error on damaged files.
  except Exception as error:
    raise UserError(
      f'the image {str(name)!r} cannot be decoded ({reason(error)}): repair or remove it'
    ) from error


def white_of(path: Path | Member) -> np.ndarray:
  """bool [H, W] of a mask's file: where it is lighter than the middle grey; raises as `decode`."""
  return decode(path, 1, path)[..., 0] >= 128


@contextlib.contextmanager
def opened(file) -> Iterator[Image.Image]:
  """The image of a path, a member of an archive or a file object; no pixel is decoded yet."""
  if isinstance(file, Member):
    file = file.open()
  with Image.open(file) as image:
    yield image


def look(path: Path | Member, floats: bool = False) -> Look:
  """What the header of a file tells, and whether it ends as its format does.

  A file whose format leaves no recognisable ending, or whose ending is not the expected one (it may be
  truncated, or just have a trailer), is decoded. Of a member of an archive the header is read only: an
  archive that opens is whole, and has checksums.

  Args:
    floats: whether pixels may be floating-point numbers, because their range is known.
  """
  try:
    if isinstance(path, Member):
      return _look_into(path, floats)
    size = path.stat().st_size
    if not size:
      return Look('empty file')
    with Image.open(path) as image:
      found = _seen(image, floats)
      if not found.problem and not _ends_well(path, image.format, size):
        image.load()
      return found
  except Exception as error:  # see decode()
    return Look(reason(error))


def values_of(path: Path | Member) -> tuple[float, float, int]:
  """(least, largest, the largest that the format has room for) of an image's values."""
  with opened(path) as image:
    check_size(image)
    deep = is_deep(image)
    raw = np.asarray(image if deep and image.mode[0] in 'IF' else image.convert('RGB'))
    factor = DEEP // 255 if deep and raw.dtype == np.uint8 else 1
    return float(raw.min()) * factor, float(raw.max()) * factor, DEEP if deep else 255


def reason(error: Exception) -> str:
  """The error in a few words, without the path that the caller already names."""
  if isinstance(error, Image.UnidentifiedImageError):
    return 'not an image'
  if isinstance(error, OSError) and error.strerror:
    return error.strerror
  return (str(error) or type(error).__name__).splitlines()[0]


class _TooLarge(Exception):
  """More pixels than are read."""


def check_size(image: Image.Image):
  """Raises, for `decoding` to tell, where there are more pixels than are read."""
  megapixels = image.width * image.height / 1e6
  if megapixels > MEGAPIXELS:
    raise _TooLarge(f'{megapixels:,.0f} megapixels, more than the {MEGAPIXELS:,} that are read')


def _look_into(member: Member, floats: bool) -> Look:
  head = member.archive.read(member.path, HEAD)
  if not head:
    return Look('empty file')
  with contextlib.suppress(Exception), Image.open(io.BytesIO(head)) as image:
    return _seen(image, floats)
  with opened(member) as image:  # its header is longer
    return _seen(image, floats)


def _seen(image: Image.Image, floats: bool) -> Look:
  if image.mode == 'F' and not floats:
    return Look(
      'floating-point pixels: give their range, data.range=low,high, or convert them to 8 bits'
    )
  try:
    check_size(image)
  except _TooLarge as error:
    return Look(f'{error}: make it smaller')
  frames = image.format != 'MPO' and getattr(image, 'is_animated', False)
  alpha = image.has_transparency_data
  return Look('', _size_of(image), is_deep(image), frames, is_grey(image), alpha)


def _size_of(image: Image.Image) -> tuple[int, int]:
  """(height, width) by the orientation in the header; a PNG may have one behind its pixels."""
  if image.format == 'PNG' and 'exif' not in image.info:  # getexif would decode it to look for more
    return image.size[::-1]
  lying = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
  return image.size if lying else image.size[::-1]


def is_deep(image: Image.Image) -> bool:
  """Whether an opened image, not yet loaded, has more than 8 bits a channel."""
  if image.mode[0] in 'IF':  # 'I', 'I;16', 'I;16B', 'F'
    return True
  if any(';16' in str(tile[3]) for tile in getattr(image, 'tile', ())):
    return True
  bits = getattr(image, 'tag_v2', {}).get(258, ())  # a TIFF's BitsPerSample, of planes that lie apart
  return max(bits, default=8) > 8 if isinstance(bits, tuple) else bits > 8


def is_grey(image: Image.Image) -> bool:
  """Whether an image has no colours; of 16 bits with transparency Pillow does not tell."""
  return image.mode[0] in '1LIF' and image.mode != 'LAB'


def _ends_well(path: Path, kind: str, size: int) -> bool:
  with path.open('rb') as file:
    if kind == 'WEBP':  # RIFF header: the length of what follows its first 8 bytes
      return int.from_bytes(file.read(8)[4:], 'little') + 8 <= size
    ending = _ENDINGS.get(kind)
    if ending is None or size < len(ending):
      return False
    file.seek(-len(ending), 2)
    return file.read() == ending


def to_array(image: Image.Image, channels: int, values: tuple = ()) -> np.ndarray:
  """A picture as `decode` gives it; it is turned upright in place."""
  deep = is_deep(image)
  ImageOps.exif_transpose(image, in_place=True)
  if image.mode[0] in 'IF':  # grey of 16 bits or floats, in PNG, TIFF and PGM
    image = Image.fromarray(_scaled(np.asarray(image), values or (0, DEEP)))
    values = ()
  if image.has_transparency_data:
    image = image.convert('RGBA')
    white = Image.new('RGBA', image.size, 'white')
    image = Image.alpha_composite(white, image)
  array = (
    np.asarray(image.convert('RGB')) if channels == 3 else np.asarray(image.convert('L'))[..., None]
  )
  if not values:
    return array
  # of 16-bit colour Pillow gives the upper half
  return _scaled(array.astype(np.float32) * (DEEP // 255) if deep else array, values)


def _scaled(array: np.ndarray, values: tuple) -> np.ndarray:
  low, high = values
  scaled = (array.astype(np.float32) - low) * (255 / (high - low))
  return np.clip(scaled + 0.5, 0, 255).astype(np.uint8)
