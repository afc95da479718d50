"""--mode=reconstruct: images as a run gives them back, beside what was given."""

import csv
import io
from collections import OrderedDict
from pathlib import Path

import numpy as np
from rich.progress import track

from decoupled_gan import data
from decoupled_gan.core.images import to_uint8
from decoupled_gan.data import results
from decoupled_gan.data.results import BATCH
from decoupled_gan.data.views import as_trained
from decoupled_gan.machine import paths
from decoupled_gan.run import inference
from decoupled_gan.run.pictures import for_the_eye, grid
from decoupled_gan.run.workdir import Workdir

GRID_ROWS = 16


def reconstruct(
  workdir: Workdir,
  source: str,
  output: str,
  step: int | None = None,
  form: str = '',
  dtype: str = 'float32',
):
  """Writes every image of `source` reconstructed, names kept; and the first ones beside what was given.

  Of a run that detects anomalies their scores too, in the workdir, as anomalies.csv.
  Images are cropped, if data.center_crop is set, and resized as in training. The comparison lies in the
  workdir, as reconstructed.png: what is for the eye does not lie where images are counted.

  Args:
    output, form, dtype: as of translate.
  """
  run = inference.open_run(workdir, dtype=dtype)
  run.require('reconstruct')
  config = run.config
  found = results.input_images(source, config)
  files = results.destinations(found, source, output, form, config)
  trained = inference.restore(run, workdir, step)
  results.make_folder(files[0].parent, output)
  images = as_trained(found, config)
  function = trained.compiled(run.method.reconstruct)
  shown, scores = [], {}
  detect = trained.compiled(run.method.detect) if run.able('detect') else None

  def rebuilt(chosen):
    given = data.test_images(images, chosen, config)
    made = inference.batched(lambda x: to_uint8(function(x)), given, BATCH)
    if len(shown) * BATCH < GRID_ROWS:
      shown.append((given, made))
    if detect:
      scores.update(zip(chosen, inference.batched(detect, given, BATCH), strict=True))
    return made

  steps = track(range(0, len(images), BATCH), 'reconstruct')
  try:
    count = results.translated(found, files, rebuilt, steps, config.data.num_threads)
  finally:
    if shown:
      given, made = (np.concatenate(x)[:GRID_ROWS] for x in zip(*shown, strict=True))
      columns = OrderedDict(given=given, reconstructed=made)
      beside = for_the_eye(grid(columns), workdir.path / 'reconstructed.png')
    if scores:
      _keep_scores({images.names[i]: x for i, x in scores.items()}, workdir.path / 'anomalies.csv')
  print(f'{count} image(s) reconstructed at step {trained.step}: {output}; {beside}')
  if note := results.lossy_note(files):
    print(note)


def _keep_scores(scores: dict[str, float], path: Path):
  """How unlike the training examples each image is, the most unlike first."""
  file = io.StringIO()
  rows = csv.writer(file, lineterminator='\n')
  rows.writerow(('image', 'score'))
  rows.writerows((name, f'{x:.6g}') for name, x in sorted(scores.items(), key=lambda item: -item[1]))
  paths.write(path, file.getvalue())
  print(f'how unlike the training examples each is: {path}')
