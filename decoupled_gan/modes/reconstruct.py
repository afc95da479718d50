"""--mode=reconstruct: images beside what the generator makes of what the discriminator says of them."""

from collections import OrderedDict

import numpy as np
from rich.progress import track

from decoupled_gan import data
from decoupled_gan.core.images import to_uint8
from decoupled_gan.data.transforms import center_crop
from decoupled_gan.data.views import Changed
from decoupled_gan.modes.translate import BATCH, input_images, output_folder, write_image
from decoupled_gan.run import inference
from decoupled_gan.run.pictures import grid, save_image
from decoupled_gan.run.workdir import Workdir

GRID_ROWS = 16


def reconstruct(workdir: Workdir, source: str, output: str, step: int | None = None):
  """Writes every image of `source` reconstructed, names kept, and comparison.png of the first ones.

  Images are cropped, if data.center_crop is set, and resized as in training.
  """
  run = inference.open_run(workdir)
  run.require('reconstruct')
  folder = output_folder(output)
  trained = inference.restore(run, workdir, step)
  config, method = trained.run.config, trained.run.method
  images = input_images(source, config)
  names = images.names
  if config.data.center_crop:
    images = Changed(images, center_crop)
  function = trained.compiled(method.reconstruct)
  shown = []
  for start in track(range(0, len(images), BATCH), 'reconstruct'):
    chosen = range(start, min(start + BATCH, len(images)))
    given = data.test_images(images, chosen, config)
    rebuilt = inference.batched(lambda x: to_uint8(function(x)), given, BATCH)
    for i, image in zip(chosen, rebuilt, strict=True):
      write_image(image, folder / names[i])
    if start < GRID_ROWS:
      shown.append((given, rebuilt))
  given, rebuilt = (np.concatenate(x)[:GRID_ROWS] for x in zip(*shown, strict=True))
  columns = OrderedDict(given=given, reconstructed=rebuilt)
  save_image(grid(columns), folder / 'comparison.png')
  print(f'{len(images)} image(s) reconstructed at step {trained.step}: {folder}')
