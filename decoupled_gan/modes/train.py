"""--mode=train: from the workdir's last checkpoint, or from nothing, to `num_steps`."""

import contextlib
import dataclasses
import signal
from collections.abc import Callable, Mapping

import jax
from ml_collections import ConfigDict

from decoupled_gan import data
from decoupled_gan.core import routing, state
from decoupled_gan.data.results import check_not_data
from decoupled_gan.errors import Diverged, LostProcess, RunError, UserError, listing
from decoupled_gan.machine import distributed, sharding
from decoupled_gan.report.diary import Closed, Diary
from decoupled_gan.run import calls, events, experiment, members, start, trackers
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.metrics_file import Metrics
from decoupled_gan.run.progress import Progress, Silent
from decoupled_gan.run.sampler import Sampler
from decoupled_gan.run.trackers import Following
from decoupled_gan.run.watch import Health, Interruption, kept
from decoupled_gan.run.workdir import Workdir, flatten

BROKEN = 255  # what a process votes that cannot go on: more than any signal


def train(config: ConfigDict, workdir: Workdir, on_sample: Callable | None = None) -> bool:
  """Trains to `config.num_steps`. A signal that politely ends a process saves, and returns False.

  Of several processes all call it, the first one writes what is not a checkpoint, and a signal to
  any of them stops all.

  Args:
    on_sample: (step, path), called in the first process when a sample grid was written.
  """
  main = distributed.main()
  with contextlib.ExitStack() as until_done:
    with distributed.together():
      config = events.settled(config)
      run = experiment.build(config)
      check_not_data(workdir.path, config, f'--workdir={workdir.path}')
      if main:
        workdir.create()
        until_done.enter_context(workdir.only_writer())
        trackers.check(config.trackers)
      changes = workdir.changes(config, trained=workdir.has_checkpoint)
      dataset = data.load(config, run.method.batch)
      run = dataclasses.replace(run, memory=events.memory(run, dataset))
    until_done.enter_context(jax.set_mesh(run.mesh))
    interruption = until_done.enter_context(Interruption())
    checkpoints = until_done.enter_context(Checkpoints(workdir.checkpoints, config.checkpoints_to_keep))
    until_done.enter_context(distributed.telling_losses())
    _check_shared(distributed.gather(checkpoints.latest), workdir)
    fresh = checkpoints.latest is None
    if fresh:
      current = start.begin(run, run.create_state())
    else:
      current = checkpoints.restore(run.abstract_state())
    if main:
      print(describe(run, current, dataset, workdir, changes), flush=True)
    if (steps := members.steps_done(current)) >= config.num_steps:
      print(f'Nothing to do: {steps} steps of num_steps={config.num_steps} are done.')
      return True
    record = Record(workdir, config, fresh, bool(changes))
    counts = _counts(run, current)
    diary = Diary(run, dataset, workdir, steps, counts, changes) if main else Closed()
    with diary:
      done = _loop(
        run, current, dataset, workdir, checkpoints, interruption, record, diary, on_sample
      )
      diary.how = 'done' if done else 'stopped'
  if done:
    print(f'Done: {config.num_steps} steps in {workdir.path}')
  return done


class Record:
  """config.json: it says what the checkpoints beside it were trained with.

  A run that begins has it at once. One that goes on with other fields writes it after its first
  checkpoint: until then, and if there is never one, the old file is the truth.
  """

  def __init__(self, workdir: Workdir, config: ConfigDict, fresh: bool, changed: bool):
    self._workdir, self._config, self._fresh = workdir, config, fresh
    self._due = fresh or changed or not workdir.config_file.exists()

  def begin(self):
    """To be called once nothing can be found wrong any more, before the first step."""
    if self._fresh:
      self._write()

  def saved(self, checkpoints: Checkpoints):
    """To be called after each checkpoint, by all processes."""
    if self._due:
      checkpoints.wait()
      self._write()

  def _write(self):
    self._due = False
    if distributed.main():
      self._workdir.save_config(self._config)


