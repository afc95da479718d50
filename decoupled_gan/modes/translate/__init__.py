"""--mode=translate: images in, translated ones out, by a trained run; films: film.py."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from rich.progress import track

from decoupled_gan import data
from decoupled_gan.core.types import image_shape
from decoupled_gan.data import deep, given, results, transforms
from decoupled_gan.data.files import looks
from decoupled_gan.data.masks import masks_for
from decoupled_gan.data.results import BATCH, input_images
from decoupled_gan.data.views import as_trained
from decoupled_gan.errors import UserError, listing
from decoupled_gan.modes.translate import kept
from decoupled_gan.modes.translate.kept import Plan
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

RESIZE = ('square', 'keep')
AS_EVER = kept.Asked()
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
  asked: kept.Asked = AS_EVER,
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
    asked: what of the inputs comes back: depth, transparency, what a mask spares.
  """
  asked.check()
  config = workdir.load_config()
  resize = resized(resize, config, '--resize')
  check_split(split, resize)
  images = input_images(source, config)
  covers = masks_for(asked.mask, images) if asked.mask else [None] * len(images)
  others = [asked.mask] if asked.mask else []
  files = results.destinations(images, source, output, form, config, *others)
  plans = kept.plans(asked, images, files, covers)
  trained = inference.load(workdir, step, dtype=dtype)
  results.make_folder(files[0].parent, output)
  if resize == 'keep':
    count = translate_at_own_size(trained, direction, images, files, split, plans)
  else:
    count = translate_images(trained, direction, images, files, plans)
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


def forward(
  function: Callable, images: Sequence[np.ndarray], config, batch_size: int = BATCH
) -> list[np.ndarray]:
  """What a function of batches makes of `images`, brought to the size of training: in [-1, 1].

  Of data.fit = 'pad' the frame is cut off again. Images of 8 bits go by themselves, as training and
  evaluation bring them to the size, so that what one becomes does not depend on its neighbours.

  Args:
    function: of batches [N, H, W, C], uint8 or in [-1, 1].
    images: [h, w, C], uint8, or what `given.unit` takes.
  """
  own, made = list(as_trained(images, config)), [None] * len(images)
  for eight_bit in (True, False):
    which = [i for i, image in enumerate(own) if (image.dtype == np.uint8) == eight_bit]
    if not which:
      continue
    chosen = [own[i] for i in which]
    if eight_bit:
      batch = data.test_images(chosen, None, config)
    else:
      batch = np.stack([given.brought(image, config) for image in chosen])
    for i, image in zip(which, inference.batched(function, batch, batch_size), strict=True):
      made[i] = image
  return unframed(made, [image.shape[:2] for image in own], config)


def translate_images(trained, direction: str, images, files, plans: Sequence[Plan] = ()) -> int:
  """Writes translations of `images` at the size of training: how many. `plans` as of kept.plans."""
  config, function = trained.run.config, trained.to_float(direction)
  plans = plans or [Plan()] * len(images)

  def made(chosen):
    wholes = _read(images, chosen, config)
    found = forward(function, [whole.image for whole in wholes], config)
    return [
      kept.result(image, whole, plans[i], config, own_size=False)
      for image, whole, i in zip(found, wholes, chosen, strict=True)
    ]

  return _written(trained, images, files, made)


def translate_at_own_size(
  trained, direction: str, images, files, split: bool = False, plans: Sequence[Plan] = ()
) -> int:
  """Writes each image's translation at its own size: how many. Says first what is ahead."""
  config, heads = trained.run.config, looks(images.paths, floats=bool(images.values))
  sizes = [look.size for look in heads]
  function = trained.any_size(direction, sizes, PROGRAMS, split)
  print(told(function, sizes, np.float32 if all(look.deep for look in heads) else np.uint8))
  order = function.order()
  images, plans = images.some(order), [(plans or [Plan()] * len(images))[i] for i in order]

  def translated(whole, plan):
    image = whole.image if whole.image.dtype == np.uint8 else given.unit(whole.image) * 2 - 1
    return kept.result(function.to_float(image), whole, plan, config, own_size=True)

  def made(chosen):
    wholes = _read(images, chosen, config)
    return [translated(whole, plans[i]) for whole, i in zip(wholes, chosen, strict=True)]

  return _written(trained, images, [files[i] for i in order], made)


def _read(images, chosen: Sequence[int], config) -> list[deep.Whole]:
  paths = images.paths

  def read(i):
    return deep.read(paths[i], images.channels, paths[i], images.values)

  with ThreadPoolExecutor(max(1, config.data.num_threads)) as pool:
    return list(pool.map(read, chosen))


def _written(trained, images, files, made: Callable) -> int:
  steps = track(range(0, len(images), BATCH), 'translate')
  return results.translated(images, files, made, steps, trained.run.config.data.num_threads)


def told(function: inference.AnySize, sizes, dtype=np.uint8) -> str:
  """What is ahead: images, their sizes, how many programs are to be compiled, and their memory."""
  programs = function.programs
  height, width = programs[0]
  memory = function.memory(programs[0], dtype)
  each = f' of each of {function.devices} devices' if function.devices > 1 else ''
  needs = f', and takes {memory / 2**30:.2g} GiB{each} beside the networks' if memory else ''
  several = 'one program is' if len(programs) == 1 else f'{len(programs)} programs are'
  return (
    f'{len(sizes)} image(s) of {len(set(sizes))} size(s): {several} compiled; the largest is of '
    f'{width} x {height} px{needs}'
  )
