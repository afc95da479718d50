"""--mode=train: from the workdir's last checkpoint, or from nothing, to `num_steps`."""

import signal
import sys
from collections.abc import Mapping

import jax
import numpy as np
from ml_collections import ConfigDict

from decoupled_gan import data, distributed, experiment, routing, sharding, state
from decoupled_gan.checkpoint import Checkpoints
from decoupled_gan.errors import RunError, UserError, listing
from decoupled_gan.report import Metrics, Progress, Silent, grid, save_image
from decoupled_gan.workdir import Workdir, flatten


def train(config: ConfigDict, workdir: Workdir) -> bool:
  """Trains to `config.num_steps`. SIGTERM or SIGINT saves a checkpoint and returns False.

  Of several processes all call it, the first one writes what is not a checkpoint, and a signal to
  any of them stops all.
  """
  main = distributed.main()
  with distributed.together():
    run = experiment.build(config)
    if main:
      workdir.create()
    changes = workdir.changes(config)
    dataset = data.load(config, run.method.BATCH)
  with (
    jax.set_mesh(run.mesh),
    Interruption() as interruption,
    Checkpoints(workdir.checkpoints, config.checkpoints_to_keep) as checkpoints,
    distributed.telling_losses(),
  ):
    _check_shared(distributed.gather(checkpoints.latest), workdir)
    fresh = checkpoints.latest is None
    current = run.create_state() if fresh else checkpoints.restore(run.abstract_state())
    if main:
      workdir.save_config(config)
      print(describe(run, current, dataset, workdir, changes), flush=True)
    if current.step >= config.num_steps:
      print(f'Nothing to do: {int(current.step)} steps of num_steps={config.num_steps} are done.')
      return True
    done = _loop(run, current, dataset, workdir, checkpoints, interruption)
  if done:
    print(f'Done: {config.num_steps} steps in {workdir.path}')
  return done


def _loop(run, current, dataset, workdir: Workdir, checkpoints, interruption) -> bool:
  """The steps from `current` on; False if a signal ended them before the last one."""
  config, start, main = run.config, int(current.step), distributed.main()
  with distributed.together():
    train_step, sampler = run.train_step(), Sampler(run, dataset, workdir)
    evaluator = _evaluator(run, dataset, workdir)
    metrics = Metrics(workdir.metrics_file, start) if main else Silent()
  health, vote = Health(config.nonfinite_patience), distributed.Vote(run.mesh)
  part = jax.process_index(), jax.process_count()
  batches = sharding.prefetch(run.mesh, data.train_batches(dataset, config, start, *part))
  shown = Progress(start, config.num_steps, config.batch_size) if main else Silent()
  with metrics, shown as progress:
    for step in range(start + 1, config.num_steps + 1):
      last = step == config.num_steps
      current, losses = train_step(current, next(batches), routing.active(run.phases, step - 1))
      health.check(step, losses)
      progress.advance(step)
      if last or step % config.log_every_steps == 0:
        values = {name: float(value) for name, value in losses.items()}
        metrics.write(step, values | progress.log(step, values))
      if last or step % config.sample_every_steps == 0:
        sampler.save(step, current)
      score = None
      if evaluator and (last or step % config.evaluate_every_steps == 0):
        with progress.paused():
          values, score = evaluator.evaluate(step, state.inference_variables(current))
        metrics.write(step, values)
      stop = vote(interruption.requested)
      due = last or score or step % config.checkpoint_every_steps == 0 or stop
      if due:
        metrics.flush()  # first: a run that goes on from the checkpoint must find its lines
      if due and health.good(current):
        checkpoints.save(step, current, config, score)
      if score and main:
        evaluator.draw(checkpoints.best)
      if stop and not last:
        checkpoints.wait()
        print(
          f'Stopped by {signal.Signals(stop).name} after step {step}; step {checkpoints.latest} is '
          'saved. Run the same command again to go on.',
          flush=True,
        )
        return False
  health.finish()
  return True


def _check_shared(latest: list[int | None], workdir: Workdir):
  """Raises UserError if the processes do not all see the same checkpoints."""
  if len(set(latest)) > 1:
    told = [f'process {i}: {"none" if x is None else f"step {x}"}' for i, x in enumerate(latest)]
    raise UserError(
      f'--workdir={workdir.path} is not the same folder for all processes; their latest checkpoints '
      f'are {listing(told)}. Name a folder that all of them share.'
    )


