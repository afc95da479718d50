"""Image files below a folder or in a zip: found, looked at before any long work, joined by name.

Files are taken in the sorted order of their relative paths; hidden files (among them the '._*.jpg'
that macOS leaves behind) are not. Every file's header and ending are looked at first, so that a
damaged image is told in the first seconds and not in the second night.

A training image may be enlarged up to 8 times: below that it is an icon or a thumbnail that got
lost in the folder, and the network would learn its blur.
"""

import math
import os
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from decoupled_gan.data.decode import Look, decode, look, values_of
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine.archive import Archive, Member

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.ppm', '.pgm', '.tif', '.tiff')
LEFT_OUT = (
  '.gif', '.apng', '.avif', '.heic', '.heif', '.jp2', '.j2k', '.jxl', '.jfif', '.jpe', '.tga', '.psd',
  '.svg', '.exr', '.hdr', '.pnm', '.pbm', '.ico', '.dcm', '.nii', '.npy', '.npz', '.raw', '.dng', '.cr2',
  '.cr3', '.nef', '.arw', '.mp4', '.mov', '.avi', '.mkv', '.webm',
)  # fmt: skip
"""Endings of pictures and films that are not read: what is left out is told."""
LAYOUTS = ('train', 'test', 'val', 'trainA', 'trainB', 'testA', 'testB')
"""Folders that mean something to a source: an archive's only one is not taken for a wrapper."""
MAX_ENLARGEMENT = 8
SAMPLE = 16  # images whose values are looked at
_THREADS = 32  # waiting for a network drive, mostly


@dataclass(frozen=True)
class FileImages:
  """The image files `names` below `root`, a folder or a member of an archive, decoded on access.

  `values` are those that become 0 and 255, see decode; `left_out` counts by their endings the pictures
  below `root` that are not read.
  """

  root: Path | Member
  names: Sequence[str]
  channels: int = 3
  values: tuple = ()
  left_out: tuple[tuple[str, int], ...] = ()

  @classmethod
  def below(cls, root: Path | Member, channels: int = 3, values: tuple = ()) -> 'FileImages':
    """All image files below `root`, at any depth; none when there is no such folder."""
    names, left_out = _find(root)
    return cls(root, names, channels, tuple(values), left_out)

  def some(self, which: Sequence[int]) -> 'FileImages':
    """The files `which`, in this order."""
    return replace(self, names=tuple(self.names[i] for i in which))

  @property
  def paths(self) -> list[Path | Member]:
    return [self.root / name for name in self.names]

  def __len__(self) -> int:
    return len(self.names)

  def __getitem__(self, index: int) -> np.ndarray:
    path = self.root / self.names[index]
    return decode(path, self.channels, path, self.values)


def looks(paths: Sequence[Path | Member], floats: bool = False) -> list[Look]:
  """What the headers of image files tell, read in parallel."""
  with ThreadPoolExecutor(_THREADS) as pool:
    return list(pool.map(lambda path: look(path, floats), paths))


def tree(path: Path) -> Path | Member:
  """`path`, or the inside of the zip that it is: without the folders that are wrapped around all."""
  if path.suffix.lower() == '.zip' and path.is_file():
    return Member(Archive(path)).descended(LAYOUTS)
  return path


def verify(paths: Sequence[Path | Member], image_size, values: tuple = ()) -> tuple[str, ...]:
  """Checks headers, endings and sizes of image files, in parallel.

  Returns:
    What somebody who trains on them, or translates them, should know: animations, values that fill a
    small part of what their format has room for.

  Raises:
    UserError: names every damaged file (up to a dozen) with its reason; else every file whose
      shorter side would have to be enlarged more than 8 times to reach `image_size`.
  """
  values = check_values(values)
  found = looks(paths, bool(values))
  damaged = [f'{path} ({x.problem})' for path, x in zip(paths, found, strict=True) if x.problem]
  if damaged:
    raise UserError(
      f'{len(damaged)} of {len(paths)} images cannot be used, repair or remove them: {listing(damaged)}'
    )
  least = min(np.atleast_1d(image_size)) / MAX_ENLARGEMENT
  small = [f'{path} ({x.side} px)' for path, x in zip(paths, found, strict=True) if x.side < least]
  if small:
    raise UserError(
      f'{len(small)} of {len(paths)} images have a shorter side below {least:g} px, which '
      f'image_size={image_size} would enlarge more than {MAX_ENLARGEMENT} times, remove them or '
      f'lower image_size: {listing(small)}'
    )
  notes = []
  if moving := [str(path) for path, x in zip(paths, found, strict=True) if x.frames]:
    notes.append(f'only the first frame is used of {listing(moving, 3)}')
  if not values:
    for deep in (False, True):
      notes += _dim([path for path, x in zip(paths, found, strict=True) if x.deep == deep])
  return tuple(notes)


