"""What a trained model generates and what that is compared with, derived from what its method can do."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from decoupled_gan import data
from decoupled_gan.core.images import to_float, to_uint8
from decoupled_gan.core.types import DIRECTIONS, Aligned, Examples, Pair
from decoupled_gan.data import Images
from decoupled_gan.data.dataset import Law
from decoupled_gan.data.views import Some, normal_examples
from decoupled_gan.errors import UserError, listing
from decoupled_gan.evaluation import probes
from decoupled_gan.evaluation.metrics import paired
from decoupled_gan.evaluation.metrics.classification import Response
from decoupled_gan.evaluation.metrics.path_length import EPSILON
from decoupled_gan.machine import sharding

PROBED = 256  # examples in a call, of those that a probe learns from
MATCHED_IMAGES = 500  # of each domain, for the means and variances of the matching baseline


@dataclass(frozen=True)
class Task:
  """One thing that a model generates.

  Attributes:
    name: in tables and logs, e.g. 'a_to_b'.
    generate: (variables, indices int [n]) -> uint8 [n, S, S, C], or points float32 [n, D]. A function
      of its arguments alone:
      index i is the i-th test input of a translator or editor, and the seed of a sample from noise.
      n is always the same, and a multiple of the number of devices. Of a classifier: a list of n
      responses.
    count: indices are below it; None where they have no end.
    real: {'test': Images, 'train': Images}, real images of the kind that is generated.
    truth: indices -> uint8 [n, S, S, C], what should have been generated; None where nobody knows.
    baselines: name -> function of indices as `generate`, for images that are made without learning.
    law: what the real ones are drawn from, where it is known.
    metrics: what is measured if nothing is asked; (): what the protocol says.
    size: how many are generated in a call, or a few more so that the devices divide it.
    walk: (variables, indices, 'z' or 'w') -> images in [-1, 1] at both ends of a step in the latents,
      two arrays [n, H, W, C]; None where nothing is drawn from latents.
    labels: indices -> the class that each is drawn for, int [n], of the first attribute; None: of none.
    real_labels: {'test': int [N], 'train': int [N]}, the class of each real image; {}: of none.
    answers: '' where images are generated; else what a classifier answers by: 'classes', or 'features'
      where it has no classes of its own; or the 'scores' of a detector, or 'clusters' that were found.
  """

  name: str
  generate: Callable[[Any, np.ndarray], np.ndarray]
  count: int | None
  real: Mapping[str, Images]
  truth: Callable[[np.ndarray], np.ndarray] | None = None
  baselines: Mapping[str, Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)
  law: Law | None = None
  metrics: tuple[str, ...] = ()
  size: int = 16
  answers: str = ''
  walk: Callable[[Any, np.ndarray, str], tuple[np.ndarray, np.ndarray]] | None = None
  labels: Callable[[np.ndarray], np.ndarray] | None = None
  real_labels: Mapping[str, np.ndarray] = field(default_factory=dict)


def tasks_of(run, dataset) -> list[Task]:
  """All that the run's method can do, as tasks; raises UserError if there is nothing."""
  kinds = {
    'translate': of_aligned if run.method.batch is Aligned else of_translator,
    'edit': of_editor,
    'draw': of_generator,
    'reconstruct': of_reconstruction,
    'classify': of_classifier,
    'attack': of_attacked,
    'detect': of_detector,
    'encode': of_probe,
    'assign': of_assigner,
  }
  if run.method.batch is Examples:  # images that are translated have no counterparts there
    del kinds['translate']
  found = [task for ability, of in kinds.items() if run.able(ability) for task in of(run, dataset)]
  if not found:
    raise UserError(
      f'method={run.config.method!r} makes nothing to evaluate: it has none of {listing(kinds)}.'
    )
  return found


def of_translator(run, dataset) -> list[Task]:
  """The directions of a method with `translate` on a dataset of pairs: both, or the one that it can.

  The baselines are the input as it is, and with the target's mean and variance of each channel.
  """
  return [
    _direction(run, dataset, direction)
    for direction, target in DIRECTIONS.items()
    if target in run.method.targets
  ]


def of_aligned(run, dataset) -> list[Task]:
  """The one direction of a method with `translate` on Aligned examples: input to target."""
  train, test = Pair(*dataset.train), Pair(*dataset.test)
  pairs = dataclasses.replace(dataset, train=train, test=test, aligned_test=True)
  return [_direction(run, pairs, 'a_to_b')]


