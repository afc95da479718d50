"""--mode=evaluate: numbers for a run's checkpoints or for two folders, each with its protocol.

Knows no method: what is generated and compared are the tasks that the method's module offers. The
table goes to the terminal, and one line for each number to evaluations.jsonl.
"""

from collections.abc import Iterator
from pathlib import Path

from ml_collections import ConfigDict

from decoupled_gan import data, defaults
from decoupled_gan.data.sources.folder import EXTENSIONS, FileImages, verify
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import requests, scoring, table
from decoupled_gan.evaluation.metrics import protocols
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
):
  """Scores checkpoints of a run.

  Args:
    checkpoint: a step, 'best' or 'all'; None for the latest.
    asked: metrics, separated by commas; '' for the config's.
    protocol: a word of PROTOCOLS; '' for the config's.
    config: the run's, with fields changed for this time; as it was saved if None.
    own: the workdir of the classifier that is the feature network `own`; '' for the config's.
  """
  run = inference.open_run(workdir, config)
  if config is not None:
    for field, (old, new) in workdir.changes(config).items():
      print(f'changed   {field}: {old!r} -> {new!r}')
  config = run.config
  config.evaluation.own = own or config.evaluation.own
  chosen = protocols.get(protocol or config.evaluation['protocol'])
  dataset = data.load(config, run.method.batch)
  tasks = [
    (task, requests.requested(asked, config, chosen, task)) for task in tasks_of(run, dataset)
  ]
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    steps = checkpoints.steps if checkpoint == 'all' else [checkpoint]
  for number, step in enumerate(steps):
    trained = inference.restore(run, workdir, step)
    rows, everything = [], []
    for task, wanted in tasks:
      real = requests.real_images(task, chosen, config)
      for name, fake in _contestants(task, trained.variables, config, baselines=number == 0):
        truth = requests.true_images(task, config)
        scores = scoring.score(wanted, real, fake, chosen, config.seed, truth, task.law)
        rows += [table.row_of(s, chosen, task.name, name, trained.step, config.seed) for s in scores]
        everything += scores
    title, path = f'{dataset.name}, step {trained.step}', workdir.path / 'evaluations.jsonl'
    table.report(rows, scoring.notes(everything), title, chosen, path)


def evaluate_folders(
  real: str, fake: str, asked: str, protocol: str, output: Path, own: str = '', seed: int = 0
):
  """Scores the images of the folder `fake` against those of `real`; pairs have equal names."""
  chosen = protocols.get(protocol or defaults.get_config().evaluation.protocol)
  images = {'real': _folder('real', real), 'fake': _folder('fake', fake)}
  sets = {name: scoring.of_images(name, found) for name, found in images.items()}
  names = [_stems(x) for x in images.values()]
  truth = sets['real'] if names[0] == names[1] else None
  wanted = requests.parsed(asked.split(',')) if asked else requests.available(chosen.metrics)
  requests.prepare(wanted, own)
  scores = scoring.score(wanted, sets['real'], sets['fake'], chosen, seed, truth)
  rows = [table.row_of(s, chosen, 'folders', fake, None, seed) | {'real': real} for s in scores]
  table.report(rows, scoring.notes(scores), f'{fake} against {real}', chosen, output)


def _contestants(task: Task, variables, config, baselines: bool) -> Iterator[tuple[str, ImageSet]]:
  """(name, images) of the baselines and of the model."""
  for name, function in task.baselines.items() if baselines else ():
    yield name, requests.generated(f'{task.name} {name}', task, function, config)
  yield config.method, requests.generated_images(task, variables, config)


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
