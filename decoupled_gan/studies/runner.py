"""Runs as processes: each is `train --workdir=<run>` of a config that lies in the workdir already.

Processes and not threads, so that a crash, memory that runs out or NaN of one run does not end the
others. A study that was killed goes on by the same command: runs that are finished are not started,
the others go on from their own checkpoints, to the bit. Several processes and machines may share one
study's folder: a run that another one trains is locked, and is looked at again later.
"""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import decoupled_gan
from decoupled_gan.errors import Diverged, RunError, UserError
from decoupled_gan.machine import paths
from decoupled_gan.run.workdir import Workdir

PAUSE_SECONDS = 0.1  # between looks at processes
BUSY_SECONDS = 5  # between looks at runs that others train
LINES_OF_LOG = 3


@dataclasses.dataclass(frozen=True)
class Job:
  """A run to be trained.

  Attributes:
    where: its workdir.
    prepare: of nothing, writes what the process finds there.
    finished: of nothing, whether somebody has trained it meanwhile.
    note: (seconds, exit code), called when its process has ended.
  """

  where: Path
  prepare: Callable[[], None]
  finished: Callable[[], bool]
  note: Callable[[float, int], None]


def command(where: Path) -> list[str]:
  """What trains, or goes on training, the run in a workdir."""
  return [sys.executable, '-m', 'decoupled_gan', 'train', f'--workdir={where}']


def work(
  jobs: Sequence[Job],
  workers: int = 1,
  stop: Callable[[], bool] = lambda: False,
  tell: Callable[[str], None] = print,
  command: Callable[[Path], list[str]] = command,
) -> bool:
  """Trains all jobs, `workers` at a time; False if `stop` ended it before.

  Raises UserError at once where a run refuses its config, as the others would; and RunError, when all
  others are trained, for those that ended otherwise than they should.
  """
  waiting, running, done, failed = deque(jobs), {}, 0, []
  try:
    while (waiting or running) and not stop():
      busy = 0
      while waiting and len(running) < workers and busy < len(waiting):
        job = waiting.popleft()
        if job.finished():
          done += 1
        elif (process := _begin(job, command)) is None:
          waiting.append(job)
          busy += 1
        else:
          running[process] = job, time.monotonic()
      time.sleep(BUSY_SECONDS if busy and not running else PAUSE_SECONDS)
      for process in [p for p in running if p.poll() is not None]:
        job, start = running.pop(process)
        job.note(time.monotonic() - start, process.returncode)
        if stop():
          waiting.append(job)
          continue
        try:
          ended = _judge(job, process.returncode)
        except RunError as error:
          failed.append(str(error))
          ended = True
        if ended:
          done += 1
          tell(f'{done}/{len(jobs)}  {job.where}  {time.monotonic() - start:.0f} s')
        else:
          waiting.append(job)
  finally:
    for process in running:
      process.terminate()  # each saves, and goes on from there the next time
    for process in running:
      process.wait()
  if failed:
    raise RunError(f'{len(failed)} of {len(jobs)} runs failed, the others are trained. {failed[0]}')
  return not waiting and not running


def _begin(job: Job, command: Callable[[Path], list[str]]) -> subprocess.Popen | None:
  """The process of a run; None if another one has it."""
  workdir = Workdir(job.where)
  workdir.create()
  try:
    with workdir.only_writer():
      job.prepare()
  except UserError:
    return None
  home = str(Path(decoupled_gan.__file__).parents[1])
  given = os.environ.get('PYTHONPATH')
  environment = os.environ | {'PYTHONPATH': os.pathsep.join(filter(None, (home, given)))}
  with (job.where / 'log.txt').open('a', encoding='utf-8') as log:
    # In a session of its own: Ctrl-C in the terminal would reach it as well, and what `work` sends then
    # would be its second signal, at which a run leaves without saving (run/watch.py).
    return subprocess.Popen(
      command(job.where), stdout=log, stderr=log, env=environment, start_new_session=True
    )


def _judge(job: Job, code: int) -> bool:
  """Whether a run has come to its end; False if another process has it. Raises otherwise."""
  said = _last_words(job.where)
  if code == Diverged.code:
    step = Workdir(job.where).checkpoints
    steps = [int(x.name) for x in step.iterdir() if x.name.isdecimal()] if step.exists() else []
    note = {'step': max(steps, default=0), 'told': said}
    paths.write(job.where / 'diverged.json', json.dumps(note) + '\n')
    return True
  if code == 0 and job.finished():
    return True
  if code == 2 and 'is in use by another process' in said:
    return False
  told = f'The run {job.where} ended with code {code}: {said or "it said nothing"}'
  if code == 2:
    raise UserError(told)
  raise RunError(f'{told.rstrip(".")}. Its log.txt has all; the same command goes on from there.')


def _last_words(where: Path) -> str:
  lines = (where / 'log.txt').read_text(encoding='utf-8', errors='replace').splitlines()
  errors = [line for line in lines[-50:] if line.startswith('error: ')]
  return ' '.join((errors or lines)[-1:] if errors else lines[-LINES_OF_LOG:]).removeprefix('error: ')
