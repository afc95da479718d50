"""The routing table: which loss trains which parameter group, and with which weight.

`routes[phase][loss][group] = weight`. A missing cell (or a weight of 0) is no gradient and no
optimizer call: a zero gradient would not freeze a group, since Adam's moments and coupled weight
decay move it all the same.

An objective offers, the table asks: a loss that is a thunk (a function of nothing) is computed only if
the table has a row for it, so that a missing row costs neither time nor parameters. `row = {}` is
"compute and log, train nothing".
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from decoupled_gan.core import schedules
from decoupled_gan.core.types import Losses, Routes
from decoupled_gan.errors import UserError, listing

Objective = Callable[..., Mapping[str, object]]
"""(gan, batch) -> {loss name: scalar or thunk}: one phase of training, run inside `gan.apply`."""


@dataclass(frozen=True)
class Phase:
  """One forward pass and the updates that follow from it.

  Attributes:
    name: a verb, such as 'translate'.
    objective: offers the losses.
    weights: {loss: {group: weight}}, without zeros.
    every: the phase is played at steps divisible by this (lazy regularisation, critic steps).
    start, stop: it is played from step `start` on and before step `stop`; `every` counts from `start`.
    round: if positive, these three count from the beginning of each round of so many steps.
    lazy: {loss: n}: the row counts at every n-th step only, and joins that step's update.
    factors: {loss: function of the step}: what the row's weights are multiplied by.
  """

  name: str
  objective: Objective
  weights: Mapping[str, Mapping[str, float]]
  every: int = 1
  start: int = 0
  stop: int | None = None
  lazy: Mapping[str, int] = field(default_factory=dict)
  factors: Mapping[str, Callable] = field(default_factory=dict)
  round: int = 0

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

  def ask(self, gan, batch) -> Losses:
    """The losses that the table has a row for, and no others. Run inside `gan.apply`."""
    return self.choose(self.objective(gan, batch))

  def choose(self, offered: Mapping[str, object]) -> Losses:
    """Those of the `offered` losses that the table has a row for; thunks among them are computed."""
    _known('loss', self.weights, f'routes.{self.name}', offered, 'the objective')
    asked = {loss: value for loss, value in offered.items() if loss in self.weights}
    return {loss: value() if callable(value) else value for loss, value in asked.items()}

  def at(self, step: int) -> 'Phase | None':
    """The phase as step `step` (from 0) plays it, or None; one that trains nothing is not played."""
    within = step % self.round if self.round else step
    inside = self.start <= within and (self.stop is None or within < self.stop)
    if not self.groups or not inside or (within - self.start) % self.every:
      return None
    return self.without(loss for loss, n in self.lazy.items() if step % n)

  def without(self, losses: Iterable[str]) -> 'Phase':
    """The phase with fewer rows."""
    losses = set(losses)
    if not losses:
      return self
    rest = {loss: row for loss, row in self.weights.items() if loss not in losses}
    return dataclasses.replace(self, weights=rest)


def make_phases(
  objectives: Mapping[str, Objective],
  routes: Routes,
  play: Iterable[str] = (),
  every: Mapping[str, int] | None = None,
  window: Mapping[str, tuple[int, int]] | None = None,
  lazy: Mapping[str, Mapping[str, int]] | None = None,
  anneal: Mapping[str, Mapping] | None = None,
  round_steps: int = 0,
) -> tuple[Phase, ...]:
  """The phases of one step, in their order.

  Args:
    objectives: {phase: objective} in the order of play.
    routes: the table. Every phase of it must have an objective and the other way round.
    play: the order where it is not the objectives' own; naming a phase twice plays it twice.
    every: {phase: steps} for phases that are not played at each step.
    window: {phase: (start, stop)}, steps; a stop of 0 is no stop.
    round_steps: windows begin anew after so many steps; 0: never.
    lazy: {phase: {loss: steps}} for rows that count at every n-th step only.
    anneal: {phase: {loss: (end factor, steps, shape)}}, see schedules.py.
  """
  _known('phase', routes, 'routes', objectives, 'the method')
  _complete('phase', objectives, 'the method', routes, 'routes')
  every, window, lazy, anneal = (dict(x or {}) for x in (every, window, lazy, anneal))
  for field_name, given in (('every', every), ('window', window), ('lazy', lazy), ('anneal', anneal)):
    for name in given:
      if name not in objectives:
        raise UserError(
          f'{field_name}.{name}: there is no such phase; the phases are {listing(objectives)}.'
        )
  for name, steps in every.items():
    if steps < 1:
      raise UserError(f'every.{name}={steps} must be at least 1 (1 plays the phase at each step).')
  order = tuple(play) or tuple(objectives)
  _known('phase', order, 'play', objectives, 'the method')
  _complete('phase', objectives, 'the method', order, 'play')
  phases = {}
  for name, objective in objectives.items():
    rows = {
      loss: {group: float(weight) for group, weight in row.items() if weight}
      for loss, row in routes[name].items()
    }
    start, stop = window.get(name, (0, 0))
    if round_steps and start >= round_steps:
      raise UserError(
        f'window.{name} begins at step {start} of a round of round_steps={round_steps}: it never opens.'
      )
    for field_name, given in (('lazy', lazy), ('anneal', anneal)):
      for loss in given.get(name, ()):
        if loss not in rows:
          raise UserError(
            f'{field_name}.{name}.{loss}: routes.{name} has no such row; it has {listing(rows)}.'
          )
    phases[name] = Phase(
      name,
      objective,
      rows,
      every.get(name, 1),
      start,
      stop or None,
      dict(lazy.get(name, {})),
      {
        loss: schedules.schedule(1.0, entry, f'anneal.routes.{name}.{loss}')
        for loss, entry in anneal.get(name, {}).items()
      },
      round_steps,
    )
  return tuple(phases[name] for name in order)


Active = tuple[tuple[int, tuple[str, ...]], ...]
"""((position of a phase, losses that it leaves out), ...): what one step plays; hashable."""


def active(phases: Iterable[Phase], step: int) -> Active:
  """What step `step` (from 0) plays."""
  found = []
  for i, phase in enumerate(phases):
    played = phase.at(step)
    if played is not None:
      found.append((i, tuple(loss for loss in phase.weights if loss not in played.weights)))
  return tuple(found)


def played(phases: Iterable[Phase], active: Active) -> list[tuple[int, Phase]]:
  """[(position, phase as it is played)] of an `Active`."""
  phases = tuple(phases)
  return [(i, phases[i].without(left_out)) for i, left_out in active]


def cycle(actives: tuple[Active, ...]) -> int:
  """The length of the shortest pattern that `actives` repeats; the last time it may be cut short."""
  return next(p for p in range(1, len(actives) + 1) if actives[p:] == actives[:-p])


def lazy_updates(phases: Iterable[Phase]) -> dict[str, float]:
  """{group: updates a step that it gets from lazy phases, beside those of its main one}.

  The main phase of a group is the one that moves it most often: a generator that is played at every
  fifth step is not lazily regularised, it is a generator after five critic steps.
  """
  often: dict[str, list[float]] = {}
  for phase in phases:
    for group in phase.groups:
      often.setdefault(group, []).append(1 / phase.every)
  updates = {}
  for group, rates in often.items():
    lazy = [rate for rate in rates if rate < max(rates)]
    if lazy:
      updates[group] = sum(lazy) / max(rates)
  return updates


def check(
  phases: Iterable[Phase],
  offered: Mapping[str, Mapping[str, bool]],
  groups: Iterable[str],
  frozen: Iterable[str] = (),
):
  """Raises UserError where the table and the method do not fit each other.

  Args:
    offered: {phase: {loss that its objective offers: whether it is a thunk}}. What is no thunk is
      computed in any case, and must have a row.
    groups: the parameter groups there are.
    frozen: groups that are meant to be trained by nothing.
  """
  groups, frozen = list(groups), list(frozen)
  trained = set()
  for phase in phases:
    where, offers = f'routes.{phase.name}', offered[phase.name]
    computed = [loss for loss, thunk in offers.items() if not thunk]
    _known('loss', phase.weights, where, offers, 'the objective')
    _complete('loss', computed, 'the objective', phase.weights, where)
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


def _known(kind: str, asked, asked_where: str, known, known_where: str):
  """Raises UserError if something is asked for that is not known."""
  for name in asked:
    if name not in known:
      raise UserError(
        f'{asked_where} names the {kind} {name!r}, which {known_where} does not have; it has '
        f'{listing(known, 40)}.'
      )


def _complete(kind: str, known, known_where: str, asked, asked_where: str):
  """Raises UserError if there is no row for something that there is."""
  for name in known:
    if name not in asked:
      raise UserError(
        f'{known_where} has the {kind} {name!r}, but {asked_where} has no row for it: add one '
        f'({name} = {{}} if it is to train nothing).'
      )


def title(phase: Phase, times: int = 1) -> str:
  """'refine x2', 'regularise /16', 'pretrain 0..500': a phase with when it is played."""
  words = [phase.name]
  words += [f'x{times}'] if times > 1 else []
  words += [f'/{phase.every}'] if phase.every > 1 else []
  if phase.start or phase.stop:
    words += [f'{phase.start}..{phase.stop or ""}' + (f' of {phase.round}' if phase.round else '')]
  return ' '.join(words)


def describe(
  phases: Iterable[Phase],
  groups: Iterable[str],
  offered: Mapping[str, Iterable[str]] | None = None,
  last_step: int | None = None,
) -> str:
  """The table as text, one row for each phase and loss, a dot for a missing cell.

  Args:
    offered: {phase: losses that its objective offers}; those without a row are named below the table.
    last_step: shows weights that change as '0.5 -> 0.05', from the first step to this.
  """
  phases, groups, left = list(phases), sorted(groups), []
  rows = [['phase', 'loss', *groups]]
  for phase in {phase.name: phase for phase in phases}.values():
    name = title(phase, sum(other.name == phase.name for other in phases))
    for loss, row in phase.weights.items():
      shown = f'{loss} /{phase.lazy[loss]}' if loss in phase.lazy else loss
      cells = (_cell(phase, loss, row[g], last_step) if g in row else '.' for g in groups)
      rows.append([name, shown, *cells])
    left += [f'{phase.name}/{x}' for x in (offered or {}).get(phase.name, ()) if x not in phase.weights]
  widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
  lines = [
    '  '.join(
      cell.ljust(width) if i < 2 else cell.rjust(width)
      for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in rows
  ]
  return '\n'.join(lines + [f'not asked: {", ".join(left)}'] * bool(left))


def _cell(phase: Phase, loss: str, weight: float, last_step: int | None) -> str:
  if loss not in phase.factors or last_step is None:
    return f'{weight:g}'
  first, last = (weight * float(phase.factors[loss](step)) for step in (0, last_step))
  return f'{first:g} -> {last:.3g}'
