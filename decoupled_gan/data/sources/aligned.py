"""Pairs of images from disk: an input, and what it is to become.

Either side by side in one file, left half a and right half b, in <path>/train and <path>/test (or val),
as pix2pix has them; or files of equal names in <path>/{trainA,trainB,testA,testB}, whatever their
endings. data.direction, 'a_to_b' or 'b_to_a', says which is the input.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from decoupled_gan.core.types import Aligned, Pair
from decoupled_gan.data.dataset import Dataset
from decoupled_gan.data.decode import opened
from decoupled_gan.data.files import FileImages, by_stem, left_out, verify
from decoupled_gan.data.sources.folder import existing_folder, images_below
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine.archive import Member


@dataclass(frozen=True)
class Halves:
  """The left or the right halves of image files."""

  files: FileImages
  right: bool

  @property
  def names(self):
    return self.files.names

  def __len__(self) -> int:
    return len(self.files)

  def __getitem__(self, index: int) -> np.ndarray:
    whole = self.files[index]
    middle = whole.shape[1] // 2
    return whole[:, middle:] if self.right else whole[:, :middle]


def load(config) -> Dataset:
  """The pairs below config.data.path.

  Raises:
    UserError: no such folder, no training pairs, files that cannot be used, a pair file of odd width,
      an image of one folder without a partner in the other.
  """
  root = existing_folder(config, 'train and test with side-by-side pairs, or trainA and trainB')
  read = _two_folders if (root / 'trainA').is_dir() else _side_by_side
  train, notes = read(root, 'train', config)
  if not len(train.a):
    raise UserError(f'no pairs below {str(root / "train")!r}: side by side, or in trainA and trainB.')
  tests = [found for split in ('test', 'val') if len((found := read(root, split, config))[0].a)]
  test, more = tests[0] if tests else (train, ('no test pairs: those for training stand in',))
  return Dataset(
    name=f'folder {config.data.path}',
    train=directed(train, config),
    test=directed(test, config),
    notes=tuple(dict.fromkeys((*notes, *more))),
  )


def directed(pair: Pair, config) -> Aligned:
  """Input and target of a pair, by config.data.direction."""
  return Aligned(*(pair if config.data.direction == 'a_to_b' else pair.swapped))


def _side_by_side(root: Path | Member, split: str, config) -> tuple[Pair, tuple[str, ...]]:
  files = images_below(root / split, config)
  notes = (*left_out(files), *verify(files.paths, config.image_size, config.data.range))
  widths = {path: _width(path) for path in files.paths}
  odd = [f'{path} ({width} px)' for path, width in widths.items() if width % 2]
  if odd:
    raise UserError(
      f'{len(odd)} of {len(widths)} files have an odd width and so no middle; two images of one size '
      f'must stand side by side: {listing(odd)}.'
    )
  return Pair(Halves(files, right=False), Halves(files, right=True)), notes


def _two_folders(root: Path | Member, split: str, config) -> tuple[Pair, tuple[str, ...]]:
  pair = Pair(*[images_below(root / (split + x), config) for x in 'AB'])
  a, b = map(by_stem, pair)
  if alone := a.keys() ^ b.keys():
    raise UserError(
      f'{len(alone)} images in {split}A or {split}B below {str(root)!r} have no partner of the same '
      f'name: {listing(sorted(alone))}.'
    )
  # the lists are sorted with their endings, which may differ: p.jpg, p.left.jpg but p.left.png, p.png
  pair = pair._replace(b=replace(pair.b, names=tuple(b[stem] for stem in a)))
  notes = verify([*pair.a.paths, *pair.b.paths], config.image_size, config.data.range)
  return pair, (*left_out(*pair), *notes)


def _width(path: Path | Member) -> int:
  with opened(path) as image:
    return image.width
