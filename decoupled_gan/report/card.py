"""README.md of a published model: what it does, how it was measured and trained, by the run's own files.

Nothing is praised and nothing guessed: numbers are lines of evaluations.jsonl of the very checkpoint,
each with its interval and circumstances, and licences are what whoever publishes says. The head, which
a hub reads, is written by huggingface_hub.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from decoupled_gan.report.page import command_of
from decoupled_gan.report.story import Story

TASKS = {
  'translate': 'image-to-image',
  'edit': 'image-to-image',
  'reconstruct': 'image-to-image',
  'generate': 'unconditional-image-generation',
}
"""Ability -> what hubs call it."""
LINES = {
  'translate': "model.translate('photo.png').save('out.png')",
  'edit': "model.edit('face.png', {attribute}={value!r}).save('out.png')",
  'generate': 'model.generate(seeds=range(16))',
  'reconstruct': "model.reconstruct('photo.png').save('out.png')",
}
"""Ability -> the line of Python that uses it."""


@dataclass(frozen=True)
class Licences:
  """As whoever publishes says: of the data, in free words; of the weights, a hub's word or ''."""

  data: str
  weights: str = ''


def card(
  story: Story,
  model,
  step: int,
  name: str,
  licences: Licences,
  sample: str = '',
  without: Sequence[str] = (),
) -> str:
  """The card as Markdown.

  Args:
    model: what it can do: `abilities`, `directions` and `attributes`, as of Model.
    name: <owner>/<name>.
    sample: path of a grid beside the card.
    without: the networks that were left out.
  """
  rows = _newest(row for row in story.scores if row.get('checkpoint') == step)
  parts = [
    _head(story, model, rows, name, licences),
    f'# {name.partition("/")[2]}',
    _does(story, model, step),
    f'![test images, as the run shows them]({sample})' if sample else '',
    _use(model, name),
    _numbers(rows, story.config.method),
    _training(story, licences),
    LIMITS + (LEFT_OUT.format(', '.join(without)) if without else ''),
  ]
  return '\n\n'.join(filter(None, parts)) + '\n'


def _newest(rows: Iterable[Mapping]) -> list[Mapping]:
  """Those with a number, and of what was measured again the last."""
  same = ('task', 'images', 'metric', 'protocol')
  found = {tuple(row.get(x) for x in same): row for row in rows if _number(row.get('value'))}
  return list(found.values())


def _head(story: Story, model, rows: Sequence[Mapping], name: str, licences: Licences) -> str:
  from huggingface_hub import EvalResult, ModelCardData

  task = next((TASKS[ability] for ability in model.abilities), None)
  own = [row for row in rows if row.get('images') == story.config.method]
  results = [
    EvalResult(
      task_type=task or 'other',
      dataset_type=story.config.data.source,
      dataset_name=f'{story.config.data.source}, {row.get("task", "")}',
      metric_type=row['metric'],
      metric_name=f'{row["metric"]} ({_circumstances(row)})',
      metric_value=row['value'],
    )
    for row in own
  ]
  data = ModelCardData(
    library_name='decoupled_gan',
    license=licences.weights or None,
    model_name=name.partition('/')[2],
    pipeline_tag=task,
    tags=['gan', story.config.method, 'jax'],
    eval_results=results or None,
  )
  return f'---\n{data.to_yaml()}\n---'


def _does(story: Story, model, step: int) -> str:
  config = story.config
  size = f'{config.image_size} px' if isinstance(config.image_size, int) else f'{config.image_size}'
  what = f'It can {" and ".join(model.abilities)}' if model.abilities else 'It can be trained further on'
  ways = f', {" and ".join(model.directions)}' if model.directions else ''
  return (
    f'A run of the method `{config.method}` at {size}, after {step:,} of {config.num_steps:,} steps, by '
    f'decoupled_gan. {what}{ways}.'
  )


def _use(model, name: str) -> str:
  attribute = next(iter(model.attributes), 'attribute')
  value = next(iter(model.attributes.get(attribute, ())), '')
  lines = [LINES[ability].format(attribute=attribute, value=value) for ability in model.abilities]
  code = ['import decoupled_gan as dg', f"model = dg.load('hub:{name}')", *lines]
  return '\n'.join(['## Use', '', '```python', *code, '```'])


def _numbers(rows: Sequence[Mapping], method: str) -> str:
  if not rows:
    return '## Numbers\n\nThis checkpoint was not evaluated.'
  lines = ['| task | images from | metric | value | circumstances |', '|---|---|---|---|---|']
  for row in rows:
    images = 'this model' if row.get('images') == method else row.get('images', '')
    cells = row.get('task', ''), images, row['metric'], f'{row["value"]:.4g}', _circumstances(row)
    lines.append(f'| {" | ".join(str(cell).replace("|", chr(92) + "|") for cell in cells)} |')
  return '\n'.join(['## Numbers', '', *lines])


def _circumstances(row: Mapping) -> str:
  """What a number is worth nothing without."""
  low, high, scale = row.get('low'), row.get('high'), row.get('scale') or 1
  told = [
    f'95 % {low:.4g} to {high:.4g}' if _number(low) and _number(high) else 'no interval',
    f'times {scale:g}' if scale != 1 else '',
    f'{row.get("count")} images against {row.get("reference_count")}',
    f'protocol {row.get("protocol")}',
    str(row.get('network') or ''),
  ]
  return ', '.join(filter(None, told))


def _training(story: Story, licences: Licences) -> str:
  latest = story.starts[-1] if story.starts else {}
  # the first line without its name, which may be a path; the others may name images
  counts = str(latest.get('data', '')).partition('\n')[0].rpartition(': ')[2]
  data = f'{story.config.data.source}{f", {counts}" if counts else ""}'
  lines = ['## Training', '', f'Data: {data}.', f'Licence of the data, as published: {licences.data}.']
  if arguments := latest.get('arguments'):
    command = command_of({'arguments': [bare(str(word)) for word in arguments]})
    lines += ['', '```bash', command, '```']
  if latest.get('routes'):
    lines += ['', 'What trained what:', '', '```', str(latest['routes']), '```']
  versions = ', '.join(f'{name} {version}' for name, version in (latest.get('versions') or {}).items())
  commit = f', commit {latest["commit"]}' if latest.get('commit') else ''
  return '\n'.join(lines + (['', f'With {versions}{commit}.'] if versions else []))


LIMITS = """## Limits

It knows images like those that it was trained on. What it makes of others, and what bias of its data it
carries on, nobody measured beyond what stands above. Optimizers are not here: another run can begin with
these networks (`--config.start.workdir`), this one cannot go on."""
LEFT_OUT = ' Nor is what only training needs: {}.'


def bare(word: str) -> str:
  """A word of a command or a field of a config, without the folders of somebody's machine."""
  flag, equals, value = word.rpartition('=')
  return f'{flag}{equals}{os.path.basename(value.rstrip("/"))}' if value.startswith(('/', '~')) else word


def _number(x) -> bool:
  return isinstance(x, int | float) and not isinstance(x, bool)
