"""What of an input comes back in its translation: depth, transparency, and what a mask spares."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from decoupled_gan.core.types import image_shape
from decoupled_gan.data import deep, given, masks, transforms
from decoupled_gan.data.files import FileImages, looks
from decoupled_gan.data.results import format_of
from decoupled_gan.data.views import as_trained
from decoupled_gan.errors import UserError, listing

DEPTHS = ('auto', '8', '16')
ALPHAS = ('white', 'keep')
HOLD_ALPHA = ('PNG', 'TIFF', 'WEBP')


@dataclass(frozen=True)
class Asked:
  """What is to come back.

  Attributes:
    depth: of DEPTHS: bits a channel of what is written; 'auto' is 16 of inputs that have more than 8,
      where the output's format holds them.
    alpha: of ALPHAS: what was transparent is white, or as transparent as it was.
    mask: a file, or a folder with one for each image: white is translated; '' for all of them whole.
  """

  depth: str = 'auto'
  alpha: str = 'white'
  mask: str = ''

  def check(self):
    """Raises UserError for words that there are not."""
    if self.depth not in DEPTHS:
      raise UserError(f'--output_depth={self.depth} is unknown; there are {listing(DEPTHS)}.')
    check_alpha(self.alpha, '--alpha')


@dataclass(frozen=True)
class Plan:
  """The same for one file: its bits a channel, whether it is transparent, its mask's file or None."""

  bits: int = 8
  alpha: bool = False
  mask: Path | None = None


def check_alpha(alpha: str, asked: str):
  """Raises UserError for a word that there is not, which `asked` names."""
  if alpha not in ALPHAS:
    raise UserError(f'{asked}={alpha} is unknown; there are {listing(ALPHAS)}.')


def plans(
  asked: Asked, images: FileImages, files: Sequence[Path], covers: Sequence[Path | None]
) -> list[Plan]:
  """What each image's result keeps; tells what somebody should know of the inputs.

  Args:
    covers: the masks' files.

  Raises UserError where a format cannot hold what is asked, or 16-bit colour can neither be read nor
  written here.
  """
  heads = looks(images.paths, floats=bool(images.values))
  if names := [x for x, head in zip(images.names, heads, strict=True) if head.deep and not head.grey]:
    deep.require(listing(names))
  grey = sum(head.grey for head in heads)
  if grey and images.channels == 3:
    print(f'{grey} image(s) are grey: the run takes colour, and is given three equal channels')
  if asked.depth == '16':
    _check_formats(files, deep.HOLD, '--output_depth=16: {} hold 8 bits; ask for --format=png or tif.')
  keeping = asked.alpha == 'keep'
  alphas = [keeping and head.alpha for head in heads]
  _check_formats(
    [file for file, alpha in zip(files, alphas, strict=True) if alpha],
    HOLD_ALPHA,
    '--alpha=keep: {} hold no transparency; ask for --format=png, webp or tif.',
  )
  bits = [_bits(asked.depth, head, file) for head, file in zip(heads, files, strict=True)]
  if 16 in bits and (images.channels == 3 or any(alphas)):
    deep.require('writing 16 bits')
  return [Plan(*each) for each in zip(bits, alphas, covers, strict=True)]


def result(made: np.ndarray, whole: deep.Whole, plan: Plan, config, own_size: bool) -> np.ndarray:
  """A translation [H, W, C] in [-1, 1] as it is written: uint8 or uint16, alpha a channel more."""
  if plan.mask is not None:
    made = masked(made, whole.image, masks.read(plan.mask), config, own_size)
  if plan.alpha:
    made = with_alpha(made, whole.alpha, config, own_size)
  return given.typed(made, np.dtype(np.uint16 if plan.bits == 16 else np.uint8))


def masked(made: np.ndarray, image: np.ndarray, mask: np.ndarray, config, own_size: bool) -> np.ndarray:
  """`made` where the mask [h, w, 1] is white, the image [h, w, C] where it is black; in [-1, 1]."""
  weights = masks.weights(_placed(mask, made.shape[:2], config, own_size))
  image = given.unit(_placed(image, made.shape[:2], config, own_size)) * 2 - 1
  return np.where(weights > 0, weights * made + (1 - weights) * image, image)


def with_alpha(made: np.ndarray, alpha: np.ndarray, config, own_size: bool) -> np.ndarray:
  """`made` [H, W, C] in [-1, 1] with alpha, [h, w, 1] in 0..1, as its last channel, in [-1, 1] too."""
  placed = _placed(alpha, made.shape[:2], config, own_size)
  return np.concatenate([made, placed * 2 - 1], -1)


def _placed(image: np.ndarray, shape: tuple[int, int], config, own_size: bool) -> np.ndarray:
  """[h, w, C] as its translation of `shape` shows it: cropped, fitted, its frame off again."""
  if not own_size:
    image, trained = as_trained([image], config)[0], image_shape(config)
    inside = transforms.inside(image.shape[:2], trained)
    image = transforms.fitted(image, trained, config.data.fit, config.data.interpolation)
    if config.data.fit == 'pad' and not config.data.center_crop:
      image = transforms.unframed(image, inside)
  image = transforms.resize(image, shape, config.data.interpolation)
  return image if image.dtype == np.uint8 else np.clip(image, 0, 1)  # bicubic goes beyond


def _check_formats(files: Sequence[Path], hold: tuple[str, ...], sentence: str):
  if wrong := sorted({file.suffix.lower() for file in files if format_of(file.name) not in hold}):
    raise UserError(sentence.format(f'{listing(wrong)} files'))


def _bits(depth: str, head, file: Path) -> int:
  if depth == 'auto':
    return 16 if head.deep and format_of(file.name) in deep.HOLD else 8
  return int(depth)
