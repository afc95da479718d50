"""--mode=inpaint: holes of images filled by a trained run."""

from collections.abc import Callable, Sequence

import numpy as np
from rich.progress import track

from decoupled_gan.core.images import to_uint8
from decoupled_gan.data import results
from decoupled_gan.data.decode import white_of
from decoupled_gan.data.files import EXTENSIONS, FileImages, by_stem, looks, stem_of
from decoupled_gan.data.results import BATCH, input_images
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import paths
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

MULTIPLE = 8  # of which sizes are: a border is mirrored up to it, and cut off again


def inpaint(
  workdir: Workdir,
  source: str,
  mask: str,
  output: str,
  step: int | None = None,
  form: str = '',
  dtype: str = 'float32',
):
  """Writes every image of `source` with its hole filled, names kept, at its own size.

  Args:
    mask: an image for all, or a folder with one of the same name (whatever its ending) for each; white
      where the hole is. Outside of it no pixel changes.
    output, form, dtype: as of translate.
  """
  run = inference.open_run(workdir, dtype=dtype)
  run.require('complete')
  images = input_images(source, run.config)
  masks = masks_for(mask, images)
  files = results.destinations(images, source, output, form, run.config, mask)
  check_sizes(images, masks)
  trained = inference.restore(run, workdir, step)
  fill = trained.compiled(run.method.complete)

  def made(chosen):
    return [filled(fill, images[i], white_of(masks[i])) for i in chosen]

  steps = track(range(0, len(images), BATCH), 'inpaint')
  count = results.translated(images, files, made, steps, run.config.data.num_threads)
  print(f'{count} image(s) filled at step {trained.step}: {output}')
  if note := results.lossy_note(files):
    print(note)


def filled(fill: Callable, image: np.ndarray, holes: np.ndarray) -> np.ndarray:
  """uint8 [H, W, C] with what `fill` makes of it in `holes`, bool [H, W]; all else as it was."""
  height, width = image.shape[:2]
  border = ((0, -height % MULTIPLE), (0, -width % MULTIPLE))
  given = np.pad(image, [*border, (0, 0)], 'symmetric')
  asked = np.pad(holes, border).astype(np.float32)[..., None]
  made = to_uint8(fill(given[None], asked[None]))[0, :height, :width]
  return np.where(holes[..., None], made, image)


def masks_for(mask: str, images: FileImages) -> list:
  """The mask's file of each image; raises UserError if one is missing."""
  path = paths.local(mask, '--mask')
  if not mask or not path.exists():
    raise UserError(f'--mask={mask!r} is neither an image nor a folder of images: white is the hole.')
  if path.is_file():
    return [path] * len(images)
  found = FileImages.below(path)
  if not len(found):
    raise UserError(f'--mask={mask} holds no images ({", ".join(EXTENSIONS)}).')
  known = by_stem(found)
  if missing := [name for name in images.names if stem_of(name) not in known]:
    raise UserError(
      f'{len(missing)} of {len(images)} images have no mask of the same name below --mask={mask}: '
      f'{listing(missing)}.'
    )
  return [path / known[stem_of(name)] for name in images.names]


def check_sizes(images: FileImages, masks: Sequence):
  """Raises UserError unless every mask has the size of its image."""
  sizes = {path: look.size for path, look in zip(masks, looks(masks), strict=True)}
  wrong = [
    f'{name} ({look.size[1]} x {look.size[0]} px, its mask {sizes[path][1]} x {sizes[path][0]})'
    for name, look, path in zip(images.names, looks(images.paths), masks, strict=True)
    if look.size != sizes[path]
  ]
  if wrong:
    raise UserError(f'{len(wrong)} masks have another size than their image: {listing(wrong)}.')
