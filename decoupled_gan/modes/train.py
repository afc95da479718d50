"""--mode=train: from the workdir's last checkpoint, or from nothing, to `num_steps`."""

import dataclasses
import signal
from collections.abc import Mapping

import jax
from ml_collections import ConfigDict

from decoupled_gan import data
from decoupled_gan.core import routing, state
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import distributed, sharding
from decoupled_gan.run import events, experiment, start
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.metrics_file import Metrics
from decoupled_gan.run.pictures import grid, save_image
from decoupled_gan.run.progress import Progress, Silent
from decoupled_gan.run.watch import Health, Interruption
from decoupled_gan.run.workdir import Workdir, flatten


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
    dataset = data.load(config, run.method.batch)
    run = dataclasses.replace(run, memory=events.memory(run, dataset))
  with (
    jax.set_mesh(run.mesh),
    Interruption() as interruption,
    Checkpoints(workdir.checkpoints, config.checkpoints_to_keep) as checkpoints,
    distributed.telling_losses(),
  ):
    _check_shared(distributed.gather(checkpoints.latest), workdir)
    fresh = checkpoints.latest is None
    if fresh:
      current = start.begin(run, run.create_state())
    else:
      current = checkpoints.restore(run.abstract_state())
      dataset = events.recall(run, current, dataset)
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
  config, first, main = run.config, int(current.step), distributed.main()
  with distributed.together():
    train_step, sampler = run.train_step(), Sampler(run, dataset, workdir)
    evaluator = _evaluator(run, dataset, workdir)
    metrics = Metrics(workdir.metrics_file, first) if main else Silent()
  health, vote = Health(config.nonfinite_patience), distributed.Vote(run.mesh)
  feed = events.Feed(run, dataset)
  shown = Progress(first, config.num_steps, config.batch_size) if main else Silent()
  with metrics, shown as progress:
    for step in range(first + 1, config.num_steps + 1):
      last = step == config.num_steps
      current, batch = feed(current, step - 1)
      current, losses = train_step(current, batch, routing.active(run.phases, step - 1))
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
  from decoupled_gan.evaluation.evaluator import Evaluator

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
    routing.describe(run.phases, run.groups, run.offered, run.config.num_steps - 1),
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
    self._sample = run.sampler()
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
