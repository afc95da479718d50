"""What is to be measured of a run, and the sets of images that it takes."""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.data.pipeline import stretched, tested
from decoupled_gan.errors import UserError, listing
from decoupled_gan.evaluation import metrics, own, scoring
from decoupled_gan.evaluation.metrics import protocols
from decoupled_gan.evaluation.metrics.registry import ANSWERS, FEATURES, METRICS, RETRAINED, Request
from decoupled_gan.evaluation.scoring import ImageSet
from decoupled_gan.evaluation.tasks import Task
from decoupled_gan.pretrained import efficientnet, features

PAIRED = ('mae', 'psnr')  # what is measured if nothing is asked and the truth is known
CLASSIFIED = ('accuracy', 'calibration_error')  # and of a classifier
EMBEDDED = ('five_shot', 'verification_auc')  # and of one without classes of its own
CLUSTERED = ('cluster_accuracy', 'cluster_nmi')
USUAL = {
  'classes': CLASSIFIED, 'features': EMBEDDED, 'clusters': CLUSTERED, 'scores': ('anomaly_auc',),
}  # fmt: skip
"""Task.answers -> what is measured if nothing is asked."""
FRECHET = ('fid', 'fd', 'intra_fid', 'intra_fd', 'fd_infinity')


def requested(asked: str, config: ConfigDict, protocol: protocols.Protocol, task: Task):
  """The requests of --metrics, else of the config, else those that suit the task."""
  names = asked.split(',') if asked else config.evaluation['metrics']
  if task.answers:
    return _answerable(parsed(names or USUAL[task.answers]), task)
  names = names or (PAIRED if task.truth else task.metrics)
  requests = parsed(names) if names else available(protocol.metrics)
  prepare(requests, config.evaluation.own)
  scoring.networks(requests)  # told now if one is missing, not after an hour
  return requests


def suited(asked: str, config: ConfigDict, tasks: Sequence[Task]) -> list[Task]:
  """The tasks that what is asked is of, where a run has some of images and some that are answered."""
  names = asked.split(',') if asked else config.evaluation['metrics']
  kinds = {request.metric.needs == ANSWERS for request in parsed(names)}
  chosen = [task for task in tasks if bool(task.answers) in kinds]
  return chosen if len(kinds) == 1 and chosen else list(tasks)


def prepare(requests: Sequence[Request], own_workdir: str):
  """Makes the network `own` known; raises UserError for a request that is not of images."""
  for request in requests:
    if request.metric.needs == ANSWERS:
      raise UserError(
        f'{request.metric.name} is of what a classifier answers to labelled examples: it goes with a '
        'run of a method that can classify, not with images.'
      )
  own.provide(own_workdir, requests)


def _answerable(requests: list[Request], task: Task) -> list[Request]:
  """The requests of a classifier; raises UserError for one of images."""
  for request in requests:
    if request.metric.needs != ANSWERS:
      known = [name for name, metric in METRICS.items() if metric.needs == ANSWERS]
      raise UserError(
        f'{request.metric.name} is of images, and {task.name} is told by a classifier: ask for '
        f'{listing(known, 30)}.'
      )
  return requests


def available(names: Sequence[str]) -> list[Request]:
  """Requests for `names`; efficientnet_lite0 stands in for a network whose weights are missing."""
  requests = []
  for request in parsed(names):
    missing = request.metric.needs == FEATURES and not features.available(request.network)
    if missing:
      found = METRICS['fd'] if request.metric.name == 'fid' else request.metric
      request = Request(found, request.count, efficientnet.NAME)
    requests.append(request)
  return requests


def real_images(
  task: Task, protocol: protocols.Protocol, config: ConfigDict, split: str = ''
) -> ImageSet:
  """The reference of the protocol, at its size; none for a classifier, which is measured by labels.

  Args:
    split: 'test' or 'train', in place of the protocol's.
  """
  if task.answers:
    return ImageSet(task.name, lambda indices: [], 0)
  split = split or protocol.reference
  images, labels = task.real[split], task.real_labels.get(split)
  name = f'{task.name} real ({split})'
  if config.vector_size:
    return scoring.of_images(name, images, labels=labels)
  prepare = stretched if protocol.reference_size == 'own' else tested
  return scoring.of_images(name, images, lambda image: prepare(image, config), labels)


def trained_images(
  requests: Sequence[Request], task: Task, protocol: protocols.Protocol, config: ConfigDict
) -> ImageSet | None:
  """The images that were trained on, where a request looks at them."""
  if not any(request.metric.train for request in requests):
    return None
  return real_images(task, protocol, config, 'train')


def examined_images(
  requests: Sequence[Request], task: Task, config: ConfigDict
) -> ImageSet | None:
  """The test images at the size of training, where a request tests classifiers by them.

  Whatever the protocol's reference is: a classifier is never tested by what it could have seen.
  """
  if not any(request.metric.needs == RETRAINED for request in requests) or config.vector_size:
    return None
  name = f'{task.name} real (test)'
  labels = task.real_labels.get('test')
  return scoring.of_images(name, task.real['test'], lambda image: tested(image, config), labels)


def generated_images(task: Task, variables, config: ConfigDict, count: int | None = None) -> ImageSet:
  """What the model generates, limited by `count`; or all that a classifier answers."""
  found = generated(task.name, task, lambda i: task.generate(variables, i), config)
  if task.walk and variables is not None:
    found.walk = functools.partial(_walked, task, variables)
  if count is not None and not task.answers:
    found.count = count if found.count is None else min(count, found.count)
  return found


def _walked(task: Task, variables, count: int, space: str):
  """Both ends of `count` steps, as many at a time as the task makes in a call."""
  size = -(-task.size // jax.device_count()) * jax.device_count()
  for start in range(0, count, size):
    ends = task.walk(variables, np.arange(start, start + size), space)
    yield tuple(x[: count - start] for x in ends)


def true_images(task: Task, config: ConfigDict) -> ImageSet | None:
  """What should have been generated, where it is known."""
  return generated(f'{task.name} truth', task, task.truth, config) if task.truth else None


def limited(request: Request, count: int | None) -> Request:
  """The request, for no more than `count` images."""
  if count is None or not request.metric.counted:
    return request
  return dataclasses.replace(request, count=min(count, request.count or count))


def generated(name: str, task: Task, function, config: ConfigDict) -> ImageSet:
  """Images (of a classifier, answers) that `function` makes of indices, in an order of the seed's."""
  size = -(-task.size // jax.device_count()) * jax.device_count()
  # shuffled, so that the first hundred are a fair sample
  order = task.count and np.random.default_rng(config.seed).permutation(task.count)

  def read(indices):
    for start in range(0, len(indices), size):
      part = indices[start : start + size]
      filled = np.concatenate([part, np.repeat(part[-1:], size - len(part))])
      yield from function(filled if order is None else order[filled])[: len(part)]

  def labels(indices):
    return task.labels(indices if order is None else order[indices])

  return ImageSet(name, read, task.count, labels=labels if task.labels else None)


def parsed(names: Sequence[str]) -> list[Request]:
  """Requests in the order of `names`, KID before FID."""
  requests = [metrics.parse(name) for name in names]
  return sorted(requests, key=lambda request: request.metric.name in FRECHET)
