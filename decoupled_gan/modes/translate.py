"""--mode=translate: images in, translated images out, by a trained run."""

from rich.progress import track

from decoupled_gan import data
from decoupled_gan.core.types import image_shape
from decoupled_gan.data import results, transforms
from decoupled_gan.data.files import looks
from decoupled_gan.data.results import BATCH, input_images
from decoupled_gan.errors import UserError
from decoupled_gan.run import inference
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
):
  """Translates the image or the folder `source` into the folder `output`, keeping names.

  Args:
    output: a folder, or a file of one image.
    direction: 'a_to_b' or 'b_to_a'.
    resize: 'square' brings each image to the size of training, by data.fit (the protocol of the paper);
      'keep' translates it at its own size; '' is 'keep' for runs that trained on crops (data.fit), and
      'square' for others.
    step: the checkpoint, the latest if None.
    form: of results.FORMATS; '' for the inputs' own.
    dtype: float32, or bfloat16, which is faster and not the same.
  """
  config = workdir.load_config()
  resize = resize or ('keep' if config.data.fit == 'crop' else 'square')
  if resize not in RESIZE:
    raise UserError(f'--resize={resize} is unknown; there are square and keep.')
  images = input_images(source, config)
  files = results.destinations(images, source, output, form, config)
  trained = inference.load(workdir, step, dtype=dtype)
  if resize == 'keep' and config.model.get('full'):
    raise UserError(
      f'--resize=keep: the full generator of {workdir.path} takes {config.image_size} px only; '
      'leave --resize out.'
    )
  if resize == 'keep':
    count = translate_at_own_size(trained, direction, images, files)
  else:
    count = translate_images(trained, trained.translator(direction), images, files)
  print(f'{count} image(s) translated {direction} at step {trained.step}: {output}')
  if note := results.lossy_note(files):
    print(note)


def translate_images(trained, function, images, files) -> int:
  """Writes what `function`, a translator of `trained`, makes of `images`, at the size of training.

  Gives back how many. Of data.fit = 'pad' the frame is cut off again.
  """
  config = trained.run.config
  sizes = [look.size for look in looks(images.paths)] if config.data.fit == 'pad' else None

  def made(chosen):
    found = inference.batched(function, data.test_images(images, chosen, config), BATCH)
    if sizes is None:
      return found
    return [
      transforms.unframed(image, transforms.inside(sizes[i], image_shape(config)))
      for i, image in zip(chosen, found, strict=True)
    ]

  steps = track(range(0, len(images), BATCH), 'translate')
  return results.translated(images, files, made, steps, config.data.num_threads)


def translate_at_own_size(trained, direction: str, images, files) -> int:
  """Writes each image's translation at its own size: how many. Says first what is ahead."""
  sizes = [look.size for look in looks(images.paths)]
  function = trained.any_size(direction, sizes, PROGRAMS)
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
  needs = f', and takes {memory / 2**30:.2g} GiB beside the networks' if memory else ''
  several = 'one program is' if len(programs) == 1 else f'{len(programs)} programs are'
  return (
    f'{len(sizes)} image(s) of {len(set(sizes))} size(s): {several} compiled; the largest is of '
    f'{width} x {height} px{needs}'
  )
