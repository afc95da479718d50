"""Metrics of points and of modes, on literal numbers; laws; how they are asked for."""

import json

import numpy as np
import pytest

from configs import gan
from decoupled_gan import data
from decoupled_gan.core.types import Examples
from decoupled_gan.data.sources.toy import MIXTURES, Mixture
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import scoring
from decoupled_gan.evaluation.metrics import parse, points, protocols
from decoupled_gan.modes import evaluate, train
from decoupled_gan.run.workdir import Workdir

PAIR = Mixture(np.array([[0.0, 0.0], [1.0, 0.0]]), 0.1)


def test_a_point_is_good_within_a_square_of_three_standard_deviations():
  at = np.array([[0.29, 0.29], [0.31, 0.0], [1.0, -0.29], [0.6, 0.0]])
  which, good = PAIR.assign(at)
  np.testing.assert_array_equal(which, [0, 0, 1, 1])
  np.testing.assert_array_equal(good, [True, False, True, False])  # a disc would lose the first
  assert points.modes(PAIR, at).value == 2
  assert points.modes(PAIR, at[:2]).value == 1
  assert points.high_quality_share(PAIR, at).value == 0.5


def test_of_perfect_points_on_a_plane_a_share_of_099461_is_good():
  """0.9973^2; a disc of 3 standard deviations would have 0.9889."""
  found = points.high_quality_share(MIXTURES['ring8'], MIXTURES['ring8'].sample(200_000, 0))
  assert found.value == pytest.approx(0.99460770, abs=0.0006)
  assert found.low < 0.99460770 < found.high


def test_the_divergence_of_modes_is_of_all_points_by_the_nearest_and_0_where_they_are_even():
  one = np.tile([[0.0, 0.0]], (4, 1))
  assert points.mode_kl(PAIR, one).value == pytest.approx(np.log(2))
  spread = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 5.0]])  # the last is not good
  expected = 0.25 * np.log(2 * 0.25) + 0.75 * np.log(2 * 0.75)
  assert points.mode_kl(PAIR, spread).value == pytest.approx(expected)
  assert points.mode_kl(PAIR, spread[:2]).value == 0


@pytest.mark.row(5)
def test_distances_on_a_line_are_of_sorted_points():
  real, fake = np.array([[0.0], [1], [3]]), np.array([[2.0], [0.5], [2]])
  found = points.wasserstein(real, fake, np.random.default_rng(0))
  assert found.value == pytest.approx(0.83333333)
  with pytest.raises(UserError, match='exact on a line, and these points have 2 coordinates'):
    points.wasserstein(np.zeros((2, 2)), np.zeros((2, 2)), None)


def test_the_sliced_distance_of_a_shift_is_its_length_times_the_mean_cosine():
  x = np.random.default_rng(0).normal(size=(500, 2))
  found = points.sliced_wasserstein_points(x, x + np.array([[3.0, 4.0]]), np.random.default_rng(1))
  assert found.value == pytest.approx(5 * 2 / np.pi, rel=0.05)
  assert found.low < found.value < found.high
  assert points.sliced_wasserstein_points(x, x, np.random.default_rng(1)).value == 0


# Stacked digits.


@pytest.fixture(scope='module')
def stacked():
  return data.load(gan.get_config('stacked_digits'), Examples)


def test_stacked_digits_are_of_a_thousand_modes_that_their_law_tells(stacked):
  assert stacked.law.modes == 1000
  assert stacked.train.x[0].shape == (8, 8, 3)
  labelled = data.load(gan.get_config('labelled_digits'), Examples).test
  images = np.stack([labelled.x[i][..., 0] for i in range(300)])
  digits = labelled.labels[:300, 0]
  assert (stacked.law.digits(images) == digits).mean() > 0.98
  numbers = digits[0:3] + 10 * digits[3:6] + 100 * digits[6:9]
  which, good = stacked.law.assign(np.stack([images[0:3], images[3:6], images[6:9]], -1))
  np.testing.assert_array_equal(which, numbers)
  assert good.all()