def _evaluator(run, dataset, workdir: Workdir):
  """None unless config.evaluate_every_steps says so: it imports what training does not need."""
  if not run.config.evaluate_every_steps:
    return None
  from decoupled_gan.evaluator import Evaluator

  return Evaluator(run, dataset, workdir)


def describe(run, current, dataset, workdir: Workdir, changes: Mapping) -> str:
  """The truth about a run, printed before it starts."""
  devices = jax.devices()
  lines = [
    f'workdir   {workdir.path}',
    f'devices   {len(devices)} x {devices[0].device_kind} ({jax.default_backend()}), '
    f'{jax.process_count()} process(es)',
    f'data      {dataset.describe()}',
    f'start     {"step " + str(int(current.step)) if int(current.step) else "from nothing"}',
    *(f'changed   {name}: {old!r} -> {new!r}' for name, (old, new) in changes.items()),
    *(f'group     {group}: {state.count(current.params[group]):,} parameters' for group in run.groups),
    '',
    routing.describe(run.phases, run.groups),
    '',
    *(f'{name} = {value!r}' for name, value in flatten(run.config).items()),
  ]
  return '\n'.join(lines)


class Sampler:
  """Writes the sample grid of fixed test examples."""

  def __init__(self, run, dataset, workdir: Workdir):
    config = run.config
    count = _divisible(config.sample_count, run.mesh.size)
    self._test = data.test_batch(dataset, count, config)
    self._aligned = dataset.aligned_test
    self._batch = sharding.shard_whole(run.mesh, self._test)
    self._sample = run.sample()
    self._workdir = workdir

  def save(self, step: int, current: state.TrainState):
    columns = self._sample(state.inference_variables(current), self._batch)
    if not distributed.main():
      return
    if self._aligned:
      columns['truth'] = self._test.swapped
    save_image(grid(columns), self._workdir.samples / f'{step:08d}.png')


def _divisible(count: int, devices: int) -> int:
  """The smallest multiple of `devices` that is at least `count`."""
  return -(-count // devices) * devices


class Health:
  """Watches the losses one step late, so that the device is never waited for."""

  def __init__(self, patience: int):
    self._patience, self._bad, self._pending = patience, 0, None
    self._finite = jax.jit(state.finite)

  def check(self, step: int, losses: Mapping[str, jax.Array]):
    """Raises RunError once losses were not finite for `patience` steps in a row."""
    pending, self._pending = self._pending, (step, losses)
    if pending is not None:
      self._examine(*pending)

  def good(self, current: state.TrainState) -> bool:
    """Whether `current` is worth keeping: its losses and all its parameters are finite."""
    self.finish()
    return not self._bad and bool(self._finite(current.params))

  def finish(self):
    """Examines the losses that were not yet."""
    pending, self._pending = self._pending, None
    if pending is not None:
      self._examine(*pending)

  def _examine(self, step: int, losses):
    bad = {name: float(x) for name, x in losses.items() if not np.isfinite(float(x))}
    self._bad = self._bad + 1 if bad else 0
    if self._bad >= self._patience:
      name, value = next(iter(bad.items()))
      phase, loss = name.split('/')
      raise RunError(
        f'The loss {loss!r} of the phase {phase!r} was {value} at step {step}, and losses were not '
        f'finite for {self._bad} steps in a row (nonfinite_patience). The last finite checkpoint '
        'is kept; try a smaller learning rate, or float32.'
      )


class Interruption:
  """While it is entered, SIGTERM and SIGINT are noted rather than obeyed; a second one is obeyed."""

  def __enter__(self):
    self.requested = 0  # the number of the signal, if there was one
    self._before = {s: signal.signal(s, self._note) for s in (signal.SIGTERM, signal.SIGINT)}
    return self

  def __exit__(self, *_):
    for number, handler in self._before.items():
      signal.signal(number, handler)

  def _note(self, number, frame):
    if self.requested:
      raise KeyboardInterrupt
    self.requested = number
    name = signal.Signals(number).name
    print(f'\n{name}: saving and leaving after this step.', file=sys.stderr, flush=True)
