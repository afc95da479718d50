"""--mode=project: the latents by which a generator draws given images, and what it then draws.

A run with noise images (StyleGAN2 and its kin, imported official networks too) gets its projector,
sampling/projector.py; any other one that draws is searched in its latents, sampling/multicode.py.
"""

import io
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.progress import Progress

from decoupled_gan import data
from decoupled_gan.core.images import to_float, to_uint8
from decoupled_gan.core.types import image_shape
from decoupled_gan.data import results
from decoupled_gan.data.views import as_trained
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import paths
from decoupled_gan.modes.generate import edit
from decoupled_gan.run import inference
from decoupled_gan.run.pictures import for_the_eye, grid
from decoupled_gan.run.workdir import Workdir
from decoupled_gan.sampling import degradations, distances, frozen, multicode, projector, search

BATCH = 4  # images that are searched at once
GRID_ROWS = 16


@dataclass(frozen=True)
class Asked:
  """What the flags say; `steps` 0: as many as the search has of its own."""

  distance: str = ''
  degrade: str = ''
  layer: str = ''
  codes: int = 1
  steps: int = 0
  attributes: str = ''


def project(
  workdir: Workdir, source: str, output: str, asked: Asked, step: int | str | None = None, form: str = ''
):
  """Writes what is drawn for each image of `source`, and beside it the latents as <name>.npz.

  An image whose latents lie there already, found by the same flags, is left as it is: a call that was
  stopped goes on. The comparison lies in the workdir, as projected.png.

  Args:
    output, form: as of translate.
  """
  run = inference.open_run(workdir)
  run.require('draw')
  config = run.config
  if config.vector_size:
    raise UserError(f'{workdir.path} makes points, and --mode=project looks for images.')
  phi = degradations.parse(asked.degrade, image_shape(config))
  found = results.input_images(source, config)
  others = degradations.read_by(asked.degrade)
  files = results.destinations(found, source, output, form, config, *others)
  trained = inference.restore(run, workdir, step)
  seeker = seeker_of(trained, asked, phi)
  results.make_folder(files[0].parent, output)
  images = as_trained(found, config)
  settings = f'{asked} step={trained.step}'
  todo = [i for i, file in enumerate(files) if not _is_done(file, settings)]
  shown = []
  with Progress() as progress:
    bar = progress.add_task('project', total=-(-len(todo) // BATCH) * seeker.steps)
    for start in range(0, len(todo), BATCH):
      chosen = todo[start : start + BATCH]
      given = data.test_images(images, chosen, config)
      made, latents, losses = seeker.search(given, chosen, partial(progress.update, bar))
      if asked.degrade == 'grey':
        made = np.asarray(degradations.coloured(to_float(given), jnp.asarray(made)))
      results.write_all(to_uint8(made), [files[i] for i in chosen])
      for row, i in enumerate(chosen):
        _keep(files[i], jax.tree.map(lambda x, row=row: x[row], latents), losses[row], settings)
      if len(shown) * BATCH < GRID_ROWS:
        shown.append((given, to_uint8(made), losses))
  _tell(workdir, output, trained.step, len(files) - len(todo), shown)


@dataclass(frozen=True)
class Seeker:
  """A search that is ready for images.

  Attributes:
    steps: of each search.
    begin: (keys [B]) -> Search.
    further: (search, targets, keys, number of steps) -> Search.
    finish: (variables, targets) -> (images, losses [B]).
    restarts: searches for each image, of which the best is kept.
    latents: variables -> {name: [B, ...]} as they are written.
  """

  steps: int
  begin: Callable
  further: Callable
  finish: Callable
  latents: Callable
  restarts: int = 1

  def search(self, given: np.ndarray, numbers, told: Callable):
    """(images float, latents, losses) for images uint8 [n, ...]; `told` gets completed=."""
    rows = np.minimum(np.arange(BATCH), len(given) - 1)
    targets = np.concatenate([given[rows]] * self.restarts)
    seeds = np.concatenate([np.asarray(numbers)[rows] + r * 2**20 for r in range(self.restarts)])
    seeds = seeds.astype(np.uint32)
    done = 0

    def tell(step):
      nonlocal done
      told(advance=step - done)
      done = step

    def further(state, number):
      return self.further(state, targets, seeds, number)

    state = search.run(self.begin(seeds), further, self.steps, tell)
    images, losses = self.finish(state.variables, targets)
    apart = jax.tree.map(
      lambda x: x.reshape(self.restarts, BATCH, *x.shape[1:]), (losses, images, state.variables)
    )
    losses, images, variables = search.best(*apart)
    found = images, self.latents(variables), losses
    return jax.tree.map(lambda x: np.asarray(x)[: len(given)], found)


def seeker_of(trained: inference.Trained, asked: Asked, phi: Callable) -> Seeker:
  """The search that fits a run and what is asked; raises UserError where they do not fit."""
  config = trained.run.config
  named = distances.named(asked.distance, min(image_shape(config)))

  def distance(x, targets):
    return named(phi(x), phi(targets))

  if 'noise' in trained.variables and not asked.layer:
    if asked.codes != 1:
      raise UserError('--codes: several codes meet at a layer, and the projector has one style w.')
    return _of_styles(trained, asked, distance)
  return _of_latents(trained, asked, distance)


def _of_styles(trained: inference.Trained, asked: Asked, distance: Callable) -> Seeker:
  method, steps = trained.run.method, asked.steps or projector.STEPS
  style = trained.compiled(method.style, 1.0)
  average, spread = projector.statistics(style, trained.run.gan.z_dim)
  layers = trained.run.gan.pyramid.num_ws

  def begin(gan, seeds):
    return projector.begin(frozen.of(method, gan), average, frozen.keys_of(seeds), steps)

  def further(gan, state, targets, seeds, spread, number):
    keys = frozen.keys_of(seeds)
    own = frozen.of(method, gan)
    return projector.advance(own, state, targets, keys, spread, distance, number, steps)

  def finish(gan, variables, targets):
    images = projector.paint(frozen.of(method, gan), variables['w'], variables['noise'])
    return images, distance(projector.compared(images), projector.compared(targets))

  def latents(variables):
    w = jnp.repeat(variables['w'][:, None, None], layers, 2)  # [B, 1, num_ws, w_dim], as the official
    return {'w': w, **_flat(variables['noise'], 'noise')}

  compiled = _in_chunks(trained, further)
  return Seeker(
    steps, trained.compiled(begin),
    lambda state, targets, seeds, number: compiled(number)(state, targets, seeds, spread),
    trained.compiled(finish), latents,
  )  # fmt: skip


def _of_latents(trained: inference.Trained, asked: Asked, distance: Callable) -> Seeker:
  run, steps, layer = trained.run, asked.steps or multicode.STEPS, asked.layer
  if layer:
    run.require('cut')
    if layer not in (stages := run.gan.generator.stages()):
      raise UserError(f'--layer={layer}: there is no such stage; there are {listing(stages, 40)}.')
  elif asked.codes != 1:
    raise UserError('--codes: several codes meet at a layer; name it by --layer.')
  if asked.codes < 1:
    raise UserError(f'--codes={asked.codes} must be at least 1.')
  row = labels_of(run, asked.attributes)

  def told(count):
    return None if row is None else jnp.repeat(row[None], count, 0)

  def begin(gan, seeds):
    own, keys = frozen.of(run.method, gan), frozen.keys_of(seeds)
    return multicode.begin(own, keys, told(len(seeds)), layer, asked.codes, steps)

  def further(gan, state, targets, seeds, number):
    own, labels = frozen.of(run.method, gan), told(len(targets))
    return multicode.advance(own, state, targets, labels, distance, number, steps, layer)

  def finish(gan, variables, targets):
    images = multicode.paint(frozen.of(run.method, gan), variables, told(len(targets)), layer)
    return images, distance(images, targets)

  compiled = _in_chunks(trained, further)
  return Seeker(
    steps, trained.compiled(begin),
    lambda state, targets, seeds, number: compiled(number)(state, targets, seeds),
    trained.compiled(finish), dict, 1 if layer else multicode.RESTARTS,
  )  # fmt: skip


def labels_of(run, attributes: str) -> np.ndarray | None:
  """int32 [K]: the labels under which a run draws; None if it has none.

  Raises UserError where they are not given, or given to a run without any.
  """
  config = run.config
  if not (run.method.conditional and len(config.attributes)):
    if attributes:
      raise UserError('--attributes: this run does not draw under labels.')
    return None
  known = {name: tuple(values) for name, values in config.attributes.items()}
  if quantities := [name for name, values in known.items() if not values]:
    raise UserError(
      f'This run draws under quantities ({listing(quantities)}), and a search knows classes only: it is '
      'for runs whose attributes have values, or that have none.'
    )
  given, strip = edit.parse(attributes, known) if attributes else ({}, '')
  if strip or set(given) != set(known):
    example = ','.join(f'{name}={values[0]}' for name, values in sorted(known.items()))
    raise UserError(f'This run draws under labels: give all of them, as in --attributes={example}.')
  return np.array([given[name] for name in sorted(known)], np.int32)


def _in_chunks(trained: inference.Trained, further: Callable) -> Callable:
  """number of steps -> the compiled function; each number is compiled once."""
  made = {}

  def compiled(number: int):
    if number not in made:
      made[number] = trained.compiled(further, number)
    return made[number]

  return compiled


def _flat(tree, prefix: str) -> dict[str, jax.Array]:
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  return {'/'.join([prefix, *(entry.key for entry in path)]): x for path, x in leaves}


def _keep(file: Path, latents: dict, loss: float, settings: str):
  buffer = io.BytesIO()
  np.savez(buffer, loss=loss, settings=np.array(settings), **latents)
  paths.write(file.with_suffix('.npz'), buffer.getvalue())


def _is_done(file: Path, settings: str) -> bool:
  """Whether an image was searched by these flags already."""
  kept = file.with_suffix('.npz')
  if not (file.exists() and kept.exists()):
    return False
  try:
    with np.load(kept) as arrays:
      return str(arrays['settings']) == settings
  except (OSError, ValueError, KeyError):
    return False


def _tell(workdir: Workdir, output: str, step: int, there: int, shown: list):
  if there:
    print(f'{there} image(s) were found by the same flags before, and stay as they are.')
  if not shown:
    return
  given, made, losses = (np.concatenate(x) for x in zip(*shown, strict=True))
  columns = OrderedDict(given=given[:GRID_ROWS], projected=made[:GRID_ROWS])
  beside = for_the_eye(grid(columns), workdir.path / 'projected.png')
  error = np.square(given.astype(float) - made).mean((1, 2, 3))
  psnr = 10 * np.log10(255**2 / np.maximum(error, 1e-9))
  print(
    f'projected by step {step}: {output}; distance {np.mean(losses):.4g}, PSNR {psnr.mean():.2f} dB '
    f'(of the first {len(given)}); {beside}'
  )
