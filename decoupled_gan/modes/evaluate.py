"""--mode=evaluate: numbers for a run's checkpoints or for two folders, each with its protocol.

Knows no method: what is generated and compared are the tasks that the method's module offers. The
table goes to the terminal, and one line for each number to evaluations.jsonl.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ml_collections import ConfigDict

from decoupled_gan import data, defaults
from decoupled_gan.data import results
from decoupled_gan.data.files import EXTENSIONS, FileImages, left_out, stem_of, tree, verify
from decoupled_gan.errors import UserError, listing
from decoupled_gan.evaluation import requests, scoring, table
from decoupled_gan.evaluation.metrics import protocols
from decoupled_gan.evaluation.metrics.registry import PAIRS
from decoupled_gan.evaluation.scoring import ImageSet
from decoupled_gan.evaluation.tasks import Task, tasks_of
from decoupled_gan.machine import paths
from decoupled_gan.run import inference
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir


def evaluate_run(
  workdir: Workdir,
  checkpoint: int | str | None = None,
  asked: str = '',
  protocol: str = '',
  config: ConfigDict | None = None,
  own: str = '',
  dtype: str = 'float32',
):
  """Scores checkpoints of a run.

  Args:
    checkpoint: a step, 'best' or 'all'; None for the latest.
    asked: metrics, separated by commas; '' for the config's.
    protocol: a word of PROTOCOLS; '' for the config's.
    config: the run's, with fields changed for this time; as it was saved if None.
    own: the workdir of the classifier that is the feature network `own`; '' for the config's.
    dtype: what its networks compute in.
  """
  run = inference.open_changed(workdir, config, dtype)
  config = run.config
  config.evaluation.own = own or config.evaluation.own
  chosen = protocols.get(protocol or config.evaluation['protocol'])
  dataset = data.load(config, run.method.batch)
  found = requests.suited(asked, config, tasks_of(run, dataset))
  tasks = [(task, requests.requested(asked, config, chosen, task)) for task in found]
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    steps = checkpoints.steps if checkpoint == 'all' else [checkpoint]
  for number, step in enumerate(steps):
    trained = inference.restore(run, workdir, step)
    rows, everything = [], []
    for task, wanted in tasks:
      real = requests.real_images(task, chosen, config)
      train = requests.trained_images(wanted, task, chosen, config)
      test = requests.examined_images(wanted, task, config)
      for name, fake in _contestants(task, trained.variables, config, baselines=number == 0):
        truth = requests.true_images(task, config)
        about = truth, task.law, train, test
        scores = scoring.score(wanted, real, fake, chosen, config.seed, *about)
        rows += [table.row_of(s, chosen, task.name, name, trained.step, config.seed) for s in scores]
        everything += scores
    title, path = f'{dataset.name}, step {trained.step}', workdir.path / 'evaluations.jsonl'
    table.report(rows, [*dataset.notes, *scoring.notes(everything)], title, chosen, path)


def evaluate_folders(
  real: str, fake: str, asked: str, protocol: str, output: Path, own: str = '', seed: int = 0
):
  """Scores the images of `fake` against those of `real`, folders or zips; pairs have equal names."""
  chosen = protocols.get(protocol or defaults.get_config().evaluation.protocol)
  wanted = requests.parsed(asked.split(',')) if asked else requests.available(chosen.metrics)
  requests.prepare(wanted, own)
  paths.check_ours(output, '--output', (b'{"task"',))
  paths.check_apart({'--fake': paths.local(fake, '--fake'), '--real': paths.local(real, '--real')})
  images, notes = {}, []
  for flag, path in (('real', real), ('fake', fake)):
    images[flag], told = _folder(flag, path)
    notes += [f'--{flag}: {note}' for note in told]
  images['fake'], alone = _paired(**images)
  if alone and (names := [r.metric.name for r in wanted if r.metric.needs == PAIRS]):
    raise UserError(
      f'{listing(names)} needs the truth of each generated image, the real one of the same name '
      f'(endings aside), and {len(alone)} names have no partner: {listing(alone)}. Ask for metrics of '
      'whole sets: kid, fid, ...'
    )
  sets = {name: scoring.of_images(name, found) for name, found in images.items()}
  truth = None if alone else sets['real']
  scores = scoring.score(wanted, sets['real'], sets['fake'], chosen, seed, truth)
  rows = [table.row_of(s, chosen, 'folders', fake, None, seed) | {'real': real} for s in scores]
  if lossy := results.lossy_note([Path(name) for name in images['fake'].names]):
    notes.append(f'--fake: {lossy}')
  notes += [
    f'--{flag}: {found.copies} of {found.count} images are copies of others; each counts'
    for flag, found in sets.items()
    if found.copies
  ]
  table.report(rows, [*notes, *scoring.notes(scores)], f'{fake} against {real}', chosen, output)


def _contestants(task: Task, variables, config, baselines: bool) -> Iterator[tuple[str, ImageSet]]:
  """(name, images) of the baselines and of the model."""
  for name, function in task.baselines.items() if baselines else ():
    yield name, requests.generated(f'{task.name} {name}', task, function, config)
  yield config.method, requests.generated_images(task, variables, config)


def _folder(flag: str, path: str) -> tuple[FileImages, tuple[str, ...]]:
  """The images of a folder or a zip, and what is to be known of them."""
  root = tree(paths.local(path, f'--{flag}'))
  if not root.is_dir():
    raise UserError(f'--{flag}={path} is not a folder.')
  images = FileImages.below(root)
  if not len(images):
    raise UserError(f'--{flag}={path} holds no images ({", ".join(EXTENSIONS)}).')
  return images, (*left_out(images), *verify(images.paths, 1))


def _paired(real: FileImages, fake: FileImages) -> tuple[FileImages, list[str]]:
  """`fake` in the order of the real images of equal names, and the names that have no partner."""
  stems = [[stem_of(name) for name in images.names] for images in (real, fake)]
  counts = Counter(stems[0]), Counter(stems[1])
  alone = sorted((counts[0] - counts[1]) + (counts[1] - counts[0]))
  twice = sorted(stem for count in counts for stem, n in count.items() if n > 1)
  if alone or twice:
    return fake, alone or twice
  names = dict(zip(stems[1], fake.names, strict=True))
  return replace(fake, names=tuple(names[stem] for stem in stems[0])), []
