"""Where the images that a mode makes go: beside what was read, never over it or among it.

A result keeps the name of its input, and its format unless another one is asked for. An output may
neither destroy an input nor become one: both are looked at as the files that they are, whatever links
lead there.
"""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from decoupled_gan.data import deep
from decoupled_gan.data.files import EXTENSIONS, LAYOUTS, FileImages, left_out, tree, verify
from decoupled_gan.errors import RunError, UserError, listing
from decoupled_gan.machine import paths

FORMATS = ('png', 'jpg', 'jpeg', 'webp', 'bmp', 'ppm', 'tif', 'tiff')
LOSSY = ('.jpg', '.jpeg', '.webp')
BATCH = 8


def input_images(source: str, config) -> FileImages:
  """What --input names, an image, a folder or a zip of images, checked before any work."""
  path = paths.local(source, '--input')
  if not source or not path.exists():
    raise UserError(f'--input={source!r} is neither an image nor a folder of images.')
  if path.is_file() and path.suffix.lower() != '.zip':
    images = FileImages(path.parent, (path.name,), config.image_channels, tuple(config.data.range))
  else:
    images = FileImages.below(tree(path), config.image_channels, config.data.range)
  if not len(images):
    raise UserError(f'--input={source} holds no images ({", ".join(EXTENSIONS)}).')
  for note in (*left_out(images), *verify(images.paths, config.image_size, config.data.range)):
    print(note)
  return images


def destinations(
  images: FileImages, source: str, output: str, form: str, config, *others: str
) -> list[Path]:
  """The file that each image's result goes to; make_folder is for when nothing can be refused any more.

  Args:
    source: --input, which `images` are of.
    output: a folder; or a file, by its ending, of one image.
    form: one of FORMATS, or '' for the inputs' own.
    config: of the run, whose data are not to be written into.
    others: what else is read, such as masks, files or folders: inputs too.

  Raises:
    UserError: a result would lie among the inputs or the run's data, over an input, or over another
      result; an unknown format.
  """
  if not output:
    raise UserError('--output=<folder> is missing: where are the images to go?')
  if form and form not in FORMATS:
    raise UserError(f'--format={form} is unknown; there are {listing(FORMATS)}.')
  target = paths.get(output)
  as_file = format_of(output) is not None and not target.is_dir()
  if as_file and len(images) > 1:
    raise UserError(
      f'--output={output} names one image, and there are {len(images)}: name a folder, or one --input.'
    )
  if as_file:
    folder, found = target.parent, [target]
    if form and format_of(target.name) != format_of(f'x.{form}'):
      raise UserError(f'--output={output} and --format={form} name two formats: leave one out.')
  else:
    folder, found = target, [target / _renamed(name, form) for name in images.names]
  read = [paths.local(place, '--input') for place in (source, *others)]
  _check_apart(images, folder, found, output, read)
  check_not_data(folder, config, f'--output={output}')
  return found


def check_not_data(folder: Path, config, what: str):
  """Raises UserError if a folder that is written to is one that the run's data are read from."""
  data = config.data
  if data.source not in ('folder', 'utkface') or not data.path or '://' in data.path:
    return
  root = paths.at_home(data.path).absolute()
  if not root.is_dir():
    return
  for place in _read(root, labelled=len(config.attributes) > 0):
    if paths.inside(folder, place):
      raise UserError(
        f"{what} lies in the run's data ({place}): what is written there would be taken for data. Name "
        'another folder.'
      )


def _read(root: Path, labelled: bool) -> list[Path]:
  """The folders whose images are read: of two domains and of pairs those of LAYOUTS, else all of it."""
  folders = {path.name: path for path in root.iterdir() if path.is_dir()}
  words = {name.lower() for name in folders}
  divided = 'trainA' in folders or ('train' in words and words & {'test', 'val'})
  if labelled or not divided:
    return [root]
  layouts = {name.lower() for name in LAYOUTS}
  return [path for name, path in folders.items() if name.lower() in layouts]


def make_folder(folder: Path, output: str):
  """Makes a folder for results, which --output named; raises UserError if it cannot be."""
  try:
    if not paths.is_remote(folder):
      folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise UserError(f'--output={output} cannot be made ({error.strerror}).') from None


