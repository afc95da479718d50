"""--mode=plan: what a run needs of its chips, from the compiler, before anybody pays for them.

The step is compiled ahead of time for the chips of a topology; libtpu does that without a TPU (extra
`aot`). Figures are per chip unless they say otherwise. Floors are the least times that the program's
arithmetic and its traffic with memory allow; a real step takes longer than either.
"""

import importlib.util
import math
import os
import re
import time
from dataclasses import dataclass

import jax
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from decoupled_gan import experiment, hlo, routing
from decoupled_gan.errors import RunError, UserError, listing

GIB = 2**30
FAST = {'optimization_level': 9, 'memory_fitting_level': 9}  # 9 is what XLA calls O0

NO_TPU = {  # without these libtpu asks a metadata server what machine this is, waits, and complains
  'TPU_SKIP_MDS_QUERY': '1',
  'TPU_WORKER_HOSTNAMES': 'localhost',
  'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
}


@dataclass(frozen=True)
class Chip:
  """A kind of chip by its public specification: GiB of memory, peak TFLOP/s in bfloat16, GB/s."""

  memory: float
  tflops: float
  bandwidth: float
  accelerator: str  # a machine of it, as Google Cloud names them
  options: tuple = ()


CHIPS = {
  'v4': Chip(
    32, 275, 1228, 'v4-8', (('chip_config_name', 'megacore'), ('chips_per_host_bounds', (2, 2, 1)))
  ),
  'v5e': Chip(16, 197, 819, 'v5litepod-8'),
  'v5p': Chip(95, 459, 2765, 'v5p-8'),
  'v6e': Chip(32, 918, 1640, 'v6e-8'),
}


@dataclass(frozen=True)
class Program:
  """One compiled set of phases; sizes in bytes and work, per chip."""

  phases: str
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


def plan(config: ConfigDict, topology: str, fast: bool = False, largest_batch: bool = False):
  """Prints what one step of `config` needs on each chip of `topology`.

  Args:
    topology: 'local' for the devices at hand, else as libtpu names slices, such as 'v5e:2x4'.
    fast: compile with the least effort; temporaries and peak are then no real figures.
    largest_batch: find the largest batch per chip that fits, by bisection.

  Raises:
    UserError: no such topology, or no libtpu.
    RunError: the step does not fit into a chip's memory.
  """
  devices, chip = _devices(topology)
  config = config.copy_and_resolve_references()
  if config.batch_size % len(devices):
    asked, config.batch_size = config.batch_size, _multiple(config.batch_size, len(devices))
    print(f'batch_size={asked} is not divisible by {len(devices)} chips: planned for '
          f'{config.batch_size}.')  # fmt: skip
  fitting = _largest(config, devices, fast) if largest_batch else None
  try:
    programs = _compile(config, devices, fast)
  except DoesNotFit as error:
    largest = 'the largest batch per chip that fits'
    hint = f'{largest} is {fitting}' if fitting is not None else f'--largest_batch finds {largest}'
    raise RunError(
      f'does not fit: batch_size={config.batch_size} on {topology} needs {error.needs:.2f} of '
      f'{error.has:.2f} GiB per chip; {hint}.'
    ) from None
  _print(config, topology, len(devices), chip, programs, fast)
  if fitting is not None:
    print(f'The largest batch per chip that fits is {fitting} (batch_size={fitting * len(devices)}).')


def _devices(topology: str):
  """(devices, their Chip or None) of a topology; nothing but names where it is not local."""
  if topology == 'local':
    return jax.devices(), None
  if importlib.util.find_spec('libtpu') is None:
    raise UserError(
      f'--topology={topology} needs libtpu, the TPU compiler: pip install -e .[aot]; or give '
      '--topology=local.'
    )
  kind = topology.partition(':')[0]
  if kind not in CHIPS:
    raise UserError(
      f'--topology={topology} is unknown: give local, or a chip and its arrangement, such as '
      f'v5e:2x4 or v4:2x2x1; the chips are {listing(CHIPS)}.'
    )
  for name, value in (NO_TPU | {'TPU_ACCELERATOR_TYPE': CHIPS[kind].accelerator}).items():
    os.environ.setdefault(name, value)
  from jax.experimental import topologies

  try:
    description = topologies.get_topology_desc(
      platform='tpu', topology_name=topology, **dict(CHIPS[kind].options)
    )
  except Exception as error:  # libtpu raises whatever it likes
    raise UserError(f'--topology={topology}: {str(error).splitlines()[0]}') from None
  return description.devices, CHIPS[kind]


def _compile(config: ConfigDict, devices, fast: bool) -> list[Program]:
  """Every set of phases that some step plays, compiled; raises DoesNotFit."""
  run = experiment.build(config, devices)
  period = math.lcm(*(phase.every for phase in run.phases))
  sets = sorted({routing.active(run.phases, step) for step in range(period)})
  options = FAST if fast and devices[0].platform == 'tpu' else None
  return [_program(run, active, options) for active in sets]


def _program(run, active: tuple[int, ...], options) -> Program:
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
    phases=' '.join(dict.fromkeys(run.phases[i].name for i in active)),
    arguments=memory.argument_size_in_bytes,
    temporaries=memory.temp_size_in_bytes,
    peak=memory.peak_memory_in_bytes,
    flops=cost['flops'],
    traffic=cost['bytes accessed'],
    exchanged=hlo.collectives(text),
    padded=hlo.padded_buffers(text),
    trace_seconds=traced - start,
    compile_seconds=time.perf_counter() - traced,
  )


def _largest(config: ConfigDict, devices, fast: bool, limit: int = 4096) -> int:
  """The largest batch per chip that fits, at most `limit`; 0 if not even 1 does."""

  def fits(per_chip):
    config_of = config.copy_and_resolve_references()
    config_of.batch_size = per_chip * len(devices)
    try:
      programs = _compile(config_of, devices, fast)
    except DoesNotFit:
      return False
    print(f'{per_chip} per chip: {max(p.peak for p in programs) / GIB:.2f} GiB', flush=True)
    return True

  low, high = 0, 1
  while high <= limit and fits(high):
    low, high = high, 2 * high
  while high - low > 1:
    middle = (low + high) // 2
    low, high = (middle, high) if fits(middle) else (low, middle)
  return low


def _print(config, topology: str, chips: int, chip: Chip | None, programs, fast: bool):
  print(f'{topology}: {chips} chip(s), batch {config.batch_size // chips} each, {config.image_size} px, '
        f'{config.compute_dtype}. Figures are per chip.')  # fmt: skip
  table = Table('', *(program.phases for program in programs))
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
    for buffer, count in program.padded[:3]:
      text = f'{count} x {buffer.shape}: {buffer.padded / buffer.size:.1f}-fold'
      table.add_row('padded most', *(text if p is program else '' for p in programs))
  Console(width=110).print(table)
  if fast:
    print('--fast: temporaries and peak are those of a program that was not optimised; not real.')


def _exchanged(found) -> str:
  return f'{found[0]} x, {found[1] / 1e6:.1f} MB' if found else '-'


def _multiple(size: int, of: int) -> int:
  return -(-size // of) * of