def of_editor(run, dataset) -> list[Task]:
  """A task for each value of each attribute, of a method with `edit` on labelled images.

  Edited are the test images that lack the value. The truth is known where the dataset has `edits`;
  the baseline is the image as it is.
  """

  forward = run.compiled(run.method.edit)
  made = []
  for column, (name, values) in enumerate(sorted(run.config.attributes.items())):
    for number, value in enumerate(values):
      if (dataset.test.labels[:, column] != number).any():
        made.append(_edit(run, dataset, forward, f'{name}={value}', column, number))
  return made


def _edit(run, dataset, forward, title: str, column: int, number: int) -> Task:
  config, test = run.config, dataset.test
  which = np.flatnonzero(test.labels[:, column] != number)
  truth = dataset.edits.get((title.partition('=')[0], number))

  def inputs(indices):
    return data.test_images(test.x, which[indices].tolist(), config)

  def generate(variables, indices):
    labels = test.labels[which[indices]].copy()
    labels[:, column] = number
    return to_uint8(forward(variables, *sharding.shard_whole(run.mesh, (inputs(indices), labels))))

  return Task(
    name=title,
    generate=generate,
    count=len(which),
    real={
      split: Some(images, np.flatnonzero(labels[:, column] == number))
      for split, (images, labels, _) in (('test', test), ('train', dataset.train))
    },
    truth=truth and (lambda indices: data.test_images(truth, which[indices].tolist(), config)),
    baselines={'identity': inputs},
  )


def of_generator(run, dataset) -> list[Task]:
  """Images or points from seeds by a method with `style` and `draw`: untruncated, with fresh noise.

  Where the run draws under labels, seed i has those of the i-th test example.
  """
  labels = dataset.test.labels if run.method.conditional else None

  def key_of(seed):
    return jax.random.fold_in(jax.random.key(0), seed)

  def images(gan, seeds, *labels):
    z = jax.vmap(lambda seed: jax.random.normal(key_of(seed), (gan.z_dim,)))(seeds)
    return run.method.draw(gan, run.method.style(gan, z, 1.0), 'random', *labels)

  forward = run.compiled(images, noise=lambda seeds, *_: key_of(seeds[0]))

  def told(indices):
    inputs = [np.asarray(indices, np.uint32)]
    if labels is not None:
      inputs.append(labels[indices % len(labels)])
    return sharding.shard_whole(run.mesh, inputs)

  def generate(variables, indices):
    made = forward(variables, *told(indices))
    return np.asarray(made, np.float32) if run.config.vector_size else to_uint8(made)

  walks = {space: run.compiled(functools.partial(_step, run.method, space)) for space in ('z', 'w')}

  def walk(variables, indices, space):
    return tuple(np.asarray(x) for x in walks[space](variables, *told(indices)))

  real = {'test': dataset.test.x, 'train': dataset.train.x}
  task = Task('generated', generate, None, real, law=dataset.law, metrics=_of_law(run, dataset.law))
  task = task if run.config.vector_size else dataclasses.replace(task, walk=walk)
  task = dataclasses.replace(task, **_classes(run, dataset))
  return [dataclasses.replace(task, size=64) if run.config.vector_size else task]


def _step(method, space: str, gan, seeds, *labels):
  """Images of both ends of a step of EPSILON on the line from one latent to another, of each seed."""
  keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(1), seed))(seeds)
  ends = [
    jax.vmap(lambda key, end=end: jax.random.normal(jax.random.fold_in(key, end), (gan.z_dim,)))(keys)
    for end in range(2)
  ]
  if space == 'w':
    first, last = (method.style(gan, z, 1.0) for z in ends)
    codes = first, first + EPSILON * (last - first)
  else:
    first, last = ends
    codes = [method.style(gan, z, 1.0) for z in (first, first + EPSILON * (last - first))]
  return tuple(method.draw(gan, x, 'const', *labels) for x in codes)


