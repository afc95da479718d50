"""--mode=evaluate: numbers for a run's checkpoints or for two folders, each with its protocol.

Knows no method: what is generated and compared are the tasks that the method's module offers. The
table goes to the terminal, and one line for each number to evaluations.jsonl.
"""

import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

import decoupled_gan
from decoupled_gan import data, inference, metrics, paths, scoring
from decoupled_gan.checkpoint import Checkpoints
from decoupled_gan.data.folder import EXTENSIONS, FileImages, verify
from decoupled_gan.data.transforms import resize
from decoupled_gan.errors import UserError
from decoupled_gan.metrics import efficientnet, features, protocols
from decoupled_gan.metrics.registry import FEATURES, Request
from decoupled_gan.scoring import ImageSet, Score
from decoupled_gan.tasks import Task
from decoupled_gan.workdir import Workdir

GENERATED = 16  # images a call of a model, or a few more so that the devices divide it
PAIRED = ('mae', 'psnr')  # what is measured if nothing is asked and the truth is known
DEFAULTS = {'protocol': 'nice_gan', 'metrics': (), 'best_metric': '', 'images': 256}
"""config.evaluation, for runs from before it existed."""


def evaluate_run(
  workdir: Workdir, checkpoint: int | str | None = None, asked: str = '', protocol: str = ''
):
  """Scores checkpoints of a run.

  Args:
    checkpoint: a step, 'best' or 'all'; None for the latest.
    asked: metrics, separated by commas; '' for the config's.
    protocol: a word of PROTOCOLS; '' for the config's.
  """
  run = inference.open_run(workdir)
  config = run.config
  chosen = protocols.get(protocol or settings(config)['protocol'])
  dataset = data.load(config, run.method.BATCH)
  tasks = [(task, requested(asked, config, chosen, task)) for task in tasks_of(run, dataset)]
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    steps = checkpoints.steps if checkpoint == 'all' else [checkpoint]
  for number, step in enumerate(steps):
    trained = inference.restore(run, workdir, step)
    rows, everything = [], []
    for task, requests in tasks:
      real = real_images(task, chosen, config)
      for name, fake in _contestants(task, trained.variables, config, baselines=number == 0):
        truth = true_images(task, config)
        scores = scoring.score(requests, real, fake, chosen, config.seed, truth)
        rows += [_row(s, chosen, task.name, name, trained.step, config.seed) for s in scores]
        everything += scores
    title, path = f'{dataset.name}, step {trained.step}', workdir.path / 'evaluations.jsonl'
    report(rows, scoring.notes(everything), title, chosen, path)


def evaluate_folders(real: str, fake: str, asked: str, protocol: str, output: Path, seed: int = 0):
  """Scores the images of the folder `fake` against those of `real`; pairs have equal names."""
  chosen = protocols.get(protocol or DEFAULTS['protocol'])
  images = {'real': _folder('real', real), 'fake': _folder('fake', fake)}
  sets = {name: scoring.of_images(name, found) for name, found in images.items()}
  names = [_stems(x) for x in images.values()]
  truth = sets['real'] if names[0] == names[1] else None
  requests = _parse(asked.split(',')) if asked else available(chosen.metrics)
  scores = scoring.score(requests, sets['real'], sets['fake'], chosen, seed, truth)
  rows = [_row(s, chosen, 'folders', fake, None, seed) | {'real': real} for s in scores]
  report(rows, scoring.notes(scores), f'{fake} against {real}', chosen, output)


def settings(config: ConfigDict) -> dict:
  """config.evaluation, with the defaults of fields that an old run lacks."""
  return DEFAULTS | dict(config.get('evaluation', {}))


def tasks_of(run, dataset) -> list[Task]:
  """What the run's method generates; raises UserError if it offers nothing."""
  if not hasattr(run.method, 'tasks'):
    raise UserError(
      f'method={run.config.method!r} offers no tasks to evaluate: its module needs '
      '`tasks(run, dataset)`, see decoupled_gan/methods/__init__.py.'
    )
  return run.method.tasks(run, dataset)


def requested(asked: str, config: ConfigDict, protocol: protocols.Protocol, task: Task):
  """The requests of --metrics, else of the config, else those that suit the task."""
  names = asked.split(',') if asked else settings(config)['metrics']
  requests = _parse(names or PAIRED) if names or task.truth else available(protocol.metrics)
  scoring.networks(requests)  # told now if one is missing, not after an hour
  return requests


def available(names: Sequence[str]) -> list[Request]:
  """Requests for `names`; efficientnet_lite0 stands in for a network whose weights are missing."""
  requests = []
  for request in _parse(names):
    missing = request.metric.needs == FEATURES and not features.available(request.network)
    network = efficientnet.NAME if missing else request.network
    requests.append(Request(request.metric, request.count, network))
  return requests


def real_images(task: Task, protocol: protocols.Protocol, config: ConfigDict) -> ImageSet:
  """The reference of the protocol, at its size."""
  images = task.real[protocol.reference]
  name = f'{task.name} real ({protocol.reference})'
  if protocol.reference_size == 'own':
    return scoring.of_images(name, images)
  return scoring.of_images(name, images, lambda image: resize(image, config.image_size))


