"""What each loss of classes claims, against its baseline: same data, network, steps and seeds.

  python benchmarks/classification_losses.py --folder=runs/classification_losses
  python benchmarks/classification_losses.py --folder=runs/classification_losses --checks=sovr --seeds=2

Each check trains the arms of CHECKS by the ordinary trainer, all seeds in one program, measures each
seed's network on test data by the ordinary metrics, and prints for each arm the mean and its 95 %
interval over seeds, and for all but the first, which is the baseline, the mean of the differences at
equal seeds with theirs. Numbers that are in <folder>/scores.json are not made again.

Where classes are held out, each seed holds out others, and is a run of its own.
"""

import argparse
import contextlib
import importlib
import io
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from absl import logging
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from decoupled_gan import data
from decoupled_gan.core import state
from decoupled_gan.data import Dataset
from decoupled_gan.evaluation import requests, scoring
from decoupled_gan.evaluation.tasks import tasks_of
from decoupled_gan.modes import train
from decoupled_gan.run import experiment, inference, members
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

Scores = dict[str, float]


@dataclass(frozen=True)
class Check:
  """One comparison.

  Attributes:
    arms: {name: (recipe, words)}; the first is the baseline.
    metrics: asked of each task of a run.
    fields: of the config, for all arms.
    extra: (trained run, dataset) -> further numbers.
    seeds: how many, if nothing else is said.
  """

  arms: dict[str, tuple[str, str]]
  metrics: str
  fields: dict = field(default_factory=dict)
  extra: Callable[[inference.Trained, Dataset], Scores] = lambda trained, dataset: {}
  seeds: int = 5


def told(trained: inference.Trained, dataset: Dataset, split: str = 'test'):
  """(responses to the examples of a split, their labels) of a run's first task."""
  examples = getattr(dataset, split)
  (task, *_) = tasks_of(trained.run, Dataset(dataset.name, dataset.train, examples))
  found = requests.generated_images(task, trained.variables, trained.run.config)
  order = np.random.default_rng(trained.run.config.seed).permutation(len(examples.labels))
  return found.answers(), examples.labels[order]


def centres_of(trained: inference.Trained) -> np.ndarray:
  """[K, F], of the only attribute."""
  return np.asarray(trained.variables['params']['classifier']['heads_0']['centres'])


def spaces(trained: inference.Trained, dataset: Dataset) -> Scores:
  """Accuracy among the ten digits of images by who they look like and who labels their digit."""
  answers, labels = told(trained, dataset)
  right = answers.logits[:, :10].argmax(1) == labels[:, 0]
  only_a, of_b = labels[:, 0] <= 6, labels[:, 1] == 1
  return {
    'digits of a, images of a': right[only_a & ~of_b].mean(),
    'digits of a, images of b': right[only_a & of_b].mean(),
    'digits of b, images of b': right[~only_a & of_b].mean(),
    'digits of b, images of a': right[~only_a & ~of_b].mean(),
  }


def centre_images(trained: inference.Trained, dataset: Dataset) -> Scores:
  """Mean cosine of a class's centre and its mean image (in [-1, 1])."""
  images = data.test_images(dataset.train.x, None, trained.run.config) / 127.5 - 1
  means = np.stack([images[dataset.train.labels[:, 0] == k].mean(0).ravel() for k in range(10)])
  return {'centre and mean image': (unit(centres_of(trained)) * unit(means)).sum(1).mean()}


def negatives(trained: inference.Trained, dataset: Dataset) -> Scores:
  """KS distance of the cosines of features with other classes' centres and with their features."""
  answers, _ = told(trained, dataset, 'train')
  features, centres = unit(answers.features), unit(centres_of(trained))
  other = np.arange(len(centres))[None] != answers.label[:, None]
  i, j = np.triu_indices(len(features), 1)
  apart = answers.label[i] != answers.label[j]
  both = (features @ centres.T)[other], (features @ features.T)[i, j][apart]
  return {'KS, centres and pairs': stats.ks_2samp(*both).statistic}


def unit(x: np.ndarray) -> np.ndarray:
  return x / np.linalg.norm(x, axis=1, keepdims=True)


