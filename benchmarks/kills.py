"""kill -9 at random moments of a small run: nothing is lost, and the end is the undisturbed run's.

  python benchmarks/kills.py --kills=200

A run of points (gan:tiny,ring8) with a checkpoint every few steps is killed at moments that are drawn
uniformly from its whole length: while it starts, restores, steps, writes metrics, pictures, checkpoints.
The same command goes on, again and again; a run that comes to its end is compared with one that nobody
disturbed (parameters, optimizers, metrics but for times, pictures, config: every bit), and the next
begins. After each kill there must be every checkpoint that there was, and a line of metrics for each
step up to it.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import processes

STEPS, EVERY = 300, 5


def words(workdir: Path) -> list[str]:
  fields = {
    'num_steps': STEPS, 'checkpoint_every_steps': EVERY, 'sample_every_steps': 50, 'sample_count': 200,
    'log_every_steps': 1, 'batch_size': 32,
  }  # fmt: skip
  given = [f'--config.{name}={value}' for name, value in fields.items()]
  return ['train', '--config=gan:tiny,ring8', f'--workdir={workdir}', *given]


def moment_of(workdir: Path, before: int) -> str:
  """What a process was about when it was killed, by what lies there."""
  folder = workdir / 'checkpoints'
  if folder.is_dir() and any('tmp' in path.name for path in folder.iterdir()):
    return 'while a checkpoint was written'
  return 'while it started or restored' if steps_of(workdir) <= before else 'between checkpoints'


def steps_of(workdir: Path) -> int:
  """How many steps have their line in metrics.jsonl; a last line that is cut short does not count."""
  path = workdir / 'metrics.jsonl'
  text = path.read_text() if path.exists() else ''
  lines = text.splitlines() if text.endswith('\n') else text.splitlines()[:-1]
  steps = [json.loads(line)['step'] for line in lines]
  if steps != list(range(1, len(steps) + 1)):
    raise SystemExit(f'lines of metrics are lost or twice: {steps}')
  return len(steps)


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--kills', type=int, default=200)
  parser.add_argument('--seed', type=int, default=0)
  options = parser.parse_args()
  draw, seen, runs, starts = random.Random(options.seed), Counter(), 0, 0
  with tempfile.TemporaryDirectory() as home:
    home = Path(home)
    processes.prepare(home)
    for name in ('warm', 'undisturbed'):  # the first one compiles
      begin = time.monotonic()
      command = processes.start(words(home / name), home / f'log-{name}')
      if command.wait():
        raise SystemExit(command.err)
      length = time.monotonic() - begin
    expected = processes.in_a_child(processes.what_is_left_of, home / 'undisturbed')
    told = f'the undisturbed run: {STEPS} steps in {length:.1f} s, a checkpoint every {EVERY}'
    print(told, flush=True)
    workdir = processes.fresh(home / 'run')
    while sum(seen.values()) < options.kills:
      saved, done = processes.checkpoints_of(workdir), steps_of(workdir)
      command = processes.start(words(workdir), home / 'log')
      starts += 1
      until = time.monotonic() + draw.uniform(0, length)
      while time.monotonic() < until and command.poll() is None:
        time.sleep(0.001)
      command.kill(signal.SIGKILL)
      code = command.wait()
      if code == -signal.SIGKILL:
        seen[moment_of(workdir, done)] += 1
        kept = processes.checkpoints_of(workdir)
        if saved and (not kept or kept[-1] < saved[-1]):
          raise SystemExit(f'a checkpoint is lost: {saved} before, {kept} after')
        if kept and steps_of(workdir) < kept[-1]:
          raise SystemExit(f'metrics end at {steps_of(workdir)}, before the checkpoint of {kept[-1]}')
        continue
      if code:
        raise SystemExit(f'exit code {code}: {command.err}')
      found = processes.in_a_child(processes.what_is_left_of, workdir)
      if wrong := processes.differences(found, expected):
        raise SystemExit(f'run {runs} ended otherwise: {wrong}')
      runs += 1
      workdir = processes.fresh(home / 'run')
    command = processes.start(words(workdir), home / 'log')  # the last one comes to its end
    if command.wait():
      raise SystemExit(command.err)
    if wrong := processes.differences(
      processes.in_a_child(processes.what_is_left_of, workdir), expected
    ):
      raise SystemExit(f'the last run ended otherwise: {wrong}')
    runs += 1
  for moment, count in seen.most_common():
    print(f'{count:4} {moment}')
  print(
    f'{sum(seen.values())} kills, {starts + 1} starts, {runs} runs that came to their end: each equal '
    f'to the undisturbed one in all {len(expected)} arrays and files'
  )


if __name__ == '__main__':
  sys.exit(main())
