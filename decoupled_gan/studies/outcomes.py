"""A study's folder, and what became of its runs: read from the runs' own files, kept nowhere else.

  study.json                  the study as it was last planned
  own/                        the classifier that is the network `own`, where there is one
  runs/<cell>,<word>/<draw>-<seed>/    an ordinary run each, with log.txt
  processes.jsonl             what each process took
  results.csv, report.md, results.png  see report.py

A run is finished when it has the study's metric at its last step and that step's checkpoint, or when it
diverged: its process ended with errors.Diverged's code, which the runner notes in diverged.json.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from decoupled_gan.machine import paths
from decoupled_gan.run.metrics_file import SCORES
from decoupled_gan.run.workdir import Workdir, flatten
from decoupled_gan.studies.plan import Run, Study, from_json, to_json
from decoupled_gan.studies.statistics import worst

DONE, DIVERGED, MISSING = 'done', 'diverged', 'missing'
PLACES = ('compilation_cache', 'evaluation.own')  # fields that say where things lie, not what is done


@dataclass(frozen=True)
class Measure:
  """A metric as the runs' logs name it, which value of it is better, and further ones."""

  title: str
  better: str
  also: tuple[str, ...] = ()

  @property
  def worst(self) -> float:
    return worst(self.better)


@dataclass(frozen=True)
class Outcome:
  """What became of a run; `value` is the metric's, the worst there is where it diverged."""

  status: str
  value: float = math.nan
  steps: int = 0
  config: str = ''  # its hash
  also: dict[str, float] = field(default_factory=dict)


class Folder:
  """The folder of a study."""

  def __init__(self, path: Path):
    self.path = path
    self.study_file = path / 'study.json'
    self.own = path / 'own'
    self.processes = path / 'processes.jsonl'

  def save(self, study: Study):
    paths.write(self.study_file, json.dumps(to_json(study), indent=1) + '\n')

  def load(self) -> Study | None:
    """The study that was planned here; None if none was."""
    return from_json(json.loads(self.study_file.read_text())) if self.study_file.exists() else None

  def run(self, unit: Sequence[Run]) -> Path:
    """Where a run is trained, or several seeds of one draw in one program."""
    first, last = unit[0], unit[-1]
    seeds = str(first.seed) if len(unit) == 1 else f'{first.seed}..{last.seed}'
    return self.path / 'runs' / ','.join(first.group) / f'{first.draw}-{seeds}'

  def seconds(self, unit: Sequence[Run]) -> float:
    """What its processes took together."""
    name = str(self.run(unit).relative_to(self.path))
    return sum(row['seconds'] for row in _lines(self.processes) if row['run'] == name)

  def note(self, unit: Sequence[Run], seconds: float, code: int):
    row = {'run': str(self.run(unit).relative_to(self.path)), 'seconds': round(seconds, 2), 'code': code}
    paths.append(self.processes, json.dumps(row) + '\n')


def units_of(study: Study, runs: Sequence[Run], folder: Folder) -> list[tuple[Run, ...]]:
  """What is trained by one process each: a run, or all seeds of a draw where the study says so.

  Seeds whose common program diverged are trained alone, so that one does not cost the others.
  """
  if not study.together:
    return [(run,) for run in runs]
  found: dict[tuple, list[Run]] = {}
  for run in runs:
    found.setdefault((run.group, run.draw, run.confirms), []).append(run)
  units = []
  for unit in map(tuple, found.values()):
    apart = (folder.run(unit) / 'diverged.json').exists()
    units += [(run,) for run in unit] if apart else [unit]
  return units


def outcomes(folder: Folder, unit: Sequence[Run], measure: Measure) -> list[Outcome]:
  """What became of each run of a unit."""
  where = Workdir(folder.run(unit))
  if not where.config_file.exists():
    return [Outcome(MISSING)] * len(unit)
  config = where.load_config()
  told = _digest(config)
  if (note := where.path / 'diverged.json').exists():
    step = json.loads(note.read_text())['step']
    return [Outcome(DIVERGED, measure.worst, step, told)] * len(unit)
  rows = [row for row in _lines(where.metrics_file) if row.get('step') == config.num_steps]
  scalars = {name: value for row in rows for name, value in row.items()}
  if not (where.checkpoints / str(config.num_steps)).exists():
    return [Outcome(MISSING)] * len(unit)
  found = []
  for run in unit:
    seed = f'#{run.seed}' if len(unit) > 1 else ''
    values = {title: _mean(scalars, title + seed) for title in (measure.title, *measure.also)}
    value = values.pop(measure.title)
    if math.isnan(value):
      found.append(Outcome(MISSING))
    else:
      found.append(Outcome(DONE, value, config.num_steps, told, values))
  return found


def _mean(scalars: dict, title: str) -> float:
  """The metric's mean over tasks; NaN where there is none."""
  found = [x for name, x in scalars.items() if name.startswith(SCORES) and name.split('/')[-1] == title]
  return sum(found) / len(found) if found else math.nan


def _digest(config) -> str:
  """Twelve digits of what a run does, wherever it lies."""
  fields = {name: value for name, value in flatten(config).items() if name not in PLACES}
  return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _lines(path: Path) -> list[dict]:
  """The lines of a file of JSON objects; one that a kill cut short is none."""
  if not path.exists():
    return []
  found = []
  for line in path.read_text(encoding='utf-8').splitlines():
    try:
      found.append(json.loads(line))
    except ValueError:
      continue
  return found