CHECKS = {
  'squentropy': Check(
    {name: (name, 'labelled_digits,mlp') for name in ('classifier', 'squentropy')},
    'accuracy,calibration_error',
    seeds=10,
  ),
  'uniseg': Check(
    {'softmax': ('uniseg', 'softmax'), 'null_bce': ('uniseg', ''), 'related': ('uniseg', 'related')},
    'accuracy',
    extra=spaces,
  ),
  'sphereface2': Check(
    {
      'classifier': ('classifier', 'held_out_digits'),
      'cosface': ('unpg', 'cosface,held_out_digits'),
      'sphereface2': ('sphereface2', 'held_out_digits'),
    },
    'verification_auc,five_shot',
  ),
  'unpg': Check(
    {'cosface': ('unpg', 'cosface,held_out_digits'), 'unpg': ('unpg', 'held_out_digits')},
    'verification_auc,five_shot',
    extra=negatives,
  ),
  'sovr': Check(
    {'at': ('sovr', 'labelled_digits,at'), 'sovr': ('sovr', 'labelled_digits')},
    'accuracy,margin_decile,margin',
  ),
  'proto_triplet': Check(
    {
      'prototypical': ('proto_triplet', 'few_shot_digits,prototypical'),
      'proto_triplet': ('proto_triplet', 'few_shot_digits'),
      'icnn': ('proto_triplet', 'few_shot_digits,icnn'),
      'both': ('proto_triplet', 'few_shot_digits,both'),
    },
    'five_shot,icnn,verification_auc',
  ),
  'partial_fc': Check(
    {'whole': ('partial_fc', 'sphere200,whole'), 'a tenth': ('partial_fc', 'sphere200')},
    'accuracy,top5',
  ),
  'z_loss': Check(
    {
      'classifier': ('classifier', 'sphere200'),
      'b=2': ('z_loss', 'sphere200,easy'),
      'b=9.9': ('z_loss', 'sphere200'),
      'b=28': ('z_loss', 'sphere200,hard'),
    },
    'accuracy,top5',
  ),
  'harmonic_centres': Check(
    {
      'classifier': ('classifier', 'labelled_digits,linear'),
      'harmonic': ('harmonic', 'labelled_digits,linear'),
    },
    'accuracy,calibration_error',
    extra=centre_images,
  ),
  'harmonic_addition': Check(
    {'classifier': ('classifier', 'modular31'), 'harmonic': ('harmonic', 'modular31')}, 'accuracy'
  ),
  'harmonic_half': Check(
    {'classifier': ('classifier', 'modular31'), 'harmonic': ('harmonic', 'modular31')},
    'accuracy',
    {'data.limit': 480},  # half of all pairs, where the others have four in five
  ),
  'encouraging': Check(
    {'classifier': ('classifier', 'labelled_digits'), 'encouraging': ('encouraging', 'labelled_digits')},
    'accuracy,margin',
  ),
  'encouraging_rare': Check(
    {
      'classifier': ('classifier', 'imbalanced_digits'),
      'encouraging': ('encouraging', 'imbalanced_digits'),
    },
    'balanced_accuracy,margin',
  ),
}


def make_config(check: Check, arm: str, seed: int, seeds: int):
  recipe, words = check.arms[arm]
  config = importlib.import_module(f'configs.{recipe}').get_config(words)
  config.update_from_flattened_dict(check.fields)
  config.seed, config.seeds = seed, seeds
  config.steps_per_call = 100
  config.log_every_steps = config.sample_every_steps = config.checkpoint_every_steps = config.num_steps
  if config.data.held_out:
    order = np.random.default_rng(seed).permutation(10)
    config.attributes.digit = tuple(str(k) for k in order)
  return config


def measured(check: Check, config, workdir: Workdir) -> list[Scores]:
  """Trains a run and measures each of its seeds; its folder goes, the numbers stay."""
  with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    train.train(config, workdir)
    several = experiment.build(config)
    with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
      states = members.each(several, checkpoints.restore(several.abstract_state()))
  shutil.rmtree(workdir.path)
  run = experiment.build(members.config_of(config, 0), train=False)
  dataset = data.load(config, run.method.batch)
  return [
    scores_of(check, inference.Trained(run, state.inference_variables(own), int(own.step)), dataset)
    for own in states
  ]


def scores_of(check: Check, trained: inference.Trained, dataset: Dataset) -> Scores:
  """{'<metric> (<task>)': value} of one network, and what the check adds."""
  config, found = trained.run.config, {}
  for task in tasks_of(trained.run, dataset):
    asked = requests.requested(check.metrics, config, None, task)
    answers = requests.generated_images(task, trained.variables, config)
    for score in scoring.score(asked, None, answers, None, config.seed):
      found[f'{score.title} ({task.name})'] = score.estimate.value
  return found | {name: float(value) for name, value in check.extra(trained, dataset).items()}


def all_scores(check: Check, arm: str, seeds: int, workdir: Workdir) -> list[Scores]:
  """Of each seed from 0 on."""
  if make_config(check, arm, 0, 1).data.held_out:
    configs = [make_config(check, arm, seed, 1) for seed in range(seeds)]
  else:
    configs = [make_config(check, arm, 0, seeds)]
  return [scores for config in configs for scores in measured(check, config, workdir)]


def interval(values) -> str:
  """'mean +- half width of the 95 % interval', by Student's t over seeds."""
  values = np.asarray(values)
  if len(values) < 2:
    return f'{values.mean():.4f}'
  width = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
  return f'{values.mean():.4f} +- {width:.4f}'


def report(name: str, check: Check, found: dict[str, list[Scores]]):
  """Prints the table of a check."""
  baseline, *_ = found
  print(f'\n{name}: {len(found[baseline])} seeds', flush=True)
  for metric in found[baseline][0]:
    print(f'  {metric}')
    values = {arm: np.array([scores[metric] for scores in runs]) for arm, runs in found.items()}
    for arm, of_arm in values.items():
      difference = '' if arm == baseline else f'   difference {interval(of_arm - values[baseline])}'
      print(f'    {arm:<16} {interval(of_arm)}{difference}')


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--folder', type=Path, default=Path('runs/classification_losses'))
  parser.add_argument('--checks', default=','.join(CHECKS))
  parser.add_argument('--seeds', type=int, default=0, help="0: as many as a check's own")
  options = parser.parse_args()
  logging.set_verbosity(logging.FATAL)  # orbax tells the ordinary as warnings
  options.folder.mkdir(parents=True, exist_ok=True)
  file = options.folder / 'scores.json'
  known = json.loads(file.read_text()) if file.exists() else {}
  for name in options.checks.split(','):
    check, found = CHECKS[name], {}
    seeds = options.seeds or check.seeds
    for arm in check.arms:
      key = f'{name}/{arm}/{seeds}'
      if key not in known:
        known[key] = all_scores(check, arm, seeds, Workdir(options.folder / 'run'))
        file.write_text(json.dumps(known, indent=1))
      found[arm] = known[key]
    report(name, check, found)


if __name__ == '__main__':
  main()