def _classes(run, dataset) -> dict[str, Any]:
  """The fields of a Task that tell classes: of the first attribute, if it has any."""
  names = sorted(run.config.attributes)
  told = run.method.conditional and run.config.model.get('conditional', True)
  if not told or not names or not len(run.config.attributes[names[0]]):
    return {}
  splits = {'test': dataset.test, 'train': dataset.train}
  real = {split: np.asarray(examples.labels)[:, 0] for split, examples in splits.items()}
  return {'labels': lambda indices: real['test'][indices % len(real['test'])], 'real_labels': real}


def _of_law(run, law: Law | None) -> tuple[str, ...]:
  """What is measured of points, and of images whose modes are known; () if there is nothing to know."""
  distance = {0: (), 1: ('wasserstein_10k',)}
  distance = distance.get(run.config.vector_size, ('sliced_wasserstein_points_10k',))
  if law is None:
    return distance
  if not run.config.vector_size:
    return 'modes_26k', 'mode_kl_26k'  # as many as in PacGAN's (Lin et al., NeurIPS 2018)
  return 'modes_10k', 'high_quality_share_10k', 'mode_kl_10k', *distance


def of_reconstruction(run, dataset) -> list[Task]:
  """Test examples as a method with `reconstruct` gives them back; of images they are the truth.

  Points are compared as sets: what is measured of pairs is of pixels.
  """
  forward, points = run.compiled(run.method.reconstruct), run.config.vector_size > 0

  def inputs(indices):
    return data.test_examples(dataset.test.x, indices, run.config)

  def generate(variables, indices):
    made = forward(variables, sharding.shard_whole(run.mesh, inputs(indices)))
    return np.asarray(made, np.float32) if points else to_uint8(made)

  real = {'test': dataset.test.x, 'train': dataset.train.x}
  task = Task('rebuilt', generate, len(dataset.test.x), real, truth=None if points else inputs)
  about = {'law': dataset.law, 'metrics': _of_law(run, dataset.law)} if points else {}
  return [dataclasses.replace(task, **about)]


def of_classifier(run, dataset) -> list[Task]:
  """A task for each attribute that a method with `classify` tells: the test examples."""
  return _told(run, dataset, '', lambda variables, x, labels: x)


def of_attacked(run, dataset) -> list[Task]:
  """The same of test examples as the run's own adversary moves them, config.evaluation.attack_steps."""
  steps = run.config.evaluation.attack_steps
  adversary = run.compiled(run.method.attack, steps, noise=lambda *_: jax.random.key(0))
  return _told(run, dataset, ' attacked', adversary)


def _told(run, dataset, suffix: str, prepared: Callable) -> list[Task]:
  """Tasks `<attribute><suffix>`; prepared: (variables, x, labels) -> the x that is told."""
  forward, test, made = run.compiled(run.method.classify), dataset.test, []
  names = sorted(run.config.attributes)
  for name in run.gan.attributes:
    labels = test.labels[:, names.index(name)]

    def generate(variables, indices, name=name, labels=labels):
      x = data.test_examples(test.x, indices, run.config)
      x, given = sharding.shard_whole(run.mesh, (x, test.labels[indices]))
      features, logits = forward(variables, prepared(variables, x, given))[name]
      logits = [None] * len(indices) if logits is None else np.asarray(logits)
      return [Response(*row) for row in zip(np.asarray(features), logits, labels[indices], strict=True)]

    kind = 'classes' if run.gan.loss.has_classes else 'features'
    made.append(Task(f'{name}{suffix}', generate, len(labels), {}, answers=kind))
  return made


