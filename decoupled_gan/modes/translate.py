"""--mode=translate: images in, translated images out, by a trained run."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track

from decoupled_gan import data
from decoupled_gan.data.sources.folder import EXTENSIONS, FileImages, verify
from decoupled_gan.errors import UserError
from decoupled_gan.machine import paths
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

BATCH = 8
RESIZE = ('square', 'keep')


def translate(
  workdir: Workdir, source: str, output: str, direction: str, resize: str, step: int | None
):
  """Translates the image or the folder `source` into the folder `output`, keeping names.

  Args:
    direction: 'a_to_b' or 'b_to_a'.
    resize: 'square' brings each image to the size of training and to its shape (the protocol of
      the paper); 'keep' translates it at its own size, which networks never saw in training.
    step: the checkpoint, the latest if None.
  """
  if resize not in RESIZE:
    raise UserError(f'--resize={resize} is unknown; there are square and keep.')
  folder = output_folder(output)
  trained = inference.load(workdir, step)
  config = trained.run.config
  if resize == 'keep' and config.model.get('full'):
    raise UserError(
      f'--resize=keep: the full generator of {workdir.path} takes {config.image_size} px only; '
      'leave --resize out.'
    )
  count = translate_folder(trained, trained.translator(direction), source, folder, resize)
  print(f'{count} image(s) translated {direction} at step {trained.step}: {folder}')


def translate_folder(trained, function, source: str, folder: Path, resize: str) -> int:
  """Writes what `function`, a translator of `trained`, makes of the images of `source`: how many.

  Files are written by threads while the next batch is translated.
  """
  config = trained.run.config
  images = input_images(source, config)
  with ThreadPoolExecutor(config.data.num_threads) as pool:
    writing = iter(())
    for start in track(range(0, len(images), BATCH), 'translate'):
      chosen = range(start, min(start + BATCH, len(images)))
      if resize == 'square':
        results = inference.batched(function, data.test_images(images, chosen, config), BATCH)
      else:
        results = [_at_own_size(function, images[i]) for i in chosen]
      list(writing)  # of the batch before: raises what went wrong
      writing = pool.map(write_image, results, [folder / images.names[i] for i in chosen])
    list(writing)
  return len(images)


def _at_own_size(function, image: np.ndarray) -> np.ndarray:
  """Translates at the image's own size; its border is mirrored up to a multiple of 4."""
  height, width = image.shape[:2]
  padding = ((0, -height % 4), (0, -width % 4), (0, 0))
  return function(np.pad(image, padding, 'symmetric')[None])[0][:height, :width]


def input_images(source: str, config) -> FileImages:
  """What --input names, checked before any work."""
  path = paths.local(source, '--input')
  if not source or not path.exists():
    raise UserError(f'--input={source!r} is neither an image nor a folder of images.')
  if path.is_file():
    images = FileImages(path.parent, (path.name,), config.image_channels)
  else:
    images = FileImages.below(path, config.image_channels)
  if not len(images):
    raise UserError(f'--input={source} holds no images ({", ".join(EXTENSIONS)}).')
  verify(images.paths, config.image_size)
  return images


def output_folder(output: str) -> Path:
  """The folder that --output names, made if need be."""
  if not output:
    raise UserError('--output=<folder> is missing: where are the images to go?')
  folder = paths.get(output)
  try:
    if not paths.is_remote(folder):
      folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise UserError(f'--output={output} cannot be made ({error.strerror}).') from None
  return folder


def write_image(image: np.ndarray, path: Path):
  """uint8 [H, W, 1 or 3] as the file `path`, in the format of its ending."""
  picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
  buffer = io.BytesIO()
  picture.save(buffer, format=Image.registered_extensions()[path.suffix.lower()], quality=95)
  paths.write(path, buffer.getvalue())
