"""--mode=translate: images or a film in, translated ones out, by a trained run."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track

from decoupled_gan import data
from decoupled_gan.core.types import image_shape
from decoupled_gan.data import results, transforms, video
from decoupled_gan.data.files import looks
from decoupled_gan.data.results import BATCH, input_images
from decoupled_gan.data.views import as_trained
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import paths
from decoupled_gan.run import inference
from decoupled_gan.run.watch import Interruption
from decoupled_gan.run.workdir import Workdir

RESIZE = ('square', 'keep')
PROGRAMS = 8  # that are compiled for images of many sizes, at most


def translate(
  workdir: Workdir,
  source: str,
  output: str,
  direction: str,
  resize: str,
  step: int | None,
  form: str = '',
  dtype: str = 'float32',
  split: bool = False,
):
  """Translates the image or the folder `source` into the folder `output`, keeping names.

  Args:
    output: a folder, or a file of one image.
    direction: 'a_to_b' or 'b_to_a'.
    resize: 'square' brings each image to the size of training, by data.center_crop and data.fit (the
      protocol of the paper);
      'keep' translates it at its own size; '' is 'keep' for runs that trained on crops (data.fit), and
      'square' for others.
    step: the checkpoint, the latest if None.
    form: of results.FORMATS; '' for the inputs' own.
    dtype: float32, or bfloat16, which is faster and not the same.
    split: whether all devices share each image, at its own size.
  """
  config = workdir.load_config()
  resize = resized(resize, config, '--resize')
  check_split(split, resize)
  images = input_images(source, config)
  files = results.destinations(images, source, output, form, config)
  trained = inference.load(workdir, step, dtype=dtype)
  if resize == 'keep':
    count = translate_at_own_size(trained, direction, images, files, split)
  else:
    count = translate_images(trained, trained.translator(direction), images, files)
  print(f'{count} image(s) translated {direction} at step {trained.step}: {output}')
  if note := results.lossy_note(files):
    print(note)


def resized(resize: str, config, asked: str) -> str:
  """'square' or 'keep'; of '' the one that suits the run.

  Raises UserError for another word, which `asked` names, and for 'keep' where networks take one size.
  """
  resize = resize or ('keep' if config.data.fit == 'crop' else 'square')
  if resize not in RESIZE:
    raise UserError(f'{asked}={resize} is unknown; there are {listing(RESIZE)}.')
  if resize == 'keep' and config.model.get('full'):
    raise UserError(
      f'{asked}=keep: the full generator takes {config.image_size} px only; leave {asked} out.'
    )
  return resize


def check_split(split: bool, resize: str):
  """Raises UserError where images that are to be shared among devices have the size of training."""
  if split and resize != 'keep':
    raise UserError(
      '--split is for images that are too large for one device: at the size of training they are not. '
      'Add --resize=keep, or leave --split out.'
    )


def unframed(made, sizes: Sequence[tuple[int, int]], config) -> list[np.ndarray]:
  """Translations without the frames that data.fit = 'pad' put around images of these `sizes`.

  What is cropped (data.center_crop) has none: it has the sides of training already.
  """
  if config.data.fit != 'pad' or config.data.center_crop:
    return list(made)
  shape, found = image_shape(config), []
  for image, size in zip(made, sizes, strict=True):
    times = image.shape[0] // shape[0]  # of networks that make larger images
    found.append(transforms.unframed(image, tuple(times * n for n in transforms.inside(size, shape))))
  return found


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
  function = trained.translator(direction)
  own = trained.any_size(direction, (), PROGRAMS, split) if resize == 'keep' else None

  def made(frames):
    images = [frame if config.image_channels == 3 else _grey(frame) for frame in frames]
    if own:
      return [own(image) for image in images]
    given = data.test_images(as_trained(images, config), None, config)
    found = inference.batched(function, given, BATCH)
    return unframed(found, [image.shape[:2] for image in images], config)

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


def translate_images(trained, function, images, files) -> int:
  """Writes what `function`, a translator of `trained`, makes of `images`, at the size of training.

  Gives back how many. Of data.fit = 'pad' the frame is cut off again.
  """
  config = trained.run.config
  sizes, given = [look.size for look in looks(images.paths)], as_trained(images, config)

  def made(chosen):
    found = inference.batched(function, data.test_images(given, chosen, config), BATCH)
    return unframed(found, [sizes[i] for i in chosen], config)

  steps = track(range(0, len(images), BATCH), 'translate')
  return results.translated(images, files, made, steps, config.data.num_threads)


def translate_at_own_size(trained, direction: str, images, files, split: bool = False) -> int:
  """Writes each image's translation at its own size: how many. Says first what is ahead."""
  sizes = [look.size for look in looks(images.paths)]
  function = trained.any_size(direction, sizes, PROGRAMS, split)
  print(told(function, sizes))
  order = function.order()
  images = images.some(order)

  def made(chosen):
    return [function(images[i]) for i in chosen]

  steps = track(range(0, len(images), BATCH), 'translate')
  files = [files[i] for i in order]
  return results.translated(images, files, made, steps, trained.run.config.data.num_threads)


def told(function: inference.AnySize, sizes) -> str:
  """What is ahead: images, their sizes, how many programs are to be compiled, and their memory."""
  programs = function.programs
  height, width = programs[0]
  memory = function.memory(programs[0])
  each = f' of each of {function.devices} devices' if function.devices > 1 else ''
  needs = f', and takes {memory / 2**30:.2g} GiB{each} beside the networks' if memory else ''
  several = 'one program is' if len(programs) == 1 else f'{len(programs)} programs are'
  return (
    f'{len(sizes)} image(s) of {len(set(sizes))} size(s): {several} compiled; the largest is of '
    f'{width} x {height} px{needs}'
  )
