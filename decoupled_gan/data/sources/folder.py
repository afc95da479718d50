"""The folder convention of the field: <path>/{trainA,trainB,testA,testB}/, any names, any depth.

Files are taken in the sorted order of their relative paths; hidden files (among them the '._*.jpg'
that macOS leaves behind) are not. Before any long work every file's header and ending are looked
at, so that a damaged image is told in the first seconds and not in the second night.

A training image may be enlarged up to 8 times: below that it is an icon or a thumbnail that got
lost in the folder, and the network would learn its blur.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from decoupled_gan.core.types import Examples, Pair
from decoupled_gan.data.dataset import Dataset
from decoupled_gan.data.decode import decode, problem, shorter_side
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import paths

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.ppm', '.pgm', '.tif', '.tiff')
MAX_ENLARGEMENT = 8
STAND_IN = 'the samples show training images: there are no others'
_TRAIN, _TEST = Pair('trainA', 'trainB'), Pair('testA', 'testB')
_VERIFY_THREADS = 32  # waiting for a network drive, mostly


@dataclass(frozen=True)
class FileImages:
  """The image files `names` below `root`, decoded on access."""

  root: Path
  names: Sequence[str]
  channels: int = 3

  @classmethod
  def below(cls, root: Path, channels: int = 3) -> 'FileImages':
    """All image files below `root`, at any depth; none when there is no such folder."""
    return cls(root, _find(root), channels)

  @property
  def paths(self) -> list[Path]:
    return [self.root / name for name in self.names]

  def __len__(self) -> int:
    return len(self.names)

  def __getitem__(self, index: int) -> np.ndarray:
    path = self.root / self.names[index]
    return decode(path, self.channels, path)


def load(config) -> Dataset:
  """The four folders below config.data.path; images are checked, not decoded.

  testA or testB may be missing or empty: the training images of that domain then stand in for
  samples, which `describe()` says.

  Raises:
    UserError: no path or no such folder; trainA or trainB missing or without images; damaged
      images (all of them are named, up to a dozen); images too small for config.image_size.
  """
  root = existing_folder(config, 'trainA, trainB, testA and testB')
  train, test = (
    Pair(*[FileImages.below(root / folder, config.image_channels) for folder in folders])
    for folders in (_TRAIN, _TEST)
  )
  _check_train(root, train)
  stand_ins = [name for name, images in zip(_TEST, test, strict=True) if not len(images)]
  verify([path for images in (*train, *test) for path in images.paths], config.image_size)
  return Dataset(
    name=f'folder {config.data.path}',
    domains=Pair('A', 'B'),
    train=train,
    test=Pair(*[own if len(own) else other for own, other in zip(test, train, strict=True)]),
    notes=tuple(
      f'no images in {name}: those of train{name[-1]} stand in, so scores on them prove nothing'
      for name in stand_ins
    ),
  )


def load_plain(config) -> Dataset:
  """All images below config.data.path, at any depth; they also stand in for test images.

  Raises:
    UserError: no path or no such folder; no images; damaged ones, or too small ones, as in `load`.
  """
  root = existing_folder(config, 'the images')
  images = FileImages.below(root, config.image_channels)
  if not len(images):
    raise UserError(
      f'no images below {str(root)!r}: found {_contents(root)}; images end in {" ".join(EXTENSIONS)}'
    )
  verify(images.paths, config.image_size)
  return Dataset(f'folder {config.data.path}', Examples(images), Examples(images), notes=(STAND_IN,))


def verify(paths: Sequence[Path], image_size: int) -> None:
  """Checks headers, endings and sizes of image files, in parallel.

  Raises:
    UserError: names every damaged file (up to a dozen) with its reason; else every file whose
      shorter side would have to be enlarged more than 8 times to reach `image_size`.
  """
  with ThreadPoolExecutor(_VERIFY_THREADS) as pool:
    problems = list(pool.map(problem, paths))
    damaged = [f'{path} ({why})' for path, why in zip(paths, problems, strict=True) if why]
    if damaged:
      raise UserError(
        f'{len(damaged)} of {len(paths)} images cannot be used, repair or remove them: '
        f'{listing(damaged)}'
      )
    sides = list(pool.map(shorter_side, paths))
  least = image_size / MAX_ENLARGEMENT
  small = [f'{path} ({side} px)' for path, side in zip(paths, sides, strict=True) if side < least]
  if small:
    raise UserError(
      f'{len(small)} of {len(paths)} images have a shorter side below {least:g} px, which '
      f'image_size={image_size} would enlarge more than {MAX_ENLARGEMENT} times, remove them or '
      f'lower image_size: {listing(small)}'
    )


def _find(root: Path) -> tuple[str, ...]:
  """Relative paths ('/' between parts) of the image files below root, sorted."""
  found, seen = [], set()
  for folder, subfolders, files in os.walk(root, followlinks=True):
    real = os.path.realpath(folder)
    if real in seen:  # a link to a folder above would repeat its images endlessly
      subfolders.clear()
      continue
    seen.add(real)
    subfolders[:] = [name for name in subfolders if not name.startswith(('.', '__MACOSX'))]
    found += [
      (Path(folder) / name).relative_to(root).as_posix()
      for name in files
      if name.lower().endswith(EXTENSIONS) and not name.startswith('.')
    ]
  return tuple(sorted(found))


def existing_folder(config, contents: str) -> Path:
  """config.data.path as a folder that exists; `contents` says what it is to hold."""
  path = config.data.path
  if not path:
    raise UserError(
      f'data.source={config.data.source!r} needs data.path: a folder that holds {contents}, '
      'e.g. --config.data.path=datasets/selfie2anime'
    )
  root = paths.local(path, 'data.path').expanduser()
  if root.is_dir():
    return root
  existing = next(parent for parent in root.absolute().parents if parent.is_dir())
  raise UserError(
    f'data.path={path!r} is not a folder: in {str(existing)!r} there are {_contents(existing)}; '
    f'give the folder that holds {contents}'
  )


def _check_train(root: Path, train: Pair) -> None:
  empty = [name for name, images in zip(_TRAIN, train, strict=True) if not len(images)]
  if not empty:
    return
  raise UserError(
    f'no images in {" and ".join(empty)} below {str(root)!r}: found {_contents(root)}; '
    f'{_advice(root, empty)}'
  )


def _advice(root: Path, empty: Sequence[str]) -> str:
  # Archives often unpack into a folder of their own name.
  for inner in sorted(root.iterdir()):
    if all((inner / name).is_dir() for name in _TRAIN):
      return f'did you mean data.path={str(inner)!r}?'
  if all((root / name).is_dir() for name in empty):
    return f'their images must end in {" ".join(EXTENSIONS)}'
  return 'put the two domains into trainA and trainB (and testA, testB)'


def _contents(folder: Path) -> str:
  try:
    entries = sorted(folder.iterdir())
  except OSError as error:
    return f'things that cannot be listed ({error.strerror})'
  names = [f'{path.name}/' if path.is_dir() else path.name for path in entries]
  return listing([name for name in names if not name.startswith('.')])
