"""What a study trains: a pure function of its file, whatever was trained before.

A study file defines `get_study()`, which fills a `Study`: a recipe, cells (the rows of the table: what
is compared), axes that every cell is crossed with (a grid), and laws that some fields are drawn from.
Each cell gets the same number of draws, steps, examples and evaluations: of two losses, that one is not
better which was tuned longer (Lucic et al., NeurIPS 2018, arXiv 1711.10337).

Draw 0 has the recipe's own values; draw i > 0 of a cell comes from default_rng([study.seed, crc32(cell),
i]), field by field in sorted order. So further cells and draws leave all others as they are. The words
of an axis share the draws of their cell.

*Where we differ* from google/compare_gan: its draws come from one generator that is consumed loss by
loss, where a loss more changes all that follow.
"""

import dataclasses
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.errors import UserError, listing

FRESH = 1000  # the first seed of those that confirm: no draw was chosen by it
RECIPE = 'config'  # a cell's recipe, among its fields
OPEN = (
  'routes', 'optimizer_of', 'every', 'window', 'lazy', 'anneal', 'copies', 'losses', 'parts', 'events',
)  # fmt: skip
"""Parts of a config whose entries a study may add: the others' fields are those of the recipe."""


@dataclass(frozen=True)
class Law:
  """What a field is drawn from: `kind` of KINDS, with its `values`."""

  kind: str
  values: tuple

  def draw(self, rng: np.random.Generator):
    return KINDS[self.kind](rng, *self.values)


KINDS: dict[str, Callable] = {
  'uniform': lambda rng, low, high: float(rng.uniform(low, high)),
  'log_uniform': lambda rng, low, high: float(10 ** rng.uniform(np.log10(low), np.log10(high))),
  'one_of': lambda rng, *values: values[rng.integers(len(values))],
}


def uniform(low: float, high: float) -> Law:
  return Law('uniform', (low, high))


def log_uniform(low: float, high: float) -> Law:
  """10^U(log low, log high)."""
  return Law('log_uniform', (low, high))


def one_of(*values) -> Law:
  return Law('one_of', values)


@dataclass
class Study:
  """What is compared, and how; fields are named with dots, as behind --config.

  Attributes:
    config: the recipe, with its words. A cell may have another one, as its field `config`.
    own: the recipe of a classifier that is trained first, and is then the network `own` of metrics.
    fixed: {field: value} of all runs. None removes an entry, such as a row of the table.
    cells: {cell: {field: value}}.
    axes: {field: (value, ...)}, or {axis: {word: {field: value}}} where a word is more than a field.
    search: {field: law} of all cells; search_of: {cell: {field: law}}.
    draws: of each cell, the recipe's own values among them; 1: nothing is drawn.
    seeds: of each draw.
    confirm_seeds: fresh ones, that the best draw of each cell is trained with again.
    together: the seeds of a draw are trained in one program (config.seeds).
    metric: that decides, with its number of images; also: further ones, for results.csv.
    seed: of the draws.
  """

  config: str = ''
  own: str = ''
  fixed: dict[str, Any] = field(default_factory=dict)
  cells: dict[str, dict[str, Any]] = field(default_factory=lambda: {'recipe': {}})
  axes: dict[str, Any] = field(default_factory=dict)
  search: dict[str, Law] = field(default_factory=dict)
  search_of: dict[str, dict[str, Law]] = field(default_factory=dict)
  draws: int = 1
  seeds: int = 1
  confirm_seeds: int = 0
  together: bool = False
  metric: str = ''
  also: tuple[str, ...] = ()
  seed: int = 0

  @property
  def searched(self) -> list[str]:
    """All fields that are drawn, sorted."""
    return sorted({*self.search, *itertools.chain(*self.search_of.values())})


@dataclass(frozen=True)
class Run:
  """One training: a draw of a group, with a seed."""

  group: tuple[str, ...]  # the cell, and a word of each axis
  draw: int
  seed: int
  fields: Mapping[str, Any]
  drawn: Mapping[str, Any]

  @property
  def confirms(self) -> bool:
    """Whether its seed is one that no draw was chosen by."""
    return self.seed >= FRESH


def check(study: Study):
  """Raises UserError for a study that cannot be planned."""
  if not study.config or not study.metric:
    raise UserError('a study names a recipe (study.config) and the metric that decides (study.metric).')
  if unknown := set(study.search_of) - set(study.cells):
    raise UserError(
      f'study.search_of names {listing(sorted(unknown))}, and the cells are {listing(study.cells, 30)}.'
    )
  if bad := [name for name in (*study.cells, *_words(study)) if not name or set(name) & set('/\\,|')]:
    raise UserError(f'{listing(bad)}: cells and words of axes name folders, without / , and |.')
  if study.draws > 1 and not study.searched:
    raise UserError(f'study.draws={study.draws}, and there is nothing to draw: name study.search.')
  for name in ('draws', 'seeds'):
    if not 1 <= getattr(study, name) <= FRESH:
      raise UserError(f'study.{name}={getattr(study, name)} must be between 1 and {FRESH}.')


