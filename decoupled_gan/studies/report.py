"""What a study found: results.csv, a line a run, and report.md, a table of its groups.

A group is a cell with a word of each axis. What chose the best draw is never what is reported of it:
the smallest of n noisy numbers flatters whoever drew it. So the best draw of a group is trained again
with fresh seeds, and only those are its mean and spread (`confirmed`). Where nothing was drawn nothing
was chosen, and the runs themselves are reported.

results.csv has no times, which differ from machine to machine: the same study gives the same bytes,
however often it was killed.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decoupled_gan.studies import statistics
from decoupled_gan.studies.outcomes import DIVERGED, DONE, MISSING, Folder, Measure, Outcome, outcomes
from decoupled_gan.studies.plan import Run, Study, axes_of

BEST_OF = (5, 10)


@dataclass(frozen=True)
class Entry:
  """A run with what became of it; `seconds` is its share of what its process took."""

  run: Run
  outcome: Outcome
  seconds: float

  @property
  def finished(self) -> bool:
    return self.outcome.status != MISSING


def entries(folder: Folder, units: Sequence[Sequence[Run]], measure: Measure) -> list[Entry]:
  """All runs, in the plan's order."""
  found = []
  for unit in units:
    seconds = folder.seconds(unit) / len(unit)
    pairs = zip(unit, outcomes(folder, unit, measure), strict=True)
    found += [Entry(run, outcome, seconds) for run, outcome in pairs]
  return found


def best_draws(found: Sequence[Entry], measure: Measure) -> dict[tuple[str, ...], int]:
  """{group: its best draw}, by the mean over the seeds that are not fresh, of groups that are finished.

  A group all of whose draws diverged has none.
  """
  best = {}
  for group, runs in _grouped(found).items():
    means = {}
    for entry in runs:
      if not entry.run.confirms:
        means.setdefault(entry.run.draw, []).append(entry.outcome.value)
    means = {draw: float(np.mean(values)) for draw, values in means.items()}
    if any(not entry.finished for entry in runs) or not any(map(math.isfinite, means.values())):
      continue
    choose = min if measure.better == 'lower' else max
    best[group] = choose(means, key=means.get)  # of equal ones the first
  return best


def as_csv(study: Study, found: Sequence[Entry], measure: Measure) -> str:
  """results.csv: the runs that are finished, in the plan's order; floats in full."""
  axes, searched = axes_of(study), study.searched
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  heads = ['cell', *axes, 'draw', 'seed', 'confirms', *searched, measure.title, *measure.also]
  writer.writerow([*heads, 'status', 'steps', 'config'])
  for entry in found:
    run, outcome = entry.run, entry.outcome
    if entry.finished:
      drawn = [run.drawn.get(name, '') for name in searched]
      also = [outcome.also.get(title, '') for title in measure.also]
      told = [outcome.value if outcome.status == DONE else '', *also, outcome.status]
      row = [*run.group, run.draw, run.seed, int(run.confirms), *drawn, *told]
      writer.writerow([*row, outcome.steps, outcome.config])
  return text.getvalue()


@dataclass(frozen=True)
class Line:
  """A group in the table; see `HEADS`."""

  group: tuple[str, ...]
  runs: int
  diverged: int
  best: float
  median: tuple[float, float, float]
  expected: dict[int, float]
  confirmed: tuple[float, float, int, int]  # mean, standard deviation, finite runs, all
  rank: float
  seconds: float


def lines(study: Study, found: Sequence[Entry], measure: Measure) -> list[Line]:
  """A line for each group that has a finished run."""
  ranks, made = _ranks(found, measure), []
  for group, runs in _grouped(found).items():
    first = [e for e in runs if not e.run.confirms and e.finished]
    values = [e.outcome.value for e in first]
    if not values:
      continue
    fresh = [e for e in runs if e.run.confirms and e.finished] if study.draws > 1 else first
    sign = 1 if measure.better == 'lower' else -1
    made.append(
      Line(
        group, len(first), sum(e.outcome.status == DIVERGED for e in first),
        sign * min(sign * x for x in values), statistics.median_interval(values),
        {n: statistics.expected_best(values, n, measure.better) for n in BEST_OF if n <= len(values)},
        _spread([e.outcome.value for e in fresh]), ranks.get(group, math.nan),
        float(np.mean([e.seconds for e in first])),
      )
    )
  return made


