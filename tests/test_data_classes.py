"""Labelled data for losses of classes: held out, thinned, drawn in episodes, made by a formula."""

from itertools import islice

import numpy as np
import pytest

from configs import classifier, proto_triplet
from decoupled_gan import data
from decoupled_gan.core.types import Examples
from decoupled_gan.data.episodes import Episodes
from decoupled_gan.errors import UserError


def load(words, recipe=classifier, **fields):
  config = recipe.get_config(words)
  config.update_from_flattened_dict(fields)
  return data.load(config, Examples), config


def test_classes_held_out_are_never_trained_on_and_all_there_is_of_them_is_tested():
  dataset, _ = load('held_out_digits')
  everything, _ = load('labelled_digits')
  assert set(dataset.train.labels[:, 0]) == set(range(8))
  assert set(dataset.test.labels[:, 0]) == {8, 9}
  counted = [np.isin(x.labels, (8, 9)).sum() for x in (everything.train, everything.test)]
  assert len(dataset.test.labels) == len(dataset.test.x) == sum(counted)
  of_both = sorted([*everything.train.x.names, *everything.test.x.names])
  assert set(dataset.test.x.names) <= set(of_both)


def test_digits_may_be_numbered_in_any_order():
  names = tuple('9876543210')
  turned, _ = load('labelled_digits', attributes={'digit': names})
  plain, _ = load('labelled_digits')
  np.testing.assert_array_equal(turned.train.labels, 9 - plain.train.labels)


def test_so_many_examples_of_each_class_are_kept():
  dataset, _ = load('imbalanced_digits')
  np.testing.assert_array_equal(np.bincount(dataset.train.labels[:, 0]), [100] * 5 + [10] * 5)
  assert len(dataset.train.x) == 550
  assert len(dataset.test.labels) == 359


def test_a_batch_of_episodes_has_its_classes_one_after_the_other_and_is_a_function_of_the_step():
  dataset, config = load('few_shot_digits', proto_triplet)
  config.data.num_threads = 0
  first, second, third = (
    np.asarray(x.labels)[:, 0] for x in islice(data.train_batches(dataset, config), 3)
  )
  for labels in (first, second):
    blocks = labels.reshape(5, 20)
    assert (blocks == blocks[:, :1]).all()
    assert len(set(blocks[:, 0])) == 5
  again = np.asarray(next(data.train_batches(dataset, config, 2)).labels)[:, 0]
  np.testing.assert_array_equal(again, third)
  config.data.augment = True  # which is decoded by threads, not taken from memory
  threaded = np.asarray(next(data.train_batches(dataset, config, 2)).labels)[:, 0]
  np.testing.assert_array_equal(threaded, third)


def test_episodes_draw_classes_and_examples_without_replacement():
  settings = classifier.get_config().data.episode
  settings.update({'ways': 3, 'shots': 2, 'queries': 2})
  labels = np.repeat(np.arange(5), 6)
  drawn = Episodes(labels, settings, 0).at(np.arange(240).reshape(20, 12))
  assert all(len(set(episode)) == 12 for episode in drawn.tolist())
  classes = labels[drawn].reshape(20, 3, 4)[:, :, 0]
  assert all(len(set(row)) == 3 for row in classes.tolist())
  assert len({tuple(sorted(row)) for row in classes.tolist()}) > 3
  assert set(drawn.ravel().tolist()) == set(range(30))


@pytest.mark.row(69)
def test_two_label_spaces_of_digits_label_what_is_theirs():
  dataset, config = load('digit_spaces')
  digit, space = dataset.train.labels.T
  assert set(digit[space == 0]) == set(range(7))
  assert set(digit[space == 1]) == {7, 8, 9, 10}
  assert config.attributes.digit[10] == '5 or 6'
  assert set(dataset.test.labels[:, 0]) == set(range(10))
  corner = [dataset.test.x[i][0, 0, 0] for i in (0, len(dataset.test.x) - 1)]
  assert corner == [0, 255], 'the second space is marked'


def test_classes_on_the_sphere_are_points_of_length_1_that_lie_near_each_other():
  dataset, _ = load('sphere200')
  x, labels = dataset.train.x, dataset.train.labels[:, 0]
  np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-5)
  means = np.stack([x[labels == k].mean(0) for k in range(200)])
  nearest = (dataset.test.x @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T).argmax(1)
  assert 0.8 < (nearest == dataset.test.labels[:, 0]).mean() < 1


@pytest.mark.row(104)
def test_modular_addition_has_each_pair_once_four_in_five_to_train():
  dataset, _ = load('modular31')
  pairs = [
    np.stack([x.x[:, :31].argmax(1), x.x[:, 31:].argmax(1)], 1) for x in (dataset.train, dataset.test)
  ]
  assert len(np.unique(np.concatenate(pairs), axis=0)) == 961
  assert len(pairs[0]) == 768
  np.testing.assert_array_equal(pairs[0].sum(1) % 31, dataset.train.labels[:, 0])


@pytest.mark.parametrize(
  ('words', 'fields', 'message'),
  [
    ('labelled_digits', {'data.held_out': 9}, r'data.held_out=9: of 10 classes at least two'),
    ('digit_spaces', {'data.held_out': 2}, r'data.held_out goes by the classes of one .* 2 attributes'),
    ('circle6', {'data.held_out': 2}, r'data.held_out goes by .* one that is a quantity: name one'),
    ('circle6', {'data.class_counts': (1, 2)}, r'data.class_counts goes by .* one that is a quantity'),
    (
      'labelled_digits',
      {'data.class_counts': (1, 2)},
      r'data.class_counts=\(1, 2\) has to have a number',
    ),
    (
      'labelled_digits',
      {'data.class_counts': (10_000,) * 10},
      r'from 1 to how many .* there are: \(151, ',
    ),
    ('sphere200', {'vector_size': 1}, r'vector_size=1: the sphere is in two dimensions or more'),
    ('modular31', {'vector_size': 4}, r'vector_size=4: two numbers below 31 are 62 coordinates'),
    ('digit_spaces', {'attributes.digit': ('1', '2')}, r'the digits of two spaces have'),
    ('labelled_digits', {'attributes.digit': ('1', '2')}, r'digits have one, config.attributes.digit'),
    (
      'labelled_digits',
      {'data.source': 'sphere', 'attributes.b': ('x', 'y')},
      r"'sphere' has one attribute",
    ),
  ],
)
def test_what_cannot_be_made_of_the_data_is_told(words, fields, message):
  with pytest.raises(UserError, match=message):
    load(words, **fields)


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'batch_size': 64}, r'batch_size=64 is no episode of 5 classes with 5 \+ 15 examples each: .* 100'),
    ({'data.episode.ways': 7, 'batch_size': 140}, r'data.episode: 7 classes .* and there are 5 classes'),
    ({'data.episode.queries': 495, 'batch_size': 2500}, r'the smallest with \d+\.'),
  ],
)
def test_episodes_that_cannot_be_drawn_are_told(fields, message):
  dataset, config = load('few_shot_digits', proto_triplet, **fields)
  with pytest.raises(UserError, match=message):
    data.train_batches(dataset, config)
