"""--mode=routes: the table that is declared, beside what the gradients and one step really do.

For each phase and loss, the norm of the loss's own gradient is measured for every parameter group,
those outside the table included: a gradient there is one that the table holds back. Then the phase
is played once, and every group is compared with what it was, bit by bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.table import Table

from decoupled_gan import data
from decoupled_gan.core.images import to_float
from decoupled_gan.core.routing import Phase
from decoupled_gan.core.step import forward, play
from decoupled_gan.data.results import check_not_data
from decoupled_gan.errors import RunError
from decoupled_gan.machine import sharding
from decoupled_gan.run import experiment, members
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.pictures import save_image
from decoupled_gan.run.workdir import Workdir


@dataclass(frozen=True)
class Finding:
  """What was measured of one phase.

  Attributes:
    phase: the declared one.
    norms: {loss: {group: norm of the loss's unweighted gradient}}.
    moved: {group: largest change of a parameter in one step}.
    touched: groups whose parameters or optimizer state changed by at least one bit.
  """

  phase: Phase
  norms: dict[str, dict[str, float]]
  moved: dict[str, float]
  touched: frozenset[str]

  def faults(self) -> list[str]:
    """Where the table and the measurement disagree, a sentence each."""
    found = []
    for loss, row in self.phase.weights.items():
      for group in row:
        norm = self.norms[loss][group]
        if not np.isfinite(norm) or norm == 0:
          found.append(
            f'{self.phase.name}/{loss} is declared to train {group}, but its gradient there is '
            f'{norm:g}: the objective does not lead to it.'
          )
    for group in sorted(self.touched - set(self.phase.groups)):
      found.append(f'{self.phase.name} moved {group}, which its table does not name.')
    for group in sorted(set(self.phase.groups) - self.touched):
      found.append(f'{self.phase.name} did not move {group}, which its table names.')
    return found


def audit(config: ConfigDict, workdir: Workdir, step: int | None = None):
  """Prints the table, writes routes.png, and raises RunError where declared and measured disagree.

  Args:
    workdir: if it has checkpoints, the networks are of `step` (the latest if None), else new ones. Of
      a new run of several seeds they are the first's: all have one table.
  """
  if workdir.has_checkpoint:
    members.require_one(config, str(workdir.path))
  run = experiment.build(members.config_of(config, 0))
  check_not_data(workdir.path, config, f'--workdir={workdir.path}')
  workdir.create()
  dataset = data.load(config, run.method.batch)
  batch = sharding.shard_batch(run.mesh, next(data.train_batches(dataset, config)))
  with jax.set_mesh(run.mesh):
    findings = examine(run, _state(run, workdir, step), to_float(batch))
  Console(width=120).print(_table(findings, run.groups))
  print(CAPTION)
  save_image(picture(findings, run.groups), workdir.path / 'routes.png')
  print(f'written to {workdir.path / "routes.png"}')
  faults = [fault for finding in findings for fault in finding.faults()]
  if faults:
    raise RunError('The routes do not hold:\n  ' + '\n  '.join(faults))
  print('Every loss reaches the groups that the table names, and no other group moved by one bit.')


def examine(run: experiment.Experiment, state, batch) -> list[Finding]:
  """Measures every distinct phase on `batch` (float images); each is played from `state`."""
  distinct = {phase.name: phase for phase in run.phases}
  return [_examine(run, phase, state, batch) for phase in distinct.values()]


def _examine(run, phase: Phase, state, batch) -> Finding:
  @sharding.jit
  def measure(state, batch, key):
    losses, pullback, _ = forward(phase, run.gan, state, run.groups, batch, key)
    zero = dict.fromkeys(losses, 0.0)
    gradients = {loss: pullback({**zero, loss: 1.0}) for loss in losses}
    norms = {loss: {g: optax.tree.norm(x[g]) for g in run.groups} for loss, x in gradients.items()}
    after, _ = play(phase, run.gan, run.optimizers, state, batch, key)
    return norms, after.params, after.opt

  norms, params, opt = measure(state, batch, jax.random.key(run.config.seed))
  moved = {g: _largest_change(state.params[g], params[g]) for g in run.groups}
  touched = frozenset(
    g
    for g in run.groups
    if not _identical(state.params[g], params[g]) or not _identical(state.opt[g], opt[g])
  )
  return Finding(phase, jax.tree.map(float, norms), moved, touched)


def _state(run, workdir: Workdir, step: int | None):
  """The run's state, at step 0 for the optimizers' schedules: a decayed rate would move nothing."""
  if step is None and not workdir.has_checkpoint:
    return run.create_state()
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    state = checkpoints.restore(run.abstract_state(), step)
  return state.replace(step=jnp.zeros_like(state.step))


def _identical(x, y) -> bool:
  pairs = zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True)
  return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


def _largest_change(x, y) -> float:
  return max(float(jnp.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, (x, y)), strict=True))


def cell(finding: Finding, loss: str, group: str) -> str:
  """One cell as text: 'weight | norm', or the norm in brackets where the table holds it back."""
  norm = finding.norms[loss][group]
  weight = finding.phase.weights[loss].get(group)
  if weight is not None:
    return f'{weight:g} | {norm:.3g}'
  return f'({norm:.3g})' if norm else '.'


def _rows(findings: Sequence[Finding], groups: Sequence[str]):
  """(phase, loss or 'moved', cells) for tables on the terminal and in the picture."""
  for finding in findings:
    every = '' if finding.phase.every == 1 else f' /{finding.phase.every}'
    for loss in finding.phase.weights:
      yield finding.phase.name + every, loss, [cell(finding, loss, g) for g in groups]
    moves = [f'{finding.moved[g]:.1e}' if g in finding.touched else 'not a bit' for g in groups]
    yield finding.phase.name + every, 'one step moves', moves


CAPTION = 'declared weight | gradient norm; (norm): held back by the table; .: no gradient'


def _table(findings, groups) -> Table:
  table = Table('phase', 'loss', *groups)
  for phase, loss, cells in _rows(findings, groups):
    table.add_row(phase, loss, *cells, end_section=loss == 'one step moves')
  return table


WIDTH, HEIGHT = 150, 30  # px of a cell of the picture
ROUTED, HELD, EMPTY, FAULT = '#bfe3c6', '#f3ead2', '#ffffff', '#f2b8b5'


def picture(findings: Sequence[Finding], groups: Sequence[str]) -> Image.Image:
  """The table as a picture: green is routed, sand held back, red a disagreement."""
  rows = list(_rows(findings, groups))
  canvas = Image.new('RGB', (WIDTH * (2 + len(groups)), HEIGHT * (len(rows) + 2)), 'white')
  draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)

  def put(row, column, text, colour=EMPTY):
    x, y = column * WIDTH, row * HEIGHT
    draw.rectangle([x, y, x + WIDTH, y + HEIGHT], fill=colour, outline='#888888')
    draw.text((x + 8, y + 6), text, 'black', font)

  for column, title in enumerate(['phase', 'loss', *groups]):
    put(0, column, title, '#dddddd')
  declared = {f.phase.name: f for f in findings}
  for i, (phase, loss, cells) in enumerate(rows, 1):
    put(i, 0, phase)
    put(i, 1, loss)
    finding = declared[phase.partition(' ')[0]]
    for j, (group, text) in enumerate(zip(groups, cells, strict=True)):
      put(i, 2 + j, text, _colour(finding, loss, group))
  draw.text((8, HEIGHT * (len(rows) + 1) + 6), CAPTION, 'black', font)
  return canvas


def _colour(finding: Finding, loss: str, group: str) -> str:
  if loss not in finding.norms:  # the row of movements
    if (group in finding.touched) != (group in finding.phase.groups):
      return FAULT
    return ROUTED if group in finding.touched else EMPTY
  norm = finding.norms[loss][group]
  if group in finding.phase.weights[loss]:
    return ROUTED if np.isfinite(norm) and norm > 0 else FAULT
  return HELD if norm else EMPTY
