"""--mode=train: from the workdir's last checkpoint, or from nothing, to `num_steps`."""

import dataclasses
import signal
from collections.abc import Mapping

import jax
from ml_collections import ConfigDict

from decoupled_gan import data
from decoupled_gan.core import routing, state
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import distributed
from decoupled_gan.run import calls, events, experiment, members, start
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.metrics_file import Metrics
from decoupled_gan.run.progress import Progress, Silent
from decoupled_gan.run.sampler import Sampler
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
    if (steps := members.steps_done(current)) >= config.num_steps:
      print(f'Nothing to do: {steps} steps of num_steps={config.num_steps} are done.')
      return True
    done = _loop(run, current, dataset, workdir, checkpoints, interruption)
  if done:
    print(f'Done: {config.num_steps} steps in {workdir.path}')
  return done


def _loop(run, current, dataset, workdir: Workdir, checkpoints, interruption) -> bool:
  """The steps from `current` on; False if a signal ended them before the last one."""
  config, first, main = run.config, members.steps_done(current), distributed.main()
  with distributed.together():
    call, sampler = calls.Calls(run), Sampler(run, dataset, workdir)
    evaluator = _evaluator(run, dataset, workdir)
    metrics = Metrics(workdir.metrics_file, first) if main else Silent()
  health, vote = Health(config.nonfinite_patience), distributed.Vote(run.mesh)
  feed = events.Feed(run, dataset, calls.spans(run, first, config.num_steps))
  shown = Progress(first, config.num_steps, config.batch_size) if main else Silent()
  with metrics, shown as progress:
    for begin, count in calls.spans(run, first, config.num_steps):
      step = begin + count  # done, when the call is
      last = step == config.num_steps
      current, batch = feed(current, begin)
      current, found = call(current, batch, begin, count)
      for number, losses in enumerate(found, begin + 1):
        health.check(number, losses)
        if number == config.num_steps or number % config.log_every_steps == 0:
          values = members.named(losses, config.seeds, config.seed)
          metrics.write(number, values | progress.log(number, values))
      progress.advance(step)
      if last or step % config.sample_every_steps == 0:
        sampler.save(step, current)
      score = None
      if evaluator and (last or step % config.evaluate_every_steps == 0):
        with progress.paused():
          values, score = evaluator.evaluate(step, current)
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
  devices, steps = jax.devices(), members.steps_done(current)
  lines = [
    f'workdir   {workdir.path}',
    f'devices   {len(devices)} x {devices[0].device_kind} ({jax.default_backend()}), '
    f'{jax.process_count()} process(es)',
    f'data      {dataset.describe()}',
    f'start     {f"step {steps}" if steps else "from nothing"}',
    *(f'changed   {name}: {old!r} -> {new!r}' for name, (old, new) in changes.items()),
    *(f'group     {group}: {count:,} parameters' for group, count in _counts(run, current).items()),
    '',
    routing.describe(run.phases, run.groups, run.offered, run.config.num_steps - 1),
    '',
    *(f'{name} = {value!r}' for name, value in flatten(run.config).items()),
  ]
  return '\n'.join(lines)


def _counts(run, current: state.TrainState) -> dict[str, int]:
  """{group: its number of parameters}, of one member."""
  return {g: state.count(current.params[g]) // run.config.seeds for g in run.groups}