def _spread(values: Sequence[float]) -> tuple[float, float, int, int]:
  finite = [x for x in values if math.isfinite(x)]
  mean = float(np.mean(finite)) if finite else math.nan
  return mean, float(np.std(finite, ddof=1)) if len(finite) > 1 else math.nan, len(finite), len(values)


def _ranks(found: Sequence[Entry], measure: Measure) -> dict[tuple[str, ...], float]:
  """Mean ranks over the blocks of one draw and seed that all groups have."""
  blocks: dict[tuple, dict] = {}
  for entry in found:
    if entry.finished and not entry.run.confirms:
      blocks.setdefault((entry.run.draw, entry.run.seed), {})[entry.run.group] = entry.outcome.value
  return statistics.mean_ranks(list(blocks.values()), measure.better)


def _grouped(found: Sequence[Entry]) -> dict[tuple[str, ...], list[Entry]]:
  groups: dict[tuple[str, ...], list[Entry]] = {}
  for entry in found:
    groups.setdefault(entry.run.group, []).append(entry)
  return groups


def as_table(study: Study, found: Sequence[Entry], measure: Measure) -> str:
  """report.md: the groups, and the mean rank of each cell and of each word of an axis."""
  made = lines(study, found, measure)
  counts = sorted({n for line in made for n in line.expected})
  best_of = [f'expected best of {n}' for n in counts] if study.draws > 1 else []
  confirmed = 'confirmed' if study.draws > 1 else 'mean and deviation'
  heads = ['cell', *axes_of(study), 'runs', 'diverged', 'best', 'median (95 %)', *best_of]
  heads += [confirmed, 'mean rank', 'seconds a run']
  rows = []
  for line in made:
    median, low, high = map(number, line.median)
    expected = [number(line.expected.get(n, math.nan)) for n in counts] if best_of else []
    cells = [*line.group, str(line.runs), str(line.diverged), number(line.best)]
    cells += [f'{median} ({low} to {high})', *expected, _confirmed(line.confirmed), number(line.rank)]
    rows.append([*cells, f'{line.seconds:.0f}'])
  finished = sum(e.finished for e in found)
  title = f'`{measure.title}`, {measure.better} is better; {finished} of {len(found)} runs.'
  return '\n'.join([title, '', *markdown(heads, rows), '', *_marginal(study, made)]) + '\n'


def _marginal(study: Study, made: Sequence[Line]) -> list[str]:
  """Mean ranks by cell, and by word of each axis."""
  if not study.axes:
    return []
  rows = []
  for place, name in enumerate(('cell', *axes_of(study))):
    for word in dict.fromkeys(line.group[place] for line in made):
      ranks = [line.rank for line in made if line.group[place] == word]
      rows.append([name, word, number(float(np.mean(ranks)))])
  return ['Mean ranks over all others:', '', *markdown(['of', '', 'mean rank'], rows)]


def _confirmed(spread: tuple[float, float, int, int]) -> str:
  mean, deviation, finite, count = spread
  if not count:
    return 'not yet'
  told = f'{number(mean)} +- {number(deviation)} ({finite})' if finite else ''
  return ', '.join(filter(None, [told, f'{count - finite} diverged' if finite < count else '']))


def number(x: float) -> str:
  """Four digits; a dash where there is none, a word for a run that diverged."""
  if math.isnan(x):
    return '-'
  return f'{x:.4g}' if math.isfinite(x) else 'diverged'


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
  """A table in Markdown."""
  cells = [heads, ['---'] * len(heads), *rows]
  return ['| ' + ' | '.join(row) + ' |' for row in cells]