def planned(study: Study) -> list[Run]:
  """All runs but those that confirm: cells, axes, draws, seeds, in this order."""
  return [
    Run(group, draw, seed, fields | drawn, drawn)
    for group, fields in groups(study)
    for draw in range(study.draws)
    for drawn in [draw_of(study, group[0], draw)]
    for seed in range(study.seeds)
  ]


def confirming(study: Study, best: Mapping[tuple[str, ...], int]) -> list[Run]:
  """The runs that repeat the best draw of each group with fresh seeds."""
  return [
    Run(group, best[group], FRESH + k, fields | drawn, drawn)
    for group, fields in groups(study)
    if group in best
    for drawn in [draw_of(study, group[0], best[group])]
    for k in range(study.confirm_seeds)
  ]


def groups(study: Study) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
  """((cell, word of each axis), its fields), in the order of the file."""
  axes = [
    axis.items() if isinstance(axis, Mapping) else [(str(value), {name: value}) for value in axis]
    for name, axis in study.axes.items()
  ]
  for cell, own in study.cells.items():
    for words in itertools.product(*axes):
      fields = dict(study.fixed) | own
      for _, more in words:
        fields |= more
      yield (cell, *(word for word, _ in words)), fields


def axes_of(study: Study) -> list[str]:
  """The names of the axes: of those that are fields, the last part."""
  return [name.split('.')[-1] for name in study.axes]


def draw_of(study: Study, cell: str, draw: int) -> dict[str, Any]:
  """The values of draw `draw` of a cell; of the recipe's own, nothing."""
  if not draw:
    return {}
  laws = study.search | study.search_of.get(cell, {})
  rng = np.random.default_rng([study.seed, zlib.crc32(cell.encode()), draw])
  return {name: laws[name].draw(rng) for name in sorted(laws)}


def config_of(run: Run, study: Study, load: Callable[[str], ConfigDict]) -> ConfigDict:
  """The config of a run; `load` makes that of a recipe. Raises UserError for a field there is not."""
  fields = dict(run.fields)
  config = load(fields.pop(RECIPE, study.config)).copy_and_resolve_references()
  with config.unlocked():
    for name, value in fields.items():
      _set(config, name, value)
    config.seed = run.seed
  return config


UNTRACED = (
  'data', 'evaluation', 'start', 'anneal', 'batch_size', 'num_steps', 'seed', 'seeds', 'sample_count',
  'sample_every_steps', 'log_every_steps', 'checkpoint_every_steps', 'evaluate_every_steps',
)  # fmt: skip
"""Fields that no trace of a phase depends on."""


def kind(value):
  """What a trace of a phase depends on of a config or a field: of a float, whether it is 0."""
  if isinstance(value, ConfigDict):
    return {name: kind(x) for name, x in value.items() if name not in UNTRACED}
  if isinstance(value, list | tuple):
    return [kind(x) for x in value]
  return bool(value) if isinstance(value, float) else value


def _set(config: ConfigDict, name: str, value):
  *parts, last = name.split('.')
  place = config
  for number, part in enumerate(parts):
    if part not in place and number and parts[0] in OPEN:
      place[part] = ConfigDict()
    if part not in place or not isinstance(place[part], ConfigDict):
      raise UserError(f'the study sets {name}, and the recipe has no {".".join(parts[: number + 1])}.')
    place = place[part]
  if value is None:
    if last in place:
      del place[last]
    return
  if last not in place and name.split('.')[0] not in OPEN:
    raise UserError(f'the study sets {name}, and the recipe has {listing(place, 40)} there.')
  old = place.get(last)
  value = float(value) if isinstance(old, float) and type(value) is int else value
  try:
    place[last] = ConfigDict(value) if isinstance(value, dict) else value
  except (TypeError, ValueError) as error:
    raise UserError(f'the study sets {name}={value!r}, where the recipe has {old!r}.') from error


def to_json(study: Study) -> dict:
  """Plain values, which `from_json` reads."""
  return dataclasses.asdict(study)


def from_json(found: Mapping) -> Study:
  """The study that `to_json` wrote."""

  def laws(rows):
    return {name: Law(row['kind'], tuples(row['values'])) for name, row in rows.items()}

  found = {name: tuples(value) for name, value in found.items()}
  found['search'] = laws(found['search'])
  found['search_of'] = {cell: laws(rows) for cell, rows in found['search_of'].items()}
  return Study(**found)


def tuples(value):
  """JSON has lists where a study has tuples."""
  if isinstance(value, Mapping):
    return {name: tuples(x) for name, x in value.items()}
  return tuple(map(tuples, value)) if isinstance(value, list | tuple) else value


def changed(old: Iterable[Run], new: Iterable[Run]) -> list[Run]:
  """The runs of `old` that `new` has with other fields."""
  fields = {(run.group, run.draw, run.seed): tuples(run.fields) for run in new}
  return [
    run for run in old
    if tuples(run.fields) != fields.get((run.group, run.draw, run.seed), tuples(run.fields))
  ]  # fmt: skip


def _words(study: Study) -> Iterator[str]:
  return (word for group, _ in groups(study) for word in group[1:])