def of_probe(run, dataset) -> list[Task]:
  """Test examples, as a linear probe of a method's `encode` tells their first attribute; see probes.py.

  The probe learns from the codes of all training examples. The baseline is one of the examples' own
  numbers. No task where examples have no labels, or only those of data.normal.
  """
  config, train, test = run.config, dataset.train, dataset.test
  if config.data.normal or getattr(test, 'labels', None) is None:
    return []
  name, (known, labels) = min(config.attributes), (np.asarray(x.labels)[:, 0] for x in (train, test))
  forward, size = run.compiled(run.method.encode), -(-PROBED // run.mesh.size) * run.mesh.size
  learned = functools.partial(probes.linear, labels=known, classes=len(config.attributes[name]))

  def encoded(variables, x):
    return np.asarray(forward(variables, sharding.shard_whole(run.mesh, x)), np.float64)

  def raw(x):
    return np.asarray(to_float(x), np.float64).reshape(len(x), -1)

  def answers(codes, probe, indices):
    return [Response(*row) for row in zip(codes, probe(codes), labels[indices], strict=True)]

  last: dict = {}

  def probe_of(variables):
    if last.get('variables') is not variables:
      codes = [encoded(variables, x) for x in run.examples(train.x, size)]
      last.update(variables=variables, probe=learned(np.concatenate(codes)[: len(known)]))
    return last['probe']

  @functools.cache
  def probe_of_raw():
    return learned(np.concatenate([raw(x) for x in run.examples(train.x, size)])[: len(known)])

  def generate(variables, indices):
    codes = encoded(variables, data.test_examples(test.x, indices, config))
    return answers(codes, probe_of(variables), indices)

  def of_raw(indices):
    return answers(raw(data.test_examples(test.x, indices, config)), probe_of_raw(), indices)

  baselines = {'its own numbers': of_raw}
  return [Task(f'{name} probe', generate, len(labels), {}, baselines=baselines, answers='classes')]


def of_assigner(run, dataset) -> list[Task]:
  """Test examples, as a method with `assign` puts them into clusters, beside their first attribute.

  No task where they have none.
  """
  config, test = run.config, dataset.test
  if getattr(test, 'labels', None) is None:
    return []
  labels = np.asarray(test.labels)[:, 0]
  forward = run.compiled(run.method.assign)

  def generate(variables, indices):
    x = sharding.shard_whole(run.mesh, data.test_examples(test.x, indices, config))
    logits = np.asarray(forward(variables, x))
    return [Response(*row) for row in zip(logits, logits, labels[indices], strict=True)]

  return [Task('clusters', generate, len(labels), {}, answers='clusters')]


def of_detector(run, dataset) -> list[Task]:
  """Test examples, as a method with `detect` tells those of data.normal from all others.

  Its answers have one feature, the score, and the label 1 where an example is not normal. The baseline
  is the distance to the nearest training example, sums of absolute differences. No task where nobody
  says what is normal.
  """
  config, test = run.config, dataset.test
  if not config.data.normal:
    return []
  abnormal = ~normal_examples(test.labels, config.data.normal, config.attributes)
  forward = run.compiled(run.method.detect)

  def answers(scores, indices):
    return [Response(np.array([s]), None, abnormal[i]) for s, i in zip(scores, indices, strict=True)]

  def generate(variables, indices):
    x = sharding.shard_whole(run.mesh, data.test_examples(test.x, indices, config))
    return answers(np.asarray(forward(variables, x)), indices)

  @functools.cache
  def known():
    x = data.test_examples(dataset.train.x, np.arange(len(dataset.train.x)), config)
    return np.asarray(to_float(x)).reshape(len(x), -1)

  def nearest(indices):
    x = np.asarray(to_float(data.test_examples(test.x, indices, config))).reshape(len(indices), -1)
    return answers(np.array([np.abs(known() - row[None]).sum(1).min() for row in x]), indices)

  baselines = {'nearest training example': nearest}
  return [Task('anomalies', generate, len(abnormal), {}, baselines=baselines, answers='scores')]


def _direction(run, dataset, direction: str) -> Task:
  config, target = run.config, DIRECTIONS[direction]
  test, train = (
    x if target == 'b' else x.swapped for x in (dataset.test, dataset.train)
  )  # now from a to b

  forward = run.compiled(run.method.translate, target)

  def inputs(indices):
    return data.test_images(test.a, indices.tolist(), config)

  def truth(indices):
    return data.test_images(test.b, indices.tolist(), config)

  @functools.cache
  def examples():
    return [_some(images, config) for images in train]

  def generate(variables, indices):
    return to_uint8(forward(variables, sharding.shard_whole(run.mesh, inputs(indices))))

  return Task(
    name=direction,
    generate=generate,
    count=len(test.a),
    real={'test': test.b, 'train': train.b},
    truth=truth if dataset.aligned_test else None,
    baselines={
      'identity': inputs,
      'mean and variance': lambda indices: paired.matched(inputs(indices), *examples()),
    },
  )


def _some(images, config) -> np.ndarray:
  indices = np.linspace(0, len(images) - 1, min(len(images), MATCHED_IMAGES)).astype(int)
  return data.test_images(images, indices.tolist(), config)
