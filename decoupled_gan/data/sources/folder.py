"""The folder convention of the field: <path>/{trainA,trainB,testA,testB}/, any names, any depth.

<path> may be a zip of these, which is read in place. How files are found and looked at: data/files.py.
"""

from collections.abc import Sequence
from pathlib import Path

from decoupled_gan.core.types import Examples, Pair
from decoupled_gan.data.dataset import Dataset
from decoupled_gan.data.files import EXTENSIONS, FileImages, left_out, tree, verify
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import paths
from decoupled_gan.machine.archive import Member

STAND_IN = 'the samples show training images: there are no others'
_TRAIN, _TEST = Pair('trainA', 'trainB'), Pair('testA', 'testB')


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
    Pair(*[images_below(root / folder, config) for folder in folders]) for folders in (_TRAIN, _TEST)
  )
  _check_train(root, train)
  stand_ins = [name for name, images in zip(_TEST, test, strict=True) if not len(images)]
  files = [path for images in (*train, *test) for path in images.paths]
  notes = verify(files, config.image_size, config.data.range)
  return Dataset(
    name=f'folder {config.data.path}',
    domains=Pair('A', 'B'),
    train=train,
    test=Pair(*[own if len(own) else other for own, other in zip(test, train, strict=True)]),
    notes=(
      *left_out(*train, *test),
      *notes,
      *(
        f'no images in {name}: those of train{name[-1]} stand in, so scores on them prove nothing'
        for name in stand_ins
      ),
    ),
  )


def load_plain(config) -> Dataset:
  """All images below config.data.path, at any depth; they also stand in for test images.

  Where images lie in its folders train and test (or val), the first are for training and the second for
  testing.

  Raises:
    UserError: no path or no such folder; no images; damaged ones, or too small ones, as in `load`.
  """
  root = existing_folder(config, 'the images')
  everything = images_below(root, config)
  if not len(everything):
    raise UserError(
      f'no images below {str(root)!r}: found {contents(root)}; images end in {" ".join(EXTENSIONS)}'
    )
  train, test, notes = _divided(root, everything, config)
  notes += (
    *left_out(everything),
    *verify([*train.paths, *test.paths], config.image_size, config.data.range),
  )
  if not len(test):
    test, notes = train, (*notes, STAND_IN)
  return Dataset(f'folder {config.data.path}', Examples(train), Examples(test), notes=notes)


def images_below(root: Path | Member, config) -> FileImages:
  """All image files below `root`, read as the config says."""
  return FileImages.below(root, config.image_channels, config.data.range)


def existing_folder(config, contents_: str) -> Path | Member:
  """config.data.path as a folder that there is, or the inside of a zip; it is to hold `contents_`."""
  path = config.data.path
  if not path:
    raise UserError(
      f'data.source={config.data.source!r} needs data.path: a folder that holds {contents_}, or a zip '
      'of it, e.g. --config.data.path=datasets/selfie2anime'
    )
  root = tree(paths.local(path, 'data.path'))
  if root.is_dir():
    return root
  existing = next(parent for parent in root.absolute().parents if parent.is_dir())
  kind = 'neither a folder nor a zip' if root.exists() else 'not a folder'
  raise UserError(
    f'data.path={path!r} is {kind}: in {str(existing)!r} there are {contents(existing)}; '
    f'give the folder that holds {contents_}, by --config.data.path=<folder>'
  )


def contents(folder: Path | Member) -> str:
  """What lies in a folder, for errors."""
  try:
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
  except OSError as error:
    return f'things that cannot be listed ({error.strerror})'
  names = [f'{path.name}/' if path.is_dir() else path.name for path in entries]
  return listing([name for name in names if not name.startswith('.')])


def _divided(root: Path | Member, everything: FileImages, config):
  """(train, test, notes): by the folders train and test, or val; all and none where there are none."""
  found = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
  held_out = next((word for word in ('test', 'val') if word in found), '')
  if 'train' in found and held_out:
    train, test = (images_below(found[word], config) for word in ('train', held_out))
    if len(train) and len(test):
      others = len(everything) - len(train) - len(test)
      notes = (f'not used: {others} images outside of train and {held_out}',) if others else ()
      return train, test, notes
  return everything, FileImages(root, (), config.image_channels), ()


def _check_train(root: Path | Member, train: Pair) -> None:
  empty = [name for name, images in zip(_TRAIN, train, strict=True) if not len(images)]
  if not empty:
    return
  raise UserError(
    f'no images in {" and ".join(empty)} below {str(root)!r}: found {contents(root)}; '
    f'{_advice(root, empty)}'
  )


def _advice(root: Path | Member, empty: Sequence[str]) -> str:
  # Archives often unpack into a folder of their own name.
  for inner in sorted(root.iterdir(), key=lambda path: path.name):
    if all((inner / name).is_dir() for name in _TRAIN):
      return f'did you mean data.path={str(inner)!r}?'
  if all((root / name).is_dir() for name in empty):
    return f'their images must end in {" ".join(EXTENSIONS)}'
  return 'put the two domains into trainA and trainB (and testA, testB)'
