"""Tasks of editors and of aligned pairs: which images, under which labels, against which truth."""

import types

import jax.numpy as jnp
import numpy as np

from decoupled_gan import defaults
from decoupled_gan.core.images import to_float
from decoupled_gan.core.types import Aligned, Examples
from decoupled_gan.data import ArrayImages, Dataset
from decoupled_gan.evaluation import tasks
from decoupled_gan.machine import sharding

ATTRIBUTES = {'beard': ('no', 'yes'), 'hair': ('black', 'blond', 'red')}
LABELS = np.array([[0, 0], [1, 1], [0, 2]], np.int32)


def painted(levels):
  """Images of one level each."""
  array = np.broadcast_to(np.asarray(levels, np.uint8)[:, None, None, None], (len(levels), 8, 8, 3))
  return ArrayImages(array, [f'{level}' for level in levels])


def levels(labels):
  """What the painter makes of labels: 100 x beard + 10 x hair."""
  return labels @ np.array([100, 10])


class Painter:
  def apply(self, variables, images, labels, method):
    shades = (labels[:, :1] * 100 + labels[:, 1:] * 10) / 127.5 - 1
    return jnp.broadcast_to(shades[:, :, None, None], images.shape)


def make_run(method, gan=None):
  config = defaults.get_config()
  config.image_size, config.attributes, config.data.num_threads = 8, ATTRIBUTES, 0

  def compiled(function, *static):
    return lambda variables, *arrays: gan.apply(variables, *to_float(arrays), *static, method=function)

  return types.SimpleNamespace(
    config=config, gan=gan, mesh=sharding.make_mesh(), method=method, compiled=compiled
  )


def test_each_value_is_put_on_the_test_images_that_lack_it_and_compared_with_their_truth():
  edits = {}
  for column, (name, values) in enumerate(ATTRIBUTES.items()):
    for number in range(len(values)):
      changed = LABELS.copy()
      changed[:, column] = number
      edits[name, number] = painted(levels(changed))
  faces = Examples(painted(levels(LABELS)), LABELS)
  dataset = Dataset('painted', faces, faces, edits=edits)
  found = tasks.of_editor(make_run(types.SimpleNamespace(edit=None), Painter()), dataset)
  assert [t.name for t in found] == ['beard=no', 'beard=yes', 'hair=black', 'hair=blond', 'hair=red']
  assert [task.count for task in found] == [1, 2, 2, 2, 2]
  for task in found:
    indices = np.arange(task.count)
    np.testing.assert_array_equal(task.generate(None, indices), task.truth(indices))
    assert (task.baselines['identity'](indices) != task.truth(indices)).all()
  assert found[1].real['test'].names == ['110']


def test_without_known_edits_there_is_no_truth_and_what_nobody_lacks_is_no_task():
  labels = np.array([[0, 0], [0, 1]], np.int32)
  faces = Examples(painted([0, 10]), labels)
  found = tasks.of_editor(make_run(types.SimpleNamespace(edit=None)), Dataset('x', faces, faces))
  assert 'beard=no' not in [task.name for task in found]
  assert {task.truth for task in found} == {None}


def test_points_are_rebuilt_too_and_compared_as_sets():
  run = make_run(types.SimpleNamespace(reconstruct=None), types.SimpleNamespace())
  run.config.vector_size = 2
  run.compiled = lambda function: lambda variables, x: x + 1
  points = Examples(np.arange(6, dtype=np.float32).reshape(3, 2))
  (task,) = tasks.of_reconstruction(run, Dataset('points', points, points))
  np.testing.assert_array_equal(task.generate(None, np.array([2, 0])), [[5, 6], [1, 2]])
  assert (task.truth, task.metrics) == (None, ('sliced_wasserstein_points_10k',))


def test_fakes_have_classes_only_where_the_generator_is_told_them():
  run = make_run(types.SimpleNamespace(conditional=True, draw=None, style=None), types.SimpleNamespace())
  faces = Examples(painted([1, 2, 3]), LABELS)
  for conditional in (True, False):
    run.config.model = {'conditional': conditional}
    run.compiled = lambda *_, **__: None
    (task,) = tasks.of_generator(run, Dataset('faces', faces, faces))
    assert bool(task.labels) == bool(task.real_labels) == conditional


def test_aligned_pairs_have_one_direction_whose_truth_is_the_target():
  pairs = Aligned(painted([1, 2, 3]), painted([4, 5, 6]))
  run = make_run(types.SimpleNamespace(translate=None))
  (task,) = tasks.of_aligned(run, Dataset('pairs', pairs, pairs))
  assert (task.name, task.count) == ('a_to_b', 3)
  np.testing.assert_array_equal(task.truth(np.array([2]))[0, 0, 0], [6, 6, 6])
  np.testing.assert_array_equal(task.baselines['identity'](np.array([0]))[0, 0, 0], [1, 1, 1])
