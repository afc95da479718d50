"""--mode=translate of a film: frame by frame, with its times and sound."""

import math
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track

from decoupled_gan.core.images import to_uint8
from decoupled_gan.data import results, video
from decoupled_gan.errors import UserError
from decoupled_gan.machine import paths
from decoupled_gan.modes.translate import PROGRAMS, check_split, forward, resized
from decoupled_gan.run import inference
from decoupled_gan.run.watch import Interruption
from decoupled_gan.run.workdir import Workdir


def translate_film(
  workdir: Workdir,
  source: str,
  output: str,
  direction: str,
  resize: str,
  step: int | str | None,
  codec: str = '',
  compare: bool = False,
  dtype: str = 'float32',
  split: bool = False,
):
  """Translates the film `source` into the film `output`, frame by frame; arguments as of `translate`.

  Args:
    output: a film, by its ending, or a folder.
    codec: of video.CODECS; '' for what the ending stands for.
    compare: whether the source stands on the left.
  """
  config = workdir.load_config()
  resize = resized(resize, config, '--resize')
  check_split(split, resize)
  target = _film(source, output, config)
  codec = video.codec_of(codec, target.name)
  trained = inference.load(workdir, step, dtype=dtype)
  function = trained.to_float(direction)
  own = trained.any_size(direction, (), PROGRAMS, split) if resize == 'keep' else None

  def made(frames):
    images = [frame if config.image_channels == 3 else _grey(frame) for frame in frames]
    if own:
      return [own(image) for image in images]
    return [to_uint8(image) for image in forward(function, images, config)]

  def shown(frames, count):
    return track(frames, 'translate', total=count or None)

  with video.silent(), Interruption() as asked:
    told = video.translate(
      paths.local(source, '--input'), target, made, codec, compare, shown, lambda: asked.requested
    )
  flicker = '' if math.isnan(told.flicker) else f'; flicker {told.flicker:.2f} (the source is 1)'
  kept = f', {" and ".join(told.copied)} kept' if told.copied else ''
  end = ', stopped before the end' if told.stopped else ''
  print(
    f'{told.frames} frames translated {direction} at step {trained.step}{end}: {target}{kept}{flicker}'
  )
  if told.damaged:
    times = ', '.join(f'{seconds:.2f} s' for seconds in told.damaged[:5])
    print(f'{len(told.damaged)} damaged places of the source were left out, at {times}')


def _film(source: str, output: str, config) -> Path:
  """Where the film goes: checked, and its folder made."""
  given = paths.local(source, '--input')
  if not given.is_file():
    raise UserError(f'--input={source}: there is no such film.')
  if not output:
    raise UserError('--output=<file>.mp4 is missing: where is the film to go?')
  target = paths.local(output, '--output')
  if not video.is_video(output):
    if target.suffix and not target.is_dir():
      raise UserError(f'--output={output}: a film ends in one of {", ".join(video.ENDINGS)}.')
    target = target / given.name
  if target.exists() and target.samefile(given):
    raise UserError(f'--output={output} is the input, which would be overwritten: name another one.')
  results.check_not_data(target.parent, config, f'--output={output}')
  results.make_folder(target.parent, output)
  return target


def _grey(frame: np.ndarray) -> np.ndarray:
  """uint8 [H, W, 3] -> [H, W, 1], as Pillow weighs colours."""
  return np.asarray(Image.fromarray(frame).convert('L'))[..., None]
