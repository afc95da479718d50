"""Numbers to the terminal and to evaluations.jsonl, each with all its circumstances."""

import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import decoupled_gan
from decoupled_gan.evaluation.metrics.registry import FEATURES
from decoupled_gan.evaluation.scoring import Score
from decoupled_gan.machine import paths


def row_of(score: Score, protocol, task: str, images: str, step: int | None, seed: int) -> dict:
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
  table = Table(title=title)
  for head in ('task', 'metric', 'images from'):
    table.add_column(head, overflow='fold')
  for head in ('value', '95 % interval', 'generated', 'real'):
    table.add_column(head, justify='right', no_wrap=True)  # whole, however narrow the terminal
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
