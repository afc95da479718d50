"""--mode=inpaint: holes of images filled by a trained run."""

from collections.abc import Callable

import numpy as np
from rich.progress import track

from decoupled_gan.core.images import to_uint8
from decoupled_gan.data import results
from decoupled_gan.data.decode import white_of
from decoupled_gan.data.masks import masks_for
from decoupled_gan.data.results import BATCH, input_images
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
  trained = inference.restore(run, workdir, step)
  results.make_folder(files[0].parent, output)
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
