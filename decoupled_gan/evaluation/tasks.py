"""What a trained model generates and what that is compared with: between methods and evaluation.

A method's module offers `tasks(run, dataset) -> list[Task]`; evaluation knows no method by name.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from decoupled_gan import data
from decoupled_gan.core.images import to_float, to_uint8
from decoupled_gan.core.types import DIRECTIONS, Labelled, Pair
from decoupled_gan.data import Images
from decoupled_gan.evaluation.metrics import paired
from decoupled_gan.machine import sharding

MATCHED_IMAGES = 500  # of each domain, for the means and variances of the matching baseline


@dataclass(frozen=True)
class Task:
  """One thing that a model generates.

  Attributes:
    name: in tables and logs, e.g. 'a_to_b'.
    generate: (variables, indices int [n]) -> uint8 [n, S, S, C]. A function of its arguments alone:
      index i is the i-th test input of a translator or editor, and the seed of a sample from noise.
      n is always the same, and a multiple of the number of devices.
    count: indices are below it; None where they have no end.
    real: {'test': Images, 'train': Images}, real images of the kind that is generated.
    truth: indices -> uint8 [n, S, S, C], what should have been generated; None where nobody knows.
    baselines: name -> function of indices as `generate`, for images that are made without learning.
  """

  name: str
  generate: Callable[[Any, np.ndarray], np.ndarray]
  count: int | None
  real: Mapping[str, Images]
  truth: Callable[[np.ndarray], np.ndarray] | None = None
  baselines: Mapping[str, Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)


def of_translator(run, dataset) -> list[Task]:
  """Both directions of a method with `translate_images` on a dataset of pairs.

  The baselines are the input as it is, and with the target's mean and variance of each channel.
  """
  return [_direction(run, dataset, direction) for direction in DIRECTIONS]


def of_aligned(run, dataset) -> list[Task]:
  """The one direction of a method with `translate_images` on Aligned examples: input to target."""
  train, test = Pair(*dataset.train), Pair(*dataset.test)
  pairs = dataclasses.replace(dataset, train=train, test=test, aligned_test=True)
  return [_direction(run, pairs, 'a_to_b')]


def of_editor(run, dataset) -> list[Task]:
  """A task for each value of each attribute, of a method with `edit` on Labelled images.

  Edited are the test images that lack the value. The truth is known where the dataset has `edits`;
  the baseline is the image as it is.
  """

  @_compiled(run)
  def forward(variables, batch):
    images, labels = to_float(batch.image), batch.labels
    return run.gan.apply(variables, images, labels, method=run.method.edit)

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
    return data.test_images(test.image, which[indices].tolist(), config)

  def generate(variables, indices):
    labels = test.labels[which[indices]].copy()
    labels[:, column] = number
    batch = Labelled(inputs(indices), labels)
    return to_uint8(forward(variables, sharding.shard_whole(run.mesh, batch)))

  return Task(
    name=title,
    generate=generate,
    count=len(which),
    real={
      split: Some(images, np.flatnonzero(labels[:, column] == number))
      for split, (images, labels) in (('test', test), ('train', dataset.train))
    },
    truth=truth and (lambda indices: data.test_images(truth, which[indices].tolist(), config)),
    baselines={'identity': inputs},
  )


@dataclass(frozen=True, eq=False)
class Some:
  """Some of a set of images."""

  images: Images
  which: np.ndarray

  @property
  def names(self):
    return [self.images.names[i] for i in self.which]

  def __len__(self) -> int:
    return len(self.which)

  def __getitem__(self, index: int) -> np.ndarray:
    return self.images[self.which[index]]


def of_generator(run, dataset) -> list[Task]:
  """Images from seeds by a method with `style` and `draw`: untruncated, with fresh noise."""

  @_compiled(run)
  def forward(variables, seeds):
    keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(0), seed))(seeds)
    z = jax.vmap(lambda key: jax.random.normal(key, (run.gan.z_dim,)))(keys)

    def images(gan, z):
      return run.method.draw(gan, run.method.style(gan, z, 1.0), 'random')

    return run.gan.apply(variables, z, method=images, rngs={'noise': keys[0]})

  def generate(variables, indices):
    seeds = sharding.shard_whole(run.mesh, np.asarray(indices, np.uint32))
    return to_uint8(forward(variables, seeds))

  real = {'test': dataset.test.image, 'train': dataset.train.image}
  return [Task('generated', generate, None, real)]


def of_reconstruction(run, dataset) -> list[Task]:
  """Test images as a method with `reconstruct` gives them back, with themselves as the truth."""

  @_compiled(run)
  def forward(variables, images):
    return run.gan.apply(variables, to_float(images), method=run.method.reconstruct)

  def inputs(indices):
    return data.test_images(dataset.test.image, indices.tolist(), run.config)

  def generate(variables, indices):
    return to_uint8(forward(variables, sharding.shard_whole(run.mesh, inputs(indices))))

  real = {'test': dataset.test.image, 'train': dataset.train.image}
  return [Task('rebuilt', generate, len(dataset.test.image), real, truth=inputs)]


def _direction(run, dataset, direction: str) -> Task:
  config, target = run.config, DIRECTIONS[direction]
  test, train = (
    x if target == 'b' else x.swapped for x in (dataset.test, dataset.train)
  )  # now from a to b

  @_compiled(run)
  def forward(variables, images):
    return run.gan.apply(
      variables, to_float(images), target, method=run.method.translate_images
    )

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


def _compiled(run):
  """A decorator: `sharding.jit`, with results that every process can read."""
  return functools.partial(sharding.jit, out_shardings=sharding.replicated(run.mesh))


def _some(images, config) -> np.ndarray:
  indices = np.linspace(0, len(images) - 1, min(len(images), MATCHED_IMAGES)).astype(int)
  return data.test_images(images, indices.tolist(), config)