def check_values(values: Sequence) -> tuple:
  """data.range as (low, high) or (); raises UserError if it is anything else."""
  values = tuple(values)
  numbers = all(isinstance(x, int | float) and math.isfinite(x) for x in values)
  if values and not (numbers and len(values) == 2 and values[0] < values[1]):
    raise UserError(
      f'data.range={values!r} is no range: the values that become black and white, as in 0,4095.'
    )
  return values


def left_out(*sets: FileImages) -> tuple[str, ...]:
  """The sentence on what lies among the images and is not read; none if there is nothing."""
  counts = Counter()
  for images in sets:
    counts.update(dict(images.left_out))
  if not counts:
    return ()
  told = listing([f'{count} {ending}' for ending, count in counts.most_common()])
  return (f'left out, for they end in none of {" ".join(EXTENSIONS)}: {told}',)


def stem_of(name: str) -> str:
  """A file's relative path without its ending; composed, for macOS writes letters and accents apart."""
  return unicodedata.normalize('NFC', str(PurePosixPath(name).with_suffix('')))


def by_stem(images: FileImages) -> Mapping[str, str]:
  """{stem: name}; raises UserError where two files have one stem: nobody knows which is meant."""
  found: dict[str, str] = {}
  for name in images.names:
    if (other := found.setdefault(stem_of(name), name)) != name:
      raise UserError(
        f'{images.root} has both {other} and {name}: pairs are joined by their names without endings, '
        'so remove or rename one.'
      )
  return found


def _find(root: Path | Member) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
  """Relative paths ('/' between parts) of the image files below root, sorted; and what is left out."""
  found, others = [], Counter()
  for name in root.files() if isinstance(root, Member) else _walk(root):
    parts = name.split('/')
    if parts[-1].startswith('.') or any(part.startswith(('.', '__MACOSX')) for part in parts):
      continue
    ending = os.path.splitext(parts[-1])[1].lower()
    if ending in EXTENSIONS:
      found.append(name)
    elif ending in LEFT_OUT:
      others[ending] += 1
  return tuple(sorted(found)), tuple(sorted(others.items()))


def _walk(root: Path):
  """Relative paths of all files below a folder, hidden folders' aside."""
  seen = set()
  for folder, subfolders, files in os.walk(root, followlinks=True):
    real = os.path.realpath(folder)
    if real in seen:  # a link to a folder above would repeat its images endlessly
      subfolders.clear()
      continue
    seen.add(real)
    subfolders[:] = [name for name in subfolders if not name.startswith(('.', '__MACOSX'))]
    for name in files:
      yield (Path(folder) / name).relative_to(root).as_posix()


def _dim(paths: Sequence[Path | Member]) -> list[str]:
  """A note if the values of the files, all of one depth, leave most of their range empty."""
  chosen = [paths[i * len(paths) // SAMPLE] for i in range(SAMPLE)] if len(paths) > SAMPLE else paths
  found = []
  for path in chosen:
    try:
      found.append(values_of(path))
    except Exception:  # damage that the header does not show is told when its turn comes
      continue
  if not found:
    return []
  low, high = min(x[0] for x in found), max(x[1] for x in found)
  room = found[0][2]
  few = 0.5 if room > 255 else 0.25
  if low >= 0 and (high >= few * room or high == 0):
    return []
  bits = '16-bit ' if room > 255 else ''
  top = 2 ** math.ceil(math.log2(high + 1)) - 1 if high == int(high) and high > 0 else high
  if low < 0:
    return [
      f'the values of {len(found)} {bits}images lie between {low:g} and {high:g}, and those below 0 '
      f'become black: say data.range={low:g},{high:g}'
    ]
  return [
    f'the largest value of {len(found)} {bits}images is {high:g}: they fill {100 * high / room:.0f} % '
    f'of the range; say data.range=0,{top:g}'
  ]
