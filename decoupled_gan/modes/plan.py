"""--mode=plan: what a run needs of its chips, from the compiler, before anybody pays for them.

Every program of the step (one for each set of phases that some step plays) is compiled ahead of time
for the chips of a topology. Figures are per chip unless they say otherwise. Floors are the least times
that the program's arithmetic and its traffic with memory allow; a real step takes longer than either.
"""

import itertools
import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata

import jax
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from decoupled_gan.core import routing
from decoupled_gan.errors import RunError
from decoupled_gan.machine import hlo, paths, topology
from decoupled_gan.machine.topology import Topology
from decoupled_gan.run import experiment

GIB = 2**30
FAST = {'optimization_level': 9, 'memory_fitting_level': 9}  # 9 is what XLA calls O0
LIMIT = 4096  # of the batch per chip, where nothing else limits it


@dataclass(frozen=True)
class Program:
  """One compiled set of phases; sizes in bytes and work, per chip.

  Attributes:
    phases: their names, as they are played.
    share: of the steps, those that play this set.
    exchanged: {'all-reduce': (how many, bytes)}.
    padded: [(hlo.Buffer, how often it is made)], the worst first.
  """

  phases: str
  share: float
  arguments: int
  temporaries: int
  peak: int
  flops: float
  traffic: float
  exchanged: dict
  padded: list
  trace_seconds: float
  compile_seconds: float


class DoesNotFit(Exception):
  """The compiler's word that a program needs more memory than a chip has; both in GiB."""

  def __init__(self, needs: float, has: float):
    super().__init__(needs, has)
    self.needs, self.has = needs, has


def plan(
  config: ConfigDict, where: str, fast: bool = False, largest_batch: bool = False, output: str = ''
):
  """Prints what one step of `config` needs on each chip.

  Args:
    where: the topology, see `topology.find`.
    fast: compile with the least effort; temporaries and peak are then no real figures.
    largest_batch: find the largest batch per chip that fits, by bisection.
    output: a file (JSON) to write the figures to; '': none.

  Raises:
    UserError: no such topology, or no libtpu.
    RunError: the step does not fit into a chip's memory.
  """
  if output:
    paths.check_ours(paths.get(output), '--output', (b'{\n  "topology"',))
  chips = topology.find(where)
  config = config.copy_and_resolve_references()
  if config.batch_size % len(chips):
    asked, config.batch_size = config.batch_size, _multiple(config.batch_size, len(chips))
    print(f'batch_size={asked} is not divisible by {len(chips)} chips: planned for '
          f'{config.batch_size}.')  # fmt: skip
  fitting = largest(config, chips, fast) if largest_batch else None
  programs = []
  try:
    for program in compile_step(config, chips, fast):
      programs.append(program)
      if output:  # after each: a compilation takes minutes, and the next may not end well
        paths.write(paths.get(output), _json(config, chips, programs, fast))
  except DoesNotFit as error:
    what = 'the largest batch per chip that fits'
    hint = f'{what} is {fitting}' if fitting is not None else f'--largest_batch finds {what}'
    raise RunError(
      f'does not fit: batch_size={config.batch_size} on {where} needs {error.needs:.2f} of '
      f'{error.has:.2f} GiB per chip; {hint}.'
    ) from None
  _print(config, chips, programs, fast)
  if fitting is not None:
    print(f'The largest batch per chip that fits is {fitting} (batch_size={fitting * len(chips)}).')


def compile_step(config: ConfigDict, chips: Topology, fast: bool) -> Iterator[Program]:
  """Every set of phases that some step plays, compiled, the most frequent first; raises DoesNotFit."""
  run = experiment.build(config, chips.devices)
  played = _played(run.phases, config.num_steps)
  options = FAST if fast and chips.devices[0].platform == 'tpu' else None
  for active, n in played.most_common():
    yield _program(run, active, n / played.total(), options)


def _played(phases, num_steps: int) -> Counter:
  """How often each set of phases is played; from a period of each stretch between two windows' ends."""
  periods = [phase.every for phase in phases] + [n for phase in phases for n in phase.lazy.values()]
  period = math.lcm(*periods)
  num_steps = min([num_steps, *(phase.round for phase in phases if phase.round)])  # rounds are alike
  ends = {0, num_steps, *(end for phase in phases for end in (phase.start, phase.stop or 0))}
  ends = sorted(end for end in ends if end <= num_steps)
  played = Counter()
  for start, stop in itertools.pairwise(ends):
    length = min(stop - start, period)
    for step in range(start, start + length):
      played[routing.active(phases, step)] += (stop - start) / length
  return played


