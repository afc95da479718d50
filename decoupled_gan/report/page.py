"""report.html: a run, or several beside each other, as one page that opens from disk.

No request leaves the page but for the grids beside it, and none at all where they are inside. Names, of
runs, losses, files, are a stranger's until escaped: the template escapes everything.
"""

import base64
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import jinja2

from decoupled_gan.errors import UserError
from decoupled_gan.machine import paths
from decoupled_gan.report import charts, story
from decoupled_gan.report.story import Story
from decoupled_gan.run.workdir import Workdir

NAME = 'report.html'
MOST_PICTURES = 60  # of a run, evenly chosen, the newest always
MOST_BYTES = 50_000_000  # of pictures inside a page
BEGINNING = b'<!doctype html>\n<!-- decoupled_gan'
SAME = ('data', 'image_size', 'sample_count', 'seed', 'attributes')
"""Fields that decide which test images a grid shows."""


def write(workdir: Workdir, self_contained: bool = False) -> Path:
  """Writes the page of a run into its workdir; its path."""
  return _write([story.read(workdir)], workdir.path / NAME, self_contained)


def compare(workdirs: Sequence[Workdir], output: str, self_contained: bool = False) -> Path:
  """Writes the page of one run or of several, beside each other, as the file `output`; its path."""
  target = paths.get(output)
  if target.suffix not in ('.html', '.htm'):
    raise UserError(f'--output={output}: a page is a file that ends in .html.')
  paths.check_ours(target, '--output', (BEGINNING,))
  names = [workdir.path for workdir in workdirs]
  if len(set(names)) < len(names):
    raise UserError('--workdir names a run twice: name each once.')
  return _write([story.read(workdir) for workdir in workdirs], target, self_contained)


def _write(stories: Sequence[Story], target: Path, self_contained: bool) -> Path:
  paths.write(target, html(stories, target.parent, self_contained))
  return target


def html(stories: Sequence[Story], folder: Path, self_contained: bool = False) -> str:
  """The page, which is to lie in `folder`."""
  runs = [_shown(x, folder, self_contained) for x in stories]
  if self_contained:
    size = sum(len(picture['src']) for run in runs for picture in run['pictures'])
    if size > MOST_BYTES:
      raise UserError(
        f'the pictures are {size / 1e6:.0f} MB, and a page holds {MOST_BYTES / 1e6:.0f}: leave '
        '--self_contained out, or move some of the samples away.'
      )
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True,
    lstrip_blocks=True, undefined=jinja2.StrictUndefined,
  )  # fmt: skip
  together = _together(stories) if len(stories) > 1 else None
  return environment.get_template('page.html').render(runs=runs, together=together)


def chosen(samples: Sequence) -> list:
  """At most MOST_PICTURES of the samples, evenly; the newest always."""
  if len(samples) <= MOST_PICTURES:
    return list(samples)
  last = len(samples) - 1
  return [samples[round(i * last / (MOST_PICTURES - 1))] for i in range(MOST_PICTURES)]


def _shown(found: Story, folder: Path, self_contained: bool) -> dict:
  """What the template shows of a run."""
  latest = found.starts[-1] if found.starts else {}
  return {
    'name': found.name,
    'path': str(found.workdir.path),
    'method': found.config.method,
    'step': found.step,
    'steps': found.config.num_steps,
    'state': found.state,
    'how': str(latest.get('how', '')),
    'pictures': [
      {'step': step, 'src': _source(path, folder, self_contained)}
      for step, path in chosen(found.samples)
    ],
    'audit': _audit(found, folder, self_contained),
    'evaluations': [
      charts.chart(tasks, metric, found.best, _levels(found, metric))
      for metric, tasks in found.curves(evaluations=True).items()
    ],
    'losses': [charts.chart(losses, phase) for phase, losses in found.curves(evaluations=False).items()],
    'broken': found.broken(),
    'scores': [_score(row) for row in found.scores],
    'start': latest,
    'starts': found.starts,
    'parameters': {
      str(group): f'{count:,}' for group, count in _items(latest, 'parameters') if isinstance(count, int)
    },
    'command': command_of(latest),
    'changed': found.changed_fields(),
    'seconds': found.seconds_per_step(),
    'best': found.best,
    'problems': found.problems,
  }


def _together(stories: Sequence[Story]) -> dict:
  """What several runs have in common and where they differ."""
  told = [story.fields(x) for x in stories]
  names = sorted({name for fields in told for name in fields})
  differing = [
    (name, [fields.get(name, '') for fields in told])
    for name in names
    if len({fields.get(name, '') for fields in told}) > 1
  ]
  apart = [name for name, _ in differing if name.split('.')[0] in SAME]
  return {
    'fields': differing,
    'apart': apart,
    'losses': _over(stories, evaluations=False),
    'evaluations': _over(stories, evaluations=True),
  }


def _over(stories: Sequence[Story], evaluations: bool) -> list:
  """A chart for each curve that at least two runs have, the runs' lines over each other."""
  found: dict[str, dict[str, list]] = {}
  for number, one in enumerate(stories, 1):
    for outer, curves in one.curves(evaluations).items():
      for inner, points in curves.items():
        found.setdefault(f'{outer}/{inner}', {})[f'{number} {one.name}'] = points
  return [charts.chart(lines, title) for title, lines in found.items() if len(lines) > 1]


def _source(path: Path, folder: Path, self_contained: bool) -> str:
  """What an img element loads: a relative path, or the picture itself."""
  if self_contained:
    return f'data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}'
  if paths.is_remote(path) or paths.is_remote(folder):
    return quote(str(path).removeprefix(f'{folder}/'))
  return quote(Path(os.path.relpath(path, folder)).as_posix(), errors='surrogateescape')


def _audit(found: Story, folder: Path, self_contained: bool) -> str:
  path = found.workdir.path / 'routes.png'
  return _source(path, folder, self_contained) if path.is_file() else ''


def _score(row) -> dict:
  value, low, high = (row.get(name) for name in ('value', 'low', 'high'))
  numbers = all(isinstance(x, int | float) for x in (low, high))
  return {
    'task': row.get('task', ''),
    'metric': row['metric'],
    'images': row.get('images', ''),
    'step': row.get('checkpoint'),
    'value': f'{value:.4g}' if isinstance(value, int | float) else '',
    'interval': f'{low:.4g} to {high:.4g}' if numbers else '',
    'protocol': row.get('protocol', ''),
  }


def _levels(found: Story, metric: str) -> dict[str, float]:
  """{'<task> <baseline>': value} of images that are made without learning, on the curve's scale."""
  own = found.config.method  # as the model's own images are called there
  rows = [x for x in found.scores if x['metric'] == metric and x.get('images') not in (own, None)]
  return {
    f'{row.get("task", "")} {row["images"]}': row['value'] / (row.get('scale') or 1)
    for row in rows
    if isinstance(row.get('value'), int | float)
  }


def _items(start, field: str):
  found = start.get(field)
  return found.items() if isinstance(found, dict) else ()


def command_of(start) -> str:
  """What was typed, as a shell takes it."""
  arguments = start.get('arguments') or []
  words = [os.path.basename(str(x)) if i == 0 else str(x) for i, x in enumerate(arguments)]
  if words and words[0].endswith('.py'):
    words.insert(0, 'python')
  return shlex.join(words)