def test_as_many_modes_are_found_as_can_be_expected_of_so_many_images(stacked):
  """1000 (1 - 0.999^2000) = 864.8, a little less as digits are not quite even and some are mistaken."""
  images = np.stack([stacked.train.x[i] for i in range(2000)])
  found = points.modes(stacked.law, images).value
  assert found == pytest.approx(864.8, abs=20)
  assert points.mode_kl(stacked.law, images).value == pytest.approx(0.25, abs=0.06)


def test_stacked_digits_are_three_channels():
  config = gan.get_config('stacked_digits')
  config.image_channels = 1
  with pytest.raises(UserError, match='stacked digits are three channels'):
    data.load(config, Examples)


# Labels that are forgotten.


@pytest.mark.row(35)
def test_labels_are_known_of_so_many_of_each_class_drawn_by_the_seed():
  found = {}
  for seed in (0, 1):
    config = gan.get_config('labelled_digits')
    config.data.labels_per_class, config.seed = 3, seed
    dataset = data.load(config, Examples)
    labels = found[seed] = dataset.train.labels[:, 0]
    np.testing.assert_array_equal(np.bincount(labels[labels >= 0]), [3] * 10)
    assert (labels == -1).sum() == len(labels) - 30
    assert (dataset.test.labels >= 0).all()
    assert '30 training examples have labels' in dataset.describe()
  assert (found[0] != found[1]).any()
  config = gan.get_config('digits')
  config.data.labels_per_class = 3
  with pytest.raises(UserError, match='digits has no labels of classes'):
    data.load(config, Examples)


# Runs.


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """The workdir of a tiny run on the ring that was evaluated while it trained."""
  config = gan.get_config('tiny,ring8')
  config.model.width, config.batch_size, config.num_steps = 8, 16, 4
  config.sample_count, config.evaluation.images, config.evaluate_every_steps = 50, 100, 4
  workdir = Workdir(tmp_path_factory.mktemp('points'))
  train.train(config, workdir)
  return workdir


def test_points_are_evaluated_while_a_run_trains(run):
  rows = [json.loads(line) for line in (run.path / 'metrics.jsonl').read_text().splitlines()]
  found = {name for row in rows for name in row if name.startswith('evaluate/')}
  assert found == {
    f'evaluate/generated/{name}_100'
    for name in ('modes', 'high_quality_share', 'mode_kl', 'sliced_wasserstein_points')
  }
  assert (run.path / 'evaluations.png').exists()


def test_points_are_evaluated_afterwards_by_the_same_numbers(run, capsys):
  evaluate.evaluate_run(run, asked='modes_100,mode_kl_100,sliced_wasserstein_points_100')
  rows = [json.loads(line) for line in (run.path / 'evaluations.jsonl').read_text().splitlines()]
  values = {row['metric']: row['value'] for row in rows}
  trained = [json.loads(line) for line in (run.path / 'metrics.jsonl').read_text().splitlines()][-1]
  assert values['modes_100'] == trained['evaluate/generated/modes_100']
  assert values['mode_kl_100'] == pytest.approx(trained['evaluate/generated/mode_kl_100'])
  assert 'ring8, 8 modes' in capsys.readouterr().out


@pytest.mark.parametrize(
  ('asked', 'told'),
  [
    ('sliced_wasserstein_10', 'sliced_wasserstein is of images, and these are points: ask for .*, w'),
    ('wasserstein_10', 'exact on a line'),
  ],
)
def test_metrics_of_images_are_refused_for_points(run, asked, told):
  with pytest.raises(UserError, match=told):
    evaluate.evaluate_run(run, asked=asked)


def test_modes_that_nobody_knows_and_points_that_are_images_are_refused():
  images = scoring.of_images('x', np.zeros((4, 8, 8, 3), np.uint8))
  chosen = protocols.get('stylegan')
  with pytest.raises(UserError, match='modes counts modes, and those of this data are not known'):
    scoring.score([parse('modes')], images, images, chosen, 0)
  with pytest.raises(UserError, match='wasserstein is of points, and these are images'):
    scoring.score([parse('wasserstein')], images, images, chosen, 0)