def _program(run, active: tuple[int, ...], share: float, options) -> Program:
  phases = ' '.join(dict.fromkeys(run.phases[i].name for i, _ in active))
  print(f'compiling {phases} at batch_size={run.config.batch_size} ...', flush=True)
  start = time.perf_counter()
  lowered = run.train_step().lower(run.abstract_state(), run.abstract_batch(), active)
  traced = time.perf_counter()
  try:
    compiled = lowered.compile(options)
  except jax.errors.JaxRuntimeError as error:
    sizes = re.search(r'\(([\d.]+)G\) exceeds available HBM \(([\d.]+)G\)', str(error))
    if sizes is None:
      raise
    raise DoesNotFit(*map(float, sizes.groups())) from None
  memory, cost, text = compiled.memory_analysis(), compiled.cost_analysis(), compiled.as_text()
  return Program(
    phases=phases,
    share=share,
    arguments=memory.argument_size_in_bytes,
    temporaries=memory.temp_size_in_bytes,
    peak=memory.peak_memory_in_bytes,
    flops=cost['flops'],
    traffic=cost['bytes accessed'],
    exchanged=hlo.collectives(text),
    padded=hlo.padded_buffers(text)[:3],
    trace_seconds=traced - start,
    compile_seconds=time.perf_counter() - traced,
  )


def largest(config: ConfigDict, chips: Topology, fast: bool) -> int:
  """The largest batch per chip that fits, at most LIMIT; 0 if not even 1 does.

  A compilation takes minutes: bisection goes first where the memory of the batches that fitted points.
  """
  fits, fails, peaks = 0, LIMIT + 1, {}
  room = chips.chip.memory if chips.chip else math.inf
  guess = min(LIMIT, config.batch_size // len(chips))
  while fails - fits > 1:
    config_of = config.copy_and_resolve_references()
    config_of.batch_size = guess * len(chips)
    try:
      peaks[guess] = needs = max(p.peak for p in compile_step(config_of, chips, fast)) / GIB
      fits = guess
    except DoesNotFit as error:
      needs, room = error.needs, error.has
      fails = guess
    print(f'{guess} per chip: {needs:.2f} of {room:.2f} GiB', flush=True)
    guess = _next_guess(fits, fails, peaks, room)
  return fits


def _next_guess(fits: int, fails: int, peaks: dict[int, float], room: float) -> int:
  """Where a line through the last two `peaks` meets `room`, if that is below `fails`; or the middle."""
  guess = min(2 * fits, LIMIT) if fails > LIMIT and fits else (fits + fails) // 2
  if len(peaks) > 1:
    (a, low), (b, high) = sorted(peaks.items())[-2:]
    slope = (high - low) / (b - a)
    if slope > 0 and (expected := b + (room - high) / slope) < fails:
      guess = max(fits + 1, int(expected))
  return guess


def _print(config: ConfigDict, chips: Topology, programs: list[Program], fast: bool):
  chip, count = chips.chip, len(chips)
  print(f'{chips.name}: {count} chip(s), batch {config.batch_size // count} each, '
        f'{config.image_size} px, {config.compute_dtype}. Figures are per chip.')  # fmt: skip
  of_steps = [f'{p.phases} ({p.share:.0%} of steps)' if p.share < 1 else p.phases for p in programs]
  table = Table('', *of_steps)
  memory = f' of {chip.memory:g}' if chip else ''

  def row(name, show):
    table.add_row(name, *map(show, programs))

  row('arguments, GiB', lambda p: f'{p.arguments / GIB:.3f}')
  row('temporaries, GiB', lambda p: f'{p.temporaries / GIB:.3f}')
  row('peak, GiB', lambda p: f'{p.peak / GIB:.3f}{memory}')
  row('work, TFLOP', lambda p: f'{p.flops / 1e12:.3f}')
  row('memory traffic, GB', lambda p: f'{p.traffic / 1e9:.2f}')
  if chip:
    row('floor by arithmetic, ms', lambda p: f'{p.flops / chip.tflops / 1e9:.2f}')
    row('floor by traffic, ms', lambda p: f'{p.traffic / chip.bandwidth / 1e6:.2f}')
  for kind in sorted({kind for program in programs for kind in program.exchanged}):
    row(kind, lambda p, kind=kind: _exchanged(p.exchanged.get(kind)))
  row('tracing, s', lambda p: f'{p.trace_seconds:.1f}')
  row('compile time, s', lambda p: f'{p.compile_seconds:.0f}')
  for program in programs:
    for buffer, count in program.padded:
      text = f'{count} x {buffer.shape}: {buffer.padded / buffer.size:.1f}-fold'
      table.add_row('padded most', *(text if p is program else '' for p in programs))
  Console(width=110).print(table)
  if fast:
    print('--fast: temporaries and peak are those of a program that was not optimised; not real.')


def _exchanged(found) -> str:
  return f'{found[0]} x, {found[1] / 1e6:.1f} MB' if found else '-'


def _json(config: ConfigDict, chips: Topology, programs: list[Program], fast: bool) -> str:
  packages = ('jax', 'libtpu') if chips.chip else ('jax', 'jaxlib')
  return json.dumps(
    {
      'topology': chips.name,
      'chips': len(chips),
      'batch_per_chip': config.batch_size // len(chips),
      'image_size': config.image_size,
      'compute_dtype': config.compute_dtype,
      'fast': fast,
      'chip': asdict(chips.chip) if chips.chip else None,
      'versions': {name: metadata.version(name) for name in packages},
      'programs': [asdict(program) for program in programs],
    },
    indent=2,
  )


def _multiple(size: int, of: int) -> int:
  return -(-size // of) * of
