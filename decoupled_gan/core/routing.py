"""The routing table: which loss trains which parameter group, and with which weight.

`routes[phase][loss][group] = weight`. A missing cell (or a weight of 0) is no gradient and no
optimizer call: a zero gradient would not freeze a group, since Adam's moments and coupled weight
decay move it all the same.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from decoupled_gan.core.types import Losses, Routes
from decoupled_gan.errors import UserError, listing

Objective = Callable[..., Losses]
"""(gan, batch) -> {loss name: scalar}: one phase of training, run inside `gan.apply`."""


@dataclass(frozen=True)
class Phase:
  """One forward pass and the updates that follow from it.

  Attributes:
    name: a verb, such as 'translate'.
    objective: gives the losses.
    weights: {loss: {group: weight}}, without zeros.
    every: the phase is played at steps divisible by this (lazy regularisation).
  """

  name: str
  objective: Objective
  weights: Mapping[str, Mapping[str, float]]
  every: int = 1

  @property
  def groups(self) -> tuple[str, ...]:
    """The groups that this phase moves, sorted."""
    return tuple(sorted({group for row in self.weights.values() for group in row}))

  def columns(self) -> list[tuple[dict[str, float], tuple[str, ...]]]:
    """[({loss: weight}, groups)]: groups with the same weights share one backward pass."""
    columns: dict[tuple, list[str]] = {}
    for group in self.groups:
      column = tuple((loss, row.get(group, 0.0)) for loss, row in sorted(self.weights.items()))
      columns.setdefault(column, []).append(group)
    return [(dict(column), tuple(groups)) for column, groups in columns.items()]


def make_phases(
  objectives: Mapping[str, Objective],
  routes: Routes,
  play: Iterable[str] = (),
  every: Mapping[str, int] | None = None,
) -> tuple[Phase, ...]:
  """The phases of one step, in their order.

  Args:
    objectives: {phase: objective} in the order of play.
    routes: the table. Every phase of it must have an objective and the other way round.
    play: the order where it is not the objectives' own; naming a phase twice plays it twice.
    every: {phase: steps} for lazy phases.
  """
  _same_names('phase', routes, 'routes', objectives, 'the method')
  every = dict(every or {})
  for name, steps in every.items():
    if name not in objectives:
      raise UserError(f'every.{name}: there is no such phase; the phases are {listing(objectives)}.')
    if steps < 1:
      raise UserError(f'every.{name}={steps} must be at least 1 (1 plays the phase at each step).')
  order = tuple(play) or tuple(objectives)
  _same_names('phase', order, 'play', objectives, 'the method')
  phases = {}
  for name, objective in objectives.items():
    rows = {
      loss: {group: float(weight) for group, weight in row.items() if weight}
      for loss, row in routes[name].items()
    }
    phases[name] = Phase(name, objective, rows, every.get(name, 1))
  return tuple(phases[name] for name in order)


def active(phases: Iterable[Phase], step: int) -> tuple[int, ...]:
  """The positions of the phases that step `step` (from 0) plays; one that trains nothing is not."""
  return tuple(i for i, phase in enumerate(phases) if phase.groups and step % phase.every == 0)


def lazy_updates(phases: Iterable[Phase]) -> dict[str, float]:
  """{group: updates a step that it gets from phases which are not played at every step}."""
  updates: dict[str, float] = {}
  for phase in phases:
    for group in phase.groups if phase.every > 1 else ():
      updates[group] = updates.get(group, 0) + 1 / phase.every
  return updates


def check(
  phases: Iterable[Phase],
  losses: Mapping[str, Iterable[str]],
  groups: Iterable[str],
  frozen: Iterable[str] = (),
):
  """Raises UserError where the table and the method do not fit each other.

  Args:
    losses: {phase: the names its objective really returns}.
    groups: the parameter groups there are.
    frozen: groups that are meant to be trained by nothing.
  """
  groups, frozen = list(groups), list(frozen)
  trained = set()
  for phase in phases:
    _same_names('loss', phase.weights, f'routes.{phase.name}', losses[phase.name], 'the objective')
    for loss, row in phase.weights.items():
      for group in row:
        if group not in groups:
          raise UserError(
            f'routes.{phase.name}.{loss}.{group}: there is no parameter group {group!r}; the '
            f'groups are {listing(groups)}.'
          )
    trained.update(phase.groups)
  for group in frozen:
    if group not in groups:
      raise UserError(f'frozen: there is no parameter group {group!r}; there are {listing(groups)}.')
    if group in trained:
      raise UserError(f'frozen names {group!r}, but the routes train it: remove it from either.')
  idle = [group for group in groups if group not in trained and group not in frozen]
  if idle:
    raise UserError(
      f'nothing trains the parameter group {idle[0]!r}: add a cell routes.<phase>.<loss>.{idle[0]}, '
      f"or say that it is meant to stay by frozen=('{idle[0]}',)."
    )


def _same_names(kind, asked, asked_where, known, known_where):
  for name in asked:
    if name not in known:
      raise UserError(
        f'{asked_where} names the {kind} {name!r}, which {known_where} does not have; it has '
        f'{listing(known)}.'
      )
  for name in known:
    if name not in asked:
      raise UserError(
        f'{known_where} has the {kind} {name!r}, but {asked_where} has no row for it: add one '
        f'({name} = {{}} if it is to train nothing).'
      )


def describe(phases: Iterable[Phase], groups: Iterable[str]) -> str:
  """The table as text, one row for each phase and loss, a dot for a missing cell."""
  groups = sorted(groups)
  rows = [['phase', 'loss', *groups]]
  for phase in phases:
    name = phase.name if phase.every == 1 else f'{phase.name} /{phase.every}'
    for loss, row in phase.weights.items():
      rows.append([name, loss, *(f'{row[g]:g}' if g in row else '.' for g in groups)])
  widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
  return '\n'.join(
    '  '.join(
      cell.ljust(width) if i < 2 else cell.rjust(width)
      for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in rows
  )


