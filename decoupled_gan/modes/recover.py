"""--mode=recover: does a generator remember its training images? See sampling/recovery.py."""

import json
from collections import OrderedDict

import jax
import numpy as np
from ml_collections import ConfigDict
from rich.progress import track

from decoupled_gan import data
from decoupled_gan.core.images import to_uint8
from decoupled_gan.core.types import image_shape
from decoupled_gan.errors import UserError
from decoupled_gan.machine import paths
from decoupled_gan.modes.project import labels_of
from decoupled_gan.run import inference
from decoupled_gan.run.pictures import for_the_eye, grid
from decoupled_gan.run.workdir import Workdir
from decoupled_gan.sampling import degradations, frozen, recovery

BATCH = 64  # examples that are searched at once
SHOWN = 8
LEAST = 8  # examples of each kind, for a test of their laws


def recover(
  workdir: Workdir, count: int, degrade: str = '', steps: int = 0, attributes: str = '',
  step: int | str | None = None, config: ConfigDict | None = None,
) -> recovery.Verdict:  # fmt: skip
  """Prints and keeps, in recovery.json, what errors of training, held-out and drawn examples say.

  Args:
    count: of each kind, evenly spread over the set.
    steps: of L-BFGS.
    config: as of evaluate_run.
  """
  run = inference.open_changed(workdir, config)
  run.require('draw')
  config = run.config
  if count < LEAST:
    raise UserError(f'--images={count}: at least {LEAST} of each kind make a test.')
  if config.vector_size and degrade:
    raise UserError('--degrade is of images, and this run makes points.')
  phi = degradations.parse(degrade, image_shape(config))
  row = labels_of(run, attributes)
  dataset = data.load(config, run.method.batch)
  examples = {name: _some(split.x, count, config) for name, split in
              (('train', dataset.train), ('test', dataset.test))}  # fmt: skip
  if np.array_equal(examples['train'], examples['test']):
    raise UserError(
      f'{dataset.name} has no held-out examples, those of training stand in: give it a folder test/ '
      'that was not trained on.'
    )
  trained = inference.restore(run, workdir, step)
  examples['drawn'] = _drawn(trained, count, row)
  found, errors = {}, {}
  function = trained.compiled(_searcher(run, phi, row, steps or recovery.STEPS))
  for name in track(examples, 'recover'):
    batch = min(BATCH, count)
    found[name], errors[name] = inference.batched(function, examples[name], batch)
  said = recovery.verdict(errors['train'], errors['test'])
  control = float(np.median(errors['drawn']))
  line = said._asdict() | {'drawn': control, 'images': count, 'step': trained.step, 'degrade': degrade}
  paths.write(workdir.path / 'recovery.json', json.dumps(line) + '\n')
  beside = _picture(workdir, examples, found) if not config.vector_size else 'points have no picture'
  print(
    f'step {trained.step}: median error of training examples {said.train:.3g}, held-out {said.test:.3g} '
    f"(gap {said.gap:.3f}, KS p {said.p:.2g}), of the generator's own {control:.3g}; {beside}"
  )
  if control > min(said.train, said.test):
    print("Its own examples are recovered no better than others: the search fails, and says nothing.")
  return said


def _searcher(run, phi, row, steps: int):
  """(gan, targets) -> (what is drawn, errors [B])."""

  def search(gan, targets):
    own = frozen.of(run.method, gan)
    labels = None if row is None else jax.numpy.asarray(row)[None]
    z, errors = recovery.recover(own, targets, jax.random.key(0), phi, labels, steps=steps)
    rows = None if row is None else jax.numpy.repeat(labels, len(z), 0)
    return own.draw(z, rows), errors

  return search


def _some(examples, count: int, config) -> np.ndarray:
  """`count` examples, evenly spread; raises UserError if there are fewer."""
  if len(examples) < count:
    raise UserError(f'--images={count}: a set has {len(examples)} examples only.')
  which = np.linspace(0, len(examples) - 1, count).astype(int)
  return data.test_examples(examples, which, config)


def _drawn(trained, count: int, row) -> np.ndarray:
  def draw(gan, seeds):
    labels = None if row is None else jax.numpy.repeat(jax.numpy.asarray(row)[None], count, 0)
    return frozen.of(trained.run.method, gan).of_seeds(seeds, labels)

  drawn = np.asarray(trained.compiled(draw)(np.arange(count, dtype=np.uint32)))
  return drawn if trained.run.config.vector_size else to_uint8(drawn)


def _picture(workdir: Workdir, examples: dict, found: dict) -> str:
  columns = OrderedDict()
  for name in examples:
    columns[name] = examples[name][:SHOWN]
    columns[f'{name}, found'] = to_uint8(found[name][:SHOWN])
  return for_the_eye(grid(columns), workdir.path / 'recovered.png')