def generated_images(task: Task, variables, config: ConfigDict, count: int | None = None) -> ImageSet:
  """What the model generates; `count` limits it."""
  found = _generated(task.name, task, lambda i: task.generate(variables, i), config)
  if count is not None:
    found.count = count if found.count is None else min(count, found.count)
  return found


def true_images(task: Task, config: ConfigDict) -> ImageSet | None:
  """What should have been generated, where it is known."""
  return _generated(f'{task.name} truth', task, task.truth, config) if task.truth else None


def limited(request: Request, count: int | None) -> Request:
  """The request, for no more than `count` images."""
  if count is None or not request.metric.counted:
    return request
  return dataclasses.replace(request, count=min(count, request.count or count))


def _generated(name: str, task: Task, function, config: ConfigDict) -> ImageSet:
  """Images that `function` makes of indices, in an order of the seed's, in calls of one size."""
  size = -(-GENERATED // jax.device_count()) * jax.device_count()
  # shuffled, so that the first hundred are a fair sample
  order = task.count and np.random.default_rng(config.seed).permutation(task.count)

  def read(indices):
    for start in range(0, len(indices), size):
      part = indices[start : start + size]
      filled = np.concatenate([part, np.repeat(part[-1:], size - len(part))])
      yield from function(filled if order is None else order[filled])[: len(part)]

  return ImageSet(name, read, task.count)


def _contestants(task: Task, variables, config, baselines: bool) -> Iterator[tuple[str, ImageSet]]:
  """(name, images) of the baselines and of the model."""
  for name, function in task.baselines.items() if baselines else ():
    yield name, _generated(f'{task.name} {name}', task, function, config)
  yield config.method, generated_images(task, variables, config)


def _parse(names: Sequence[str]) -> list[Request]:
  """Requests in the order of `names`, KID before FID."""
  requests = [metrics.parse(name) for name in names]
  return sorted(requests, key=lambda request: request.metric.name == 'fid')


def _folder(flag: str, path: str) -> FileImages:
  root = paths.local(path, f'--{flag}')
  if not root.is_dir():
    raise UserError(f'--{flag}={path} is not a folder.')
  images = FileImages.below(root)
  if not len(images):
    raise UserError(f'--{flag}={path} holds no images ({", ".join(EXTENSIONS)}).')
  verify(images.paths, 1)
  return images


def _stems(images: FileImages) -> list[str]:
  return [str(Path(name).with_suffix('')) for name in images.names]


def _row(score: Score, protocol, task: str, images: str, step: int | None, seed: int) -> dict:
  """A line of evaluations.jsonl."""
  value, low, high, interval = score.estimate
  return {
    'task': task,
    'images': images,
    'metric': score.title,
    'value': value,
    'low': None if np.isnan(low) else low,
    'high': None if np.isnan(high) else high,
    'interval': interval,
    'scale': score.scale,
    'better': score.metric.better,
    'protocol': protocol.name,
    'resize': protocol.resize if score.metric.needs == FEATURES else '',
    'count': score.count,
    'reference_count': score.reference_count,
    'network': score.network,
    'sha256': score.sha256,
    'checkpoint': step,
    'seed': seed,
    'versions': {'decoupled_gan': decoupled_gan.__version__, 'jax': jax.__version__},
  }


def report(rows: Sequence[Mapping], notes: Sequence[str], title: str, protocol, path: Path):
  """Prints a table of `rows` and what a reader should know, and appends the rows to `path`."""
  table = Table('task', 'metric', 'images from', title=title)
  for head in ('value', '95 % interval', 'generated', 'real'):
    table.add_column(head, justify='right')
  order = {key: i for i, key in enumerate(dict.fromkeys(map(_group, rows)))}
  rows = sorted(rows, key=lambda row: order[_group(row)])  # rivals below each other
  for row, following in itertools.zip_longest(rows, rows[1:]):
    end = following is None or _group(following) != _group(row)
    table.add_row(*_cells(row), end_section=end)
  console = Console(width=None if sys.stdout.isatty() else 140)
  console.print(table)
  for line in (*notes, f'Protocol {protocol.name}. Every number with all its circumstances: {path}'):
    console.print(line, highlight=False, soft_wrap=True)
  lines = ''.join(json.dumps(row) + '\n' for row in rows)
  paths.append(path, lines)


def _group(row: Mapping) -> tuple:
  return row['task'], row['metric']


def _cells(row: Mapping) -> list[str]:
  metric = row['metric'] if row['scale'] == 1 else f'{row["metric"]} x {row["scale"]:g}'
  interval = '' if row['low'] is None else f'{row["low"]:.4g} to {row["high"]:.4g}'
  counts = [f'{row[field]:,}' for field in ('count', 'reference_count')]
  return [row['task'], metric, row['images'], f'{row["value"]:.4g}', interval, *counts]