def _loop(
  run, current, dataset, workdir, checkpoints, interruption, record: Record, diary, on_sample
) -> bool:
  """The steps from `current` on; False if a signal ended them before the last one."""
  config, first, main = run.config, members.steps_done(current), distributed.main()
  with distributed.together():
    call, sampler = calls.Calls(run), Sampler(run, dataset, workdir)
    evaluator = _evaluator(run, dataset, workdir)
    record.begin()
    diary.begin()
    followed = Following(config.trackers, flatten(config), diary.run_id, resume=first > 0)
    metrics = Metrics(workdir.metrics_file, first, followed) if main else Silent()
  health, vote = _health(run, checkpoints), distributed.Vote(run.mesh)
  # what events made of the data is for training only: what watches sees it as a run that begins does
  recalled = events.recall(run, current, dataset) if first else dataset
  feed = events.Feed(run, recalled, calls.spans(run, first, config.num_steps))
  shown = Progress(first, config.num_steps, config.batch_size) if main else Silent()
  with metrics, shown as progress:
    look = Looks(config, sampler, evaluator, metrics, progress, diary, on_sample)
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
      score = look(step, current)
      failure = look.failure or feed.error
      stop = vote(BROKEN if failure else interruption.requested)
      if last or score or step % config.checkpoint_every_steps == 0 or stop:
        metrics.flush()  # first: a run that goes on from the checkpoint must find its lines
        if health.good(current):
          checkpoints.save(step, current, config, score)
          record.saved(checkpoints)
      if score and main:
        evaluator.draw(checkpoints.best)
      if stop == BROKEN or (failure and last):
        checkpoints.wait()
        raise _broken(failure, step, checkpoints.latest)
      if stop and not last:
        checkpoints.wait()
        print(
          f'Stopped by {signal.Signals(stop).name} after step {step}; {_saved(checkpoints.latest)}. Run '
          'the same command again to go on.',
          flush=True,
        )
        return False
  health.finish()
  checkpoints.wait()
  _check_end(health, checkpoints.latest, config, workdir)
  return True


@dataclasses.dataclass
class Looks:
  """The looks at a run on its way, at their steps: grids of samples, and scores.

  What goes wrong in one (a full disk, a metric that cannot be had) is kept as `failure`, the first of
  all: the run is saved before it ends.
  """

  config: ConfigDict
  sampler: Sampler
  evaluator: object | None
  metrics: Metrics | Silent
  progress: Progress | Silent
  diary: Diary | Closed
  on_sample: Callable | None
  failure: Exception | None = None

  def __call__(self, step: int, current):
    """The score by which checkpoints are kept, where this step has one."""
    last, score = step == self.config.num_steps, None
    try:
      if last or step % self.config.sample_every_steps == 0:
        made = self.sampler.save(step, current, self.metrics.image)
        self.diary.sampled()
        if self.on_sample and distributed.main():
          self.on_sample(step, made)
      if self.evaluator and (last or step % self.config.evaluate_every_steps == 0):
        with self.progress.paused():
          values, score = self.evaluator.evaluate(step, current)
        self.metrics.write(step, values)
    except LostProcess:
      raise
    except (UserError, RunError) as error:
      self.failure = self.failure or error
    return score


def _check_end(health: Health, latest: int | None, config: ConfigDict, workdir: Workdir):
  """Raises Diverged unless the last step is saved, and that of every seed is finite."""
  if latest != config.num_steps:
    raise Diverged(
      f'The losses or parameters of the last steps were not finite. {kept(latest)}; try '
      f'{_advice(config)}.'
    )
  if health.lost:
    raise Diverged(
      f'The parameters of seed {listing(health.lost)} are not finite; those of the other seeds are, in '
      f'the checkpoint of step {config.num_steps}: take one out by --mode=export --format=run '
      f'--workdir={workdir.path} --member=<number>, or try {_advice(config)}.'
    )


def _health(run, checkpoints: Checkpoints) -> Health:
  config, several = run.config, run.config.seeds > 1
  finite = jax.vmap(state.finite) if several else state.finite
  finite = sharding.jit(finite, out_shardings=sharding.replicated(run.mesh))
  told = _advice(config), finite, members.seeds(config)
  return Health(config.nonfinite_patience, lambda: checkpoints.latest, *told)


def _advice(config: ConfigDict) -> str:
  half = config.compute_dtype != 'float32'
  return 'a smaller learning rate' + (', or compute_dtype=float32' if half else '')


def _saved(step: int | None) -> str:
  return 'nothing is saved yet' if step is None else f'step {step} is saved'


def _broken(failure: Exception | None, step: int, latest: int | None) -> RunError:
  """What is told when a run ends after `step` because of something that went wrong in it."""
  reason = failure or 'Another process of this run could not go on, and its own log tells why'
  return RunError(
    f'{str(reason).rstrip(".")}. The run stops after step {step}; {_saved(latest)}, and the same '
    'command goes on from there.'
  )


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
  begins = f'with networks of {run.config.start.workdir}' if run.config.start.workdir else 'from nothing'
  lines = [
    f'workdir   {workdir.path}',
    f'devices   {len(devices)} x {devices[0].device_kind} ({jax.default_backend()}), '
    f'{jax.process_count()} process(es)',
    f'data      {dataset.describe()}',
    f'start     {f"step {steps}" if steps else begins}',
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
