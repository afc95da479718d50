"""Programs that make the same step take turns, so that a machine whose speed drifts is fair to all.

Each has a process of its own. A maker is a function of the options that gives (step, facts): step()
makes one step (its first call compiles), facts() what else is to be told, at the end. CPU seconds are
of all threads: what to go by where others use the machine too, but not for a program that waits by
spinning.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path


def peak_gib() -> float:
  """This process's largest resident memory since it was last reset, in GiB (Linux)."""
  lines = Path('/proc/self/status').read_text().splitlines()
  return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) / 2**20


def serve(make: Callable, options, pipe):
  """A worker: answers 'step' with its seconds, and 'facts' with what is known at the end."""
  os.environ['JAX_PLATFORMS'] = 'cpu'
  if options.cores:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
  step, facts = make(options)
  compile_peak, cpu = None, []
  while (order := pipe.recv()) != 'leave':
    start, spent = time.perf_counter(), time.process_time()
    if order == 'step':
      step()
      pipe.send(time.perf_counter() - start)
      cpu.append(time.process_time() - spent)
      if compile_peak is None:  # the first step compiles
        compile_peak = peak_gib()
        Path('/proc/self/clear_refs').write_text('5')  # resets the peak
    else:
      known = {'peak_gib': peak_gib(), 'compile_peak_gib': compile_peak, 'cpu_seconds': cpu[1:]}
      pipe.send(known | facts())


def measure(makers: Mapping[str, Callable], options) -> dict[str, dict]:
  """{name: its figures}: seconds of the steps after the first one, `first` and what the facts say.

  Args:
    options: `steps`, how many turns there are; `cores`, how many a worker may use (0: all).
  """
  context, pipes = multiprocessing.get_context('spawn'), {}
  for name, make in makers.items():
    pipes[name], theirs = context.Pipe()
    context.Process(target=serve, args=(make, options, theirs), daemon=True).start()
    theirs.close()  # so that a worker that died is told by EOFError

  def ask(name, order):
    pipes[name].send(order)
    return pipes[name].recv()

  first = {name: ask(name, 'step') for name in makers}
  seconds = {name: [] for name in makers}
  for _ in range(options.steps):
    for name in makers:
      seconds[name].append(ask(name, 'step'))
  found = {
    name: {'seconds': seconds[name], 'first': first[name], **ask(name, 'facts')} for name in makers
  }
  for pipe in pipes.values():
    pipe.send('leave')
  return found


def compared(found: Mapping[str, Mapping], ours: str, theirs: str) -> dict:
  """Medians and the ratio of each turn, with their spread."""
  result = {}
  for kind in ('seconds', 'cpu_seconds'):
    of = {name: found[name][kind] for name in (ours, theirs)}
    ratios = [a / b for a, b in zip(of[ours], of[theirs], strict=True)]
    for name, values in (*of.items(), ('ratio', ratios)):
      result[f'{kind} {name}'] = statistics.median(values)
      result[f'{kind} {name} range'] = f'{min(values):.2f}..{max(values):.2f}'
  for name in (ours, theirs):
    result[f'{name} peak_gib'] = found[name]['peak_gib']
  result['compile_seconds'] = found[ours]['first'] - result[f'seconds {ours}']
  result['compile_peak_gib'] = found[ours]['compile_peak_gib']
  return result


def told(result: Mapping, path: str = ''):
  """Prints the figures, and keeps them in the JSON file `path` if there is one."""
  for name, value in result.items():
    print(f'{name:26} {value:.4g}' if isinstance(value, float) else f'{name:26} {value}')
  if path:
    Path(path).write_text(json.dumps(result, indent=2) + '\n')


def parser(title: str) -> argparse.ArgumentParser:
  """What all such benchmarks can be told."""
  made = argparse.ArgumentParser(description=title)
  made.add_argument('--batch_size', type=int, default=1)
  made.add_argument('--steps', type=int, default=4)
  made.add_argument('--cores', type=int, default=0, help='that each side may use; 0: all')
  made.add_argument('--json', default='', help='a file for the figures')
  return made
