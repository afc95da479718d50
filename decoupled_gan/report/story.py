"""What a workdir tells of its run, read from its files alone: nothing is computed, JAX is not needed."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_collections import ConfigDict

from decoupled_gan import defaults
from decoupled_gan.run.metrics_file import SCORES
from decoupled_gan.run.workdir import Workdir, differences, flatten

LONGEST = 60  # characters of a value that is shown


@dataclass(frozen=True)
class Story:
  """A run, as far as its files tell.

  Attributes:
    rows: of metrics.jsonl: {'step': n, '<phase>/<loss>': value, 'time/...': ..., 'evaluate/...': ...}.
    scores: of evaluations.jsonl, see evaluation/table.py.
    samples: (step, path of the grid), oldest first.
    starts: of run.json, see diary.py.
    problems: what could not be read, a sentence each.
    best: the step of the best checkpoint that is kept, if checkpoints were scored.
  """

  workdir: Workdir
  config: ConfigDict
  rows: tuple[Mapping, ...]
  scores: tuple[Mapping, ...]
  samples: tuple[tuple[int, Path], ...]
  starts: tuple[Mapping, ...]
  problems: tuple[str, ...]
  best: int | None = None

  @property
  def name(self) -> str:
    return self.workdir.path.name

  @property
  def step(self) -> int:
    """The newest step that left a line or a grid."""
    return max([row['step'] for row in self.rows] + [step for step, _ in self.samples], default=0)

  @property
  def state(self) -> str:
    """running, done, stopped or failed: as run.json says, or by the steps where there is none."""
    if self.starts:
      how = str(self.starts[-1].get('how', ''))
      return 'failed' if how.startswith('failed') else how
    return 'done' if self.step >= self.config.num_steps else 'not finished'

  def curves(self, evaluations: bool) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """{phase: {loss: points}}, or of evaluations {metric: {task: points}}. Finite values only."""
    found: dict[str, dict[str, list]] = {}
    for row in self.rows:
      for name, value in row.items():
        is_score = name.startswith(SCORES)
        if name == 'step' or is_score != evaluations or name.startswith('time/') or '#' in name:
          continue
        if not isinstance(value, int | float) or not math.isfinite(value):
          continue
        first, _, second = name.removeprefix(SCORES).partition('/')
        outer, inner = (second, first) if is_score else (first, second)
        found.setdefault(outer, {}).setdefault(inner, []).append((row['step'], float(value)))
    return found

  def broken(self) -> dict[str, int]:
    """{loss: how many of its logged values were not finite}."""
    counts: dict[str, int] = {}
    for row in self.rows:
      for name, value in row.items():
        if isinstance(value, float) and not math.isfinite(value):
          counts[name] = counts.get(name, 0) + 1
    return counts

  def seconds_per_step(self) -> float | None:
    """The median of what was logged."""
    found = sorted(x for row in self.rows if (x := row.get('time/seconds_per_step')) is not None)
    return found[len(found) // 2] if found else None

  def changed_fields(self) -> list[tuple[str, str, str]]:
    """(field, default, the run's) where the run differs from the defaults of every run."""
    found = differences(defaults.get_config().copy_and_resolve_references(), self.config)
    return [(name, short(old), short(new)) for name, (old, new) in found.items()]


def read(workdir: Workdir) -> Story:
  """The story of the run in a folder; raises UserError if there is none."""
  config, problems = workdir.load_config(), []
  rows = _lines(workdir.metrics_file, problems, needs='step')
  scores = _lines(workdir.path / 'evaluations.jsonl', problems, needs='metric')
  starts = _starts(workdir, problems)
  found = tuple(rows), tuple(scores), _samples(workdir), tuple(starts), tuple(problems)
  return Story(workdir, config, *found, _best(workdir))


def fields(story: Story) -> dict[str, str]:
  """{field: value} of the whole config, as text."""
  return {name: short(value) for name, value in flatten(story.config).items()}


def short(value) -> str:
  """A value in a table's cell."""
  text = '' if value is None else repr(value)
  return text if len(text) <= LONGEST else f'{text[: LONGEST - 1]}…'


def _lines(path: Path, problems: list[str], needs: str) -> list[dict]:
  """JSON objects of a file, a line each; damaged ones are left out, and told."""
  try:
    text = path.read_text(encoding='utf-8', errors='replace')
  except OSError:
    return []
  found, bad = [], []
  lines = text.splitlines()
  for number, line in enumerate(lines, 1):
    try:
      row = json.loads(line)
      row[needs]
      found.append(row)
    except (ValueError, TypeError, KeyError):
      bad.append(number)
  if bad and not (bad == [len(lines)] and not text.endswith('\n')):  # a run may be writing it
    shown = ', '.join(map(str, bad[:5])) + (', ...' if len(bad) > 5 else '')
    problems.append(f'{path.name}: {len(bad)} damaged lines ({shown}) are left out.')
  return found


def _starts(workdir: Workdir, problems: list[str]) -> list[dict]:
  path = workdir.path / 'run.json'
  try:
    found = json.loads(path.read_text(encoding='utf-8'))
    if isinstance(found, list) and all(isinstance(x, dict) for x in found):
      return found
  except FileNotFoundError:
    problems.append('there is no run.json: commands, versions and data of this run are not known.')
    return []
  except (OSError, ValueError):
    pass
  problems.append('run.json is damaged: commands, versions and data of this run are not known.')
  return []


def _best(workdir: Workdir) -> int | None:
  """As Checkpoints.best, from the files that orbax wrote; None where none was scored."""
  scores = {}
  try:
    for folder in workdir.checkpoints.iterdir():
      if folder.name.isdecimal():
        meta = json.loads((folder / 'meta' / 'metadata').read_text(encoding='utf-8'))
        scores[int(folder.name)] = meta['score']
  except (OSError, ValueError, TypeError, KeyError):
    return None
  scores = {step: score for step, score in scores.items() if score}
  if not scores:
    return None
  newest = scores[max(scores)]
  same = {step: x['value'] for step, x in scores.items() if x['metric'] == newest['metric']}
  return (min if newest['better'] == 'lower' else max)(same, key=same.get)


def _samples(workdir: Workdir) -> tuple[tuple[int, Path], ...]:
  try:
    files = list(workdir.samples.iterdir())
  except OSError:
    return ()
  named = [
    (found, path) for path in files if (found := re.fullmatch(r'(\d+)(-seed\d+)?\.png', path.name))
  ]
  return tuple(sorted((int(found[1]), path) for found, path in named))
