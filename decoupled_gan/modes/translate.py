"""--mode=translate: images in, translated images out, by a trained run."""

import numpy as np
from rich.progress import track

from decoupled_gan import data
from decoupled_gan.data import results
from decoupled_gan.data.results import BATCH, input_images
from decoupled_gan.errors import UserError
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

RESIZE = ('square', 'keep')


def translate(
  workdir: Workdir,
  source: str,
  output: str,
  direction: str,
  resize: str,
  step: int | None,
  form: str = '',
  dtype: str = 'float32',
):
  """Translates the image or the folder `source` into the folder `output`, keeping names.

  Args:
    output: a folder, or a file of one image.
    direction: 'a_to_b' or 'b_to_a'.
    resize: 'square' brings each image to the size of training and to its shape (the protocol of
      the paper); 'keep' translates it at its own size, which networks never saw in training.
    step: the checkpoint, the latest if None.
    form: of results.FORMATS; '' for the inputs' own.
    dtype: float32, or bfloat16, which is faster and not the same.
  """
  if resize not in RESIZE:
    raise UserError(f'--resize={resize} is unknown; there are square and keep.')
  config = workdir.load_config()
  images = input_images(source, config)
  files = results.destinations(images, source, output, form, config)
  trained = inference.load(workdir, step, dtype=dtype)
  if resize == 'keep' and config.model.get('full'):
    raise UserError(
      f'--resize=keep: the full generator of {workdir.path} takes {config.image_size} px only; '
      'leave --resize out.'
    )
  count = translate_images(trained, trained.translator(direction), images, files, resize)
  print(f'{count} image(s) translated {direction} at step {trained.step}: {output}')
  if note := results.lossy_note(files):
    print(note)


def translate_images(trained, function, images, files, resize: str) -> int:
  """Writes what `function`, a translator of `trained`, makes of `images` to `files`: how many."""
  config = trained.run.config

  def made(chosen):
    if resize == 'square':
      return inference.batched(function, data.test_images(images, chosen, config), BATCH)
    return [at_own_size(function, images[i]) for i in chosen]

  steps = track(range(0, len(images), BATCH), 'translate')
  return results.translated(images, files, made, steps, config.data.num_threads)


def at_own_size(function, image: np.ndarray) -> np.ndarray:
  """Translates [H, W, C] at its own size; its border is mirrored up to a multiple of 4."""
  height, width = image.shape[:2]
  padding = ((0, -height % 4), (0, -width % 4), (0, 0))
  return function(np.pad(image, padding, 'symmetric')[None])[0][:height, :width]
