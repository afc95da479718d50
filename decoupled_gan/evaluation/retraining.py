"""Classifiers that are trained anew on given images, as a run of a classifier was on its data.

Of the run everything is kept but the data: networks, loss, optimizer, steps, batches, augmentation. What
makes labels scarce or classes few there (few labels, held-out classes, thinned ones) is left out.
"""

from functools import partial

import jax
import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.core import state
from decoupled_gan.core.types import Examples, example_shape
from decoupled_gan.data.dataset import ArrayImages, Dataset
from decoupled_gan.defaults import get_config
from decoupled_gan.errors import UserError
from decoupled_gan.run import calls, events, experiment, inference, members

TRAININGS = 3  # classifiers, of which the spread is told
OF_DATA = ('labels_per_class', 'labelled_repeats', 'limit', 'class_counts', 'normal', 'held_out')
"""Fields of config.data that choose among the examples of the run's own data."""


def answers(
  config: ConfigDict, attribute: str, images: np.ndarray, labels: np.ndarray, examined: np.ndarray
) -> np.ndarray:
  """Logits [TRAININGS, M, K] that classifiers give `examined` [M, H, W, C], trained on `images` alone.

  Their seeds follow the run's: none of them is the run itself.

  Args:
    config: of the run of a classifier.
    attribute: the one that it is to tell.
    images, labels: uint8 [N, H, W, C], and the class of each, int [N].

  Raises UserError where the images are not of the run's shape or classes.
  """
  config = of_one_attribute(config, attribute)
  _check(config, images, labels, examined)
  run = experiment.build(config, devices=jax.local_devices()[:1])
  if not run.gan.loss.has_classes:
    raise UserError(
      f'losses.classify={config.losses.classify!r} has no classes of its own: name a classifier that '
      'has, such as one by cross_entropy.'
    )
  rgb = np.repeat(images, 3 // images.shape[-1], -1)
  names = [f'{i:06d}' for i in range(len(images))]
  images = ArrayImages(rgb, names, config.image_channels, resident=True)
  train = Examples(images, labels[:, None].astype(np.int32))
  with jax.set_mesh(run.mesh):
    current, call = run.create_state(), calls.Calls(run)
    spans = list(calls.spans(run, 0, config.num_steps))
    feed = events.Feed(run, Dataset('generated images', train, train), spans)
    for step, count in spans:
      current, batch = feed(current, step)
      current, _ = call(current, batch, step, count)
    found = [_logits(run, attribute, own, examined) for own in members.each(run, current)]
  if not np.isfinite(found).all():
    raise UserError('a classifier that was trained on generated images has no finite answers.')
  return np.stack(found)


def of_one_attribute(config: ConfigDict, attribute: str) -> ConfigDict:
  """The config of TRAININGS runs that tell this attribute, of data that are given."""
  if config.model.label_space or config.data.episode.ways:
    raise UserError(
      'its classifier was trained on several label spaces or by episodes, which generated images are '
      'not: name an ordinary one (--config=configs/classifier.py).'
    )
  config = config.copy_and_resolve_references()
  usual = get_config()
  with config.unlocked():
    config.attributes = {attribute: config.attributes[attribute]}
    for name in OF_DATA:
      config.data[name] = usual.data[name]
    config.start, config.events = usual.start, usual.events
  config.seed, config.seeds = config.seed + 1, TRAININGS
  return config


def _check(config: ConfigDict, images: np.ndarray, labels: np.ndarray, examined: np.ndarray):
  for x in (images, examined):
    if x.shape[1:] != example_shape(config):
      ours, theirs = (' x '.join(map(str, shape)) for shape in (example_shape(config), x.shape[1:]))
      raise UserError(
        f'the classifier of --own is one of images of {ours}, and these are {theirs}: train one of '
        'their size and channels.'
      )
  (classes,) = map(len, config.attributes.values())
  if labels.max() >= classes or labels.min() < 0:
    raise UserError(
      f'the classifier of --own tells {classes} classes, and images are drawn for class '
      f'{labels.max() if labels.max() >= classes else labels.min()} too: train one of the same classes, '
      'in their order.'
    )


def _logits(run, attribute: str, trained, examined: np.ndarray) -> np.ndarray:
  """[M, K] of one classifier, in evaluation mode."""
  forward = run.compiled(run.method.classify)
  look = partial(forward, state.inference_variables(trained))
  found = inference.batched(lambda x: look(x)[attribute].logits, examined, min(len(examined), 256))
  return found.astype(np.float64)