def translated(
  images: FileImages, files: Sequence[Path], function: Callable, steps: Iterator[int], threads: int
) -> int:
  """Writes what `function(indices)` makes of the images to `files`: how many.

  Files are written by threads while the next batch is made. An image that cannot be decoded is left out,
  and named in the end.

  Args:
    function: indices -> images uint8 [n, H, W, C], or a list of them; raises UserError where an image
      cannot be read.
    steps: where each batch begins, a range or a progress bar over one.

  Raises:
    RunError: images could not be decoded, or a file could not be written; tells how many are there.
  """
  unread, written = [], []

  def write(result, file):
    write_image(result, file)
    written.append(file)

  try:
    with ThreadPoolExecutor(max(1, threads)) as pool:
      writing = iter(())
      for start in steps:
        chosen = list(range(start, min(start + BATCH, len(images))))
        made = _made(function, chosen, unread)
        list(writing)  # of the batch before: raises what went wrong
        writing = pool.map(write, [x for _, x in made], [files[i] for i, _ in made])
      list(writing)
  except RunError as error:
    raise RunError(f'{error} {len(written)} of {len(images)} images are there.') from error
  if unread:
    raise RunError(
      f'{len(unread)} of {len(images)} images could not be read, the others are done: {listing(unread)}.'
    )
  return len(written)


def write_all(images: Sequence[np.ndarray], files: Sequence[Path]):
  """Writes images; a RunError tells how many are there."""
  for number, (image, file) in enumerate(zip(images, files, strict=True)):
    try:
      write_image(image, file)
    except RunError as error:
      raise RunError(f'{error} {number} of {len(files)} images are there.') from error


def _made(function: Callable, chosen: list[int], unread: list[str]) -> list[tuple[int, np.ndarray]]:
  """[(index, result)]; images that cannot be read are added to `unread`."""
  try:
    return list(zip(chosen, function(chosen), strict=True))
  except UserError as error:
    if len(chosen) == 1:
      unread.append(str(error))
      return []
  return [made for i in chosen for made in _made(function, [i], unread)]


def write_image(image: np.ndarray, path: Path):
  """Writes the file `path` in the format of its ending; may raise RunError.

  Args:
    image: uint8 [H, W, C], grey, grey with alpha, RGB or RGBA; or uint16 for PNG and TIFF.
  """
  buffer, form = io.BytesIO(), format_of(path.name)
  if image.dtype == np.uint16:
    paths.write(path, deep.encoded(image, form))
    return
  picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
  options = {'quality': 95} | ({'subsampling': 0} if form == 'JPEG' else {})
  try:
    picture.save(buffer, format=form, **options)
  except (OSError, ValueError) as error:  # more pixels than the format takes
    raise RunError(
      f'{path} could not be written: {form} cannot hold {picture.width} x {picture.height} px '
      f'({error}); ask for --format=png.'
    ) from error
  paths.write(path, buffer.getvalue())


def lossy_note(files: Sequence[Path]) -> str:
  """What somebody who is going to score the results should know; '' if there is nothing."""
  endings = sorted({file.suffix.lower() for file in files} & set(LOSSY))
  if not endings:
    return ''
  named = ' and '.join(endings)
  return f'{named} files lose a little of each image, and scores see that; --format=png keeps all'


def format_of(name: str) -> str | None:
  """Pillow's name of the format that an ending stands for, if it can be written."""
  form = Image.registered_extensions().get(os.path.splitext(name)[1].lower())
  return form if form in Image.SAVE else None


def _renamed(name: str, form: str) -> PurePosixPath:
  path = PurePosixPath(name)
  ending = f'.{form}' if form else path.suffix
  if not form and ending.lower() not in EXTENSIONS:  # .gif has 256 colours, and some cannot be written
    ending = '.png'
  return path.with_name(f'{path.stem}{ending}')


def _check_apart(
  images: FileImages, folder: Path, files: Sequence[Path], output: str, read: Sequence[Path]
):
  """Raises UserError where a result would destroy or become an input, or two have one name.

  Args:
    read: files and folders: what `images` are of, and what else is read.
  """
  if not paths.is_remote(folder):
    for place in read:
      if place.is_dir() and paths.inside(folder, place):
        same = paths.inside(place, folder)
        raise UserError(
          f'--output={output} is the folder of the inputs: its images would be overwritten. Name '
          'another folder.'
          if same
          else f'--output={output} lies in the folder of the inputs: its images would be taken for '
          'inputs the next time. Name a folder beside it.'
        )
    inputs = [path for path in images.paths if isinstance(path, Path)]
    for place in read[1:]:
      inputs += FileImages.below(place).paths if place.is_dir() else [place]
    own = {_number(path): path for path in inputs}
    for file in files:
      if file.exists() and _number(file) in own:
        raise UserError(
          f'--output={output}: {file} is the input {own[_number(file)]}, which would be overwritten. '
          'Name another one.'
        )
  known: dict[Path, str] = {}
  for name, file in zip(images.names, files, strict=True):
    if (other := known.setdefault(file, name)) != name:
      raise UserError(
        f'{other} and {name} would both become {file}: rename one of them, or keep their formats.'
      )


def _number(path: Path) -> tuple[int, int]:
  """What makes two paths one file."""
  found = path.stat()
  return found.st_dev, found.st_ino
