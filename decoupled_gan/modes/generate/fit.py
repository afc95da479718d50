"""What samplers have to know first: calibrations, and what learns against a generator that stays."""

from collections.abc import Iterator

import jax
import numpy as np
import optax
from rich.progress import track

from decoupled_gan import data
from decoupled_gan.core.images import to_float
from decoupled_gan.core.types import Examples
from decoupled_gan.run import inference
from decoupled_gan.sampling import calibration, collaborative, frozen, set_operations

HELD_OUT = 1000  # real examples, and fakes, by which outputs are calibrated, at most
BATCH = 64  # real examples of a step of learning, and fakes
TEACH_STEPS = 2000  # of the classifiers of S2M, at most
LOOK, PATIENCE = 50, 4


def measured(trained: inference.Trained, dataset, kind: str):
  """(calibration, outputs on held-out real examples [n], on as many fakes [n])."""
  run = trained.run
  real, labels = _held_out(run, dataset)

  def look(gan, real, seeds, labels):
    own = frozen.of(run.method, gan)
    return own.score(real, labels), own.score(own.of_seeds(seeds, labels, name=1), labels)

  on_real, on_fake = _looked(trained, look, real, labels)
  return calibration.fit(kind, on_real, on_fake), on_real, on_fake


def shape(trained: inference.Trained, dataset, asked) -> inference.Trained:
  """The run with a discriminator that learned on against its generator, which stays as it was.

  For collaborative sampling against refined examples, else against the generator's own.
  """
  run = trained.run
  how = {'steps': 0}
  if asked.sampler == 'collaborative':
    how = asked.given(steps='steps', rate='rate', layer='layer')

  def further(gan, discriminator, memory, examples, labels, seeds):
    own, keys = frozen.of(run.method, gan), frozen.keys_of(seeds, name=2)
    return collaborative.shaped(own, discriminator, memory, examples, labels, keys, **how)

  forward = trained.compiled(further)
  now = trained.variables['params']['discriminator']
  memory = collaborative.shaping().init(now)
  for batch, seeds in _lessons(trained, dataset, asked.shape_steps, 'shape'):
    labels = batch.labels if run.method.conditional else None
    now, memory, _ = forward(now, memory, batch.x, labels, seeds)
  params = {**trained.variables['params'], 'discriminator': now}
  return inference.Trained(run, {**trained.variables, 'params': params}, trained.step)


def taught(trained: inference.Trained, dataset, steps: int, wanted: set_operations.Wanted):
  """(the classifiers of S2M, their variables), which learn from the run's data and its fakes.

  What is kept was best on held-out examples, at every LOOK-th step; who has not become better for
  PATIENCE looks stops, at `steps` at the latest. Labels by chance are soon learnt by heart.
  """
  run = trained.run
  judges = set_operations.Judges(len(wanted.gammas))
  real, labels = _held_out(run, dataset)

  def further(gan, params, memory, examples, labels, seeds):
    own, conditional = frozen.of(run.method, gan), wanted.told is not None
    about = examples, labels, seeds, conditional
    return set_operations.taught(own, judges, params, memory, *about)

  def examined(gan, params, real, labels):
    fakes = frozen.of(run.method, gan).of_seeds(np.arange(len(real), dtype=np.uint32), labels, name=1)
    both = (judges.apply(params, x) for x in (real, fakes))
    return set_operations.error(*both, labels[:, 0], wanted.told is not None)

  best = params = judges.init(jax.random.key(run.config.seed), to_float(real[:1]))
  memory, least, since = optax.adam(set_operations.RATE).init(params), np.inf, 0
  further, examined = trained.compiled(further), trained.compiled(examined)
  for number, (batch, seeds) in enumerate(_lessons(trained, dataset, steps, 'classifiers'), 1):
    params, memory, _ = further(params, memory, batch.x, batch.labels, seeds)
    if number % LOOK == 0 or number == steps:
      error = float(examined(params, real, labels))
      since = 0 if error < least else since + 1
      best, least = (params, error) if error < least else (best, least)
      if since == PATIENCE:
        break
  return judges, best


def calibrated(trained: inference.Trained, dataset, judges, params, kind: str):
  """The calibration of D_v, by held-out examples."""
  run = trained.run
  real, labels = _held_out(run, dataset)

  def look(gan, real, seeds, labels):
    own = frozen.of(run.method, gan)
    return tuple(judges.apply(params, x).real for x in (real, own.of_seeds(seeds, labels, name=1)))

  return calibration.fit(kind, *_looked(trained, look, real, labels))


def _held_out(run, dataset):
  """(real test examples, at most HELD_OUT, their labels or None)."""
  test = dataset.test
  which = np.linspace(0, len(test.x) - 1, min(HELD_OUT, len(test.x))).astype(int)
  labelled = run.method.conditional and test.labels is not None
  return data.test_examples(test.x, which, run.config), test.labels[which] if labelled else None


def _looked(trained: inference.Trained, look, real, labels):
  """(outputs on the real examples [n], on as many fakes [n])."""
  forward, count = trained.compiled(look), len(real)
  inputs = real, np.arange(count, dtype=np.uint32), labels
  return inference.batched(lambda x: forward(*x), inputs, min(count, 250))


def _lessons(
  trained: inference.Trained, dataset, steps: int, name: str
) -> Iterator[tuple[Examples, np.ndarray]]:
  """(training batch, as many seeds of fakes) of each step."""
  config = trained.run.config.copy_and_resolve_references()
  config.batch_size = BATCH
  batches = data.train_batches(dataset, config)
  try:
    for number in track(range(steps), name):
      yield next(batches), np.arange(BATCH, dtype=np.uint32) + number * BATCH
  finally:
    batches.close()
