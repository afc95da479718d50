"""Numbers of classifiers: literal answers, and scikit-learn's on the same."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics import METRICS, parse
from decoupled_gan.evaluation.metrics.classification import Response, expected_gap, pair_auc

LOGITS = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.0, 2.0], [2.0, 1.5, 0.0]])
LABELS = np.array([0, 2, 2, 1])
ANSWERS = Response(np.eye(4), LOGITS, LABELS)


def value(name, answers=ANSWERS):
  return METRICS[name].function(answers, np.random.default_rng(0)).value


@pytest.mark.parametrize(
  ('name', 'expected'),
  [
    ('accuracy', 0.5),
    ('top2', 1.0),
    ('balanced_accuracy', (1 + 0 + 0.5) / 3),
    ('margin', (2 - 1 + 1 - 0.5) / 4),
    ('margin_decile', np.quantile([2, -1, 1, -0.5], 0.1)),
  ],
)
def test_shares_and_margins_are_those_counted_by_hand(name, expected):
  assert value(name) == pytest.approx(expected)


def test_ties_count_against_the_true_class():
  assert value('accuracy', Response(np.eye(2), np.zeros((2, 3)), np.array([0, 1]))) == 0


def test_calibration_is_the_gap_of_confidence_and_accuracy_in_15_bins():
  confidence, right = np.array([0.9, 0.92, 0.5, 0.51]), np.array([1, 0, 1, 1])
  # 0.9 and 0.92 lie in one bin (13/15 to 14/15), 0.5 and 0.51 in another (7/15 to 8/15)
  assert expected_gap(confidence, right) == pytest.approx((abs(1.82 - 1) + abs(1.01 - 2)) / 4)
  sure = Response(np.eye(2), np.array([[50.0, 0], [0, 50.0]]), np.array([0, 1]))
  assert value('calibration_error', sure) == pytest.approx(0, abs=1e-12)


def test_the_verification_auc_is_scikit_learns_over_all_pairs_ties_too():
  rng = np.random.default_rng(0)
  features, labels = rng.normal(size=(40, 3)).round(), rng.integers(4, size=40)
  unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
  i, j = np.triu_indices(40, 1)
  expected = roc_auc_score(labels[i] == labels[j], (unit @ unit.T)[i, j])
  assert pair_auc(features, labels) == pytest.approx(expected)


def clusters(count=30, noise=0.01):
  labels = np.repeat(np.arange(6), count)
  rng = np.random.default_rng(1)
  return Response(np.eye(6)[labels] + noise * rng.normal(size=(len(labels), 6)), None, labels)


@pytest.mark.row(83)
@pytest.mark.parametrize('name', ['five_shot', 'verification_auc', 'icnn'])
def test_clusters_are_told_by_their_features_and_shuffled_labels_are_not(name):
  good = clusters()
  shuffled = good._replace(label=np.random.default_rng(2).permutation(good.label))
  assert value(name, good) > 0.9
  assert value(name, shuffled) < 0.6


def test_intervals_stay_within_0_and_1_and_there_is_none_where_all_are_right():
  several = Response(*(np.concatenate([x] * 4) for x in ANSWERS))
  for name in ('accuracy', 'balanced_accuracy'):
    found = METRICS[name].function(several, np.random.default_rng(0))
    assert 0 <= found.low <= found.value <= found.high <= 1
  for name, answers in (('top3', several), ('five_shot', clusters())):
    found = METRICS[name].function(answers, np.random.default_rng(0))
    assert found.value == 1
    assert np.isnan(found.low)


@pytest.mark.parametrize(
  ('name', 'answers', 'message'),
  [
    ('accuracy', clusters(), r'this run has no classes of its own; ask for five_shot'),
    ('margin', ANSWERS._replace(label=LABELS + 1), r'held out, it cannot tell them; ask for five_shot'),
    ('five_shot', ANSWERS, r'five_shot needs two classes with more than 5 examples'),
    (
      'verification_auc',
      ANSWERS._replace(label=np.zeros(4, int)),
      r'needs pairs of one class and pairs',
    ),
  ],
)
def test_what_answers_cannot_say_is_told(name, answers, message):
  with pytest.raises(UserError, match=message):
    value(name, answers)


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('accuracy@own', r'accuracy takes no feature network; ask for accuracy'),
    ('accuracy_1k', r'accuracy takes no such number of images'),
    ('fid@own', r"FID is .* of Inception's features; of others it is called fd: ask for fd@own"),
    ('fid_1k@efficientnet_lite0', r'ask for fd_1k@efficientnet_lite0'),
    ('fd_1k', r'say of which features, as in fd_1k@efficientnet_lite0 or fd_1k@own; .* fid_1k'),
    ('fd@inception', r'of those of Inception it is called fid'),
  ],
)
def test_an_fd_with_other_features_than_inceptions_is_never_called_fid(text, message):
  with pytest.raises(UserError, match=message):
    parse(text)
