"""--mode=generate of a method that edits: an image under other labels, or under each of one attribute.

A method that can be asked for this has `edit(gan, images, labels)`, see core/method.py.
"""

import itertools
import math
from collections.abc import Callable

import numpy as np

from decoupled_gan import data
from decoupled_gan.core.images import to_uint8
from decoupled_gan.data import given, results
from decoupled_gan.data.label_files import number_of
from decoupled_gan.data.sources.labelled import sorted_attributes
from decoupled_gan.data.transforms import resize
from decoupled_gan.data.views import as_trained
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import paths
from decoupled_gan.modes.translate import unframed
from decoupled_gan.run import inference
from decoupled_gan.run.pictures import grid
from decoupled_gan.run.workdir import Workdir

MOST_GUESSES = 1000
Editor = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(images uint8 [N, S, S, C], labels int32 [N, K]) -> uint8 [N, S, S, C]."""


def edit(
  workdir: Workdir,
  source: str,
  asked: str,
  output: str,
  step: int | str | None = None,
  dtype: str = 'float32',
  difference: bool = False,
):
  """Writes the image `source`, edited, as the image file `output`.

  What is asked for is 'glasses=yes,beard=0', values by name or by number; one attribute without a
  value gives a strip of all its values. Attributes that are not named keep the image's own values:
  those whose combination rebuilds the image best, which are printed, since they are a guess.
  `difference` adds to the image, at its own size, what the labels change, and leaves the rest as it is.
  """
  if not output:
    raise UserError('--output=<file>.png is missing: where is the edited image to go?')
  path = paths.local(source, '--input')
  if not source or not path.is_file() or path.suffix.lower() == '.zip':
    raise UserError(f'--input={source!r} is not an image file.')
  config = workdir.load_config()
  attributes = sorted_attributes(config)
  wanted, strip = parse(asked, attributes)
  images = results.input_images(source, config)
  if results.format_of(output) is None or paths.get(output).is_dir():
    raise UserError(f'--output={output} is no image file: name one, such as new.png.')
  (file,) = results.destinations(images, source, output, '', config)
  image = data.test_images(as_trained(images, config), None, config)
  trained = inference.load(workdir, step, dtype=dtype)
  apply, decode = editor(trained), decoder(trained)
  if difference:
    check_difference(trained.run)
    (whole,), own = as_trained(images, config), own_labels(decode, image, {}, attributes)
    labels = replaced(own, wanted, attributes)

    def apply(_, labels):
      change = np.asarray(decode(image, labels)) - decode(image, own[None])
      return to_uint8(added(whole, unframed(change, [whole.shape[:2]], config)[0], config))[None]

  else:
    labels = own_labels(decode, image, wanted, attributes)
  results.make_folder(file.parent, output)
  named = [f'{a}={values[n]}' for (a, values), n in zip(attributes.items(), labels, strict=True)]
  print(f'step {trained.step}: {", ".join(named)}' + (f', and all of {strip}' if strip else ''))
  if strip:
    shown = whole[None] if difference else image
    result = np.asarray(grid({'input': shown} | _values(apply, image, labels, strip, attributes)))
  else:
    result = apply(image, labels[None])[0]
  results.write_image(result, file)
  print(f'written to {output}')


def parse(asked: str, attributes) -> tuple[dict[str, int], str]:
  """'hair=red,beard=0,mouth' -> ({'hair': 2, 'beard': 0}, 'mouth')."""
  wanted, strips = {}, []
  for part in filter(None, asked.split(',')):
    name, equals, value = (word.strip() for word in part.partition('='))
    if name not in attributes:
      raise UserError(f'--attributes: there is no attribute {name!r}; there are {listing(attributes)}.')
    if equals:
      wanted[name] = number_of(value, name, attributes[name], '--attributes: ')
    else:
      strips.append(name)
  if len(strips) > 1 or not (wanted or strips):
    raise UserError(
      '--attributes=<name>=<value>,... says what to change, or --attributes=<name> shows all values of '
      f'one attribute; found {asked!r}. The attributes are {listing(attributes)}.'
    )
  return wanted, ''.join(strips)


def editor(trained: inference.Trained) -> Editor:
  """The run's editor, compiled for each number of images that it meets."""
  forward = trained.compiled(trained.run.method.edit)
  return lambda images, labels: to_uint8(forward(images, labels))


def decoder(trained: inference.Trained) -> Callable:
  """f(images, labels) -> images in [-1, 1] by which an image's own labels are guessed."""
  return trained.compiled(trained.run.method.decode or trained.run.method.edit)


def check_difference(run):
  """Raises UserError where a run does not know what labels change, or sees a part of each image only."""
  if run.method.decode is None:
    raise UserError(f'a run of {run.config.method} makes images anew: leave difference out.')
  if run.config.data.fit == 'crop':
    raise UserError('data.fit=crop: this run sees a part of each image only. Leave difference out.')
  guesses = math.prod(len(values) for values in run.config.attributes.values())
  if guesses > MOST_GUESSES:
    raise UserError(
      f'what labels change depends on those that the image has, which are guessed; of {guesses:,} '
      'combinations that would take too long. Leave difference out.'
    )


def added(image: np.ndarray, change: np.ndarray, config) -> np.ndarray:
  """`image` [h, w, C], of any type that images have, and a change [H, W, C]: float32 in [-1, 1]."""
  image, change = given.unit(image), np.asarray(change, np.float32)
  if config.data.stretch:  # the change is of the image with its contrast stretched
    change = change * max(image.max() - image.min(), np.float32(1 / 255))
  return np.clip(image * 2 - 1 + resize(change, image.shape[:2]), -1, 1)


def own_labels(decode: Callable, image: np.ndarray, wanted, attributes) -> np.ndarray:
  """int32 [K]: the wanted values, and for the rest those that rebuild the image best.

  An image's own labels are not known, and decoding needs them all. `image` is uint8 [1, S, S, C],
  `decode` as of `decoder`.
  """
  guesses = list(itertools.product(*[range(len(values)) for values in attributes.values()]))
  if len(guesses) > MOST_GUESSES:
    open_ = [name for name in attributes if name not in wanted]
    if open_:
      raise UserError(
        f'--attributes: {listing(open_)} must be given as well; there are too many combinations '
        f'({len(guesses):,}) to find out which one the image has.'
      )
    return np.array([wanted[name] for name in attributes], np.int32)
  labels = np.array(guesses, np.int32)
  rebuilt = np.concatenate([to_uint8(decode(image, row[None])) for row in labels])
  errors = np.abs(rebuilt.astype(np.int16) - image).mean((1, 2, 3))
  return replaced(labels[errors.argmin()], wanted, attributes)


def replaced(labels: np.ndarray, wanted, attributes) -> np.ndarray:
  """Labels int32 [K] with the wanted values in place of theirs."""
  each = zip(attributes, labels, strict=True)
  return np.array([wanted.get(name, own) for name, own in each], np.int32)


def _values(apply: Editor, image, labels, strip: str, attributes) -> dict[str, np.ndarray]:
  """The image at each value of an attribute, by the value's name."""
  column, made = list(attributes).index(strip), {}
  for number, value in enumerate(attributes[strip]):
    changed = labels[None].copy()
    changed[:, column] = number
    made[value] = apply(image, changed)
  return made
