"""Metrics that know classes, on numbers of the official code, and who lacks labels."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import metrics, scoring
from decoupled_gan.evaluation.metrics import METRICS, classes, distribution
from decoupled_gan.evaluation.metrics.protocols import PROTOCOLS
from decoupled_gan.pretrained.features import Network

OFFICIAL = np.load(Path(__file__).parent / 'fixtures/28_metrics.npz')
PROTOCOL = PROTOCOLS['cleanfid']


def side(features, p=None, labels=None):
  found = {'features': np.asarray(features, np.float32)}
  found |= {} if p is None else {'logits': np.log(np.maximum(p, 1e-30)).astype(np.float32)}
  return found | ({} if labels is None else {'labels': np.asarray(labels)})


def value(name, real, fake):
  return METRICS[name].function(real, fake, PROTOCOL, np.random.default_rng(0)).value


@pytest.mark.row(28)
def test_cafd_and_the_divergence_of_shares_are_the_official_codes():
  x, p, y, q = (OFFICIAL[f'cafd_{name}'] for name in ('x', 'px', 'y', 'py'))
  assert classes.class_aware_distance(x, p, y, q) == pytest.approx(0.63776823, abs=1e-8)
  assert classes.class_aware_distance(x, p, y, q) == pytest.approx(float(OFFICIAL['cafd']), rel=1e-9)
  assert classes.share_divergence(p, q) == pytest.approx(0.02024897, abs=1e-8)
  assert value('cafd', side(x, p), side(y, q)) == pytest.approx(0.63776823, rel=1e-5)
  assert value('class_kl', side(x, p), side(y, q)) == pytest.approx(0.02024897, rel=1e-4)
  assert distribution.frechet_distance(x, y) == pytest.approx(0.38921969, abs=1e-8)
  half, other = np.full((4, 2), 0.5), np.tile([0.9, 0.1], (4, 1))
  assert classes.share_divergence(half, other) == pytest.approx(0.51082562, abs=1e-8)


@pytest.mark.parametrize('rows', [3, 20, 400])
def test_the_distance_of_equal_sets_is_0_and_of_nearly_equal_ones_is_not(rows):
  x = np.random.default_rng(0).normal(5, 3, (rows, 16))
  assert distribution.frechet_distance(x, x) == 0
  assert distribution.frechet_distance(x, x[::-1]) == 0
  assert distribution.frechet_distance(x, x + 1e-4) == pytest.approx(16e-8, rel=1e-3)


@pytest.mark.row(28)
def test_cafd_of_one_class_is_the_plain_distance_without_n_minus_1_and_weights_are_not_shares():
  x, y = OFFICIAL['real'], OFFICIAL['fake']
  one = [np.ones((len(z), 1)) for z in (x, y)]
  found = classes.class_aware_distance(x, one[0], y, one[1])
  assert found == pytest.approx(distribution.frechet_distance(x, y, ddof=0), rel=1e-9)
  # a plain mean over classes: a rare class counts as much as a frequent one
  p = np.repeat(np.eye(2), [45, 5], 0)
  y = x + np.where(p[:, 1:] > 0, 3.0, 0.0)
  assert classes.class_aware_distance(x, p, y, p) == pytest.approx(9 * x.shape[1] / 2, rel=1e-6)


@pytest.mark.row(28)
def test_cafd_sees_what_the_first_two_moments_of_all_images_hide():
  """Two classes at -1 and 1 against one cloud of the same mean and variance; 0.2276 by quadrature."""
  count, v = 10_000, np.sqrt(1.04)

  def both(x):
    return x, np.concatenate([expit(-8 * x), expit(8 * x)], 1)

  for seed in range(5):
    rng = np.random.default_rng(seed)
    real = np.concatenate([rng.normal(-1, 0.2, count), rng.normal(1, 0.2, count)])[:, None]
    fake = rng.normal(0, v, 2 * count)[:, None]
    halves = np.split(rng.permutation(real), 2)
    assert classes.class_aware_distance(*both(real), *both(fake)) == pytest.approx(0.2276, abs=0.006)
    assert distribution.frechet_distance(real, fake) < 2e-4
    assert classes.class_aware_distance(*both(halves[0]), *both(halves[1])) < 2e-4
  hard = [np.eye(2)[(x[:, 0] > 0).astype(int)] for x in (real, fake)]
  exact = (1 - v * np.sqrt(2 / np.pi)) ** 2 + (0.2 - v * np.sqrt(1 - 2 / np.pi)) ** 2
  assert exact == pytest.approx(0.20672911, abs=1e-8)
  assert classes.class_aware_distance(real, hard[0], fake, hard[1]) == pytest.approx(exact, abs=0.01)


def test_a_class_that_no_fake_shows_is_far_and_no_nan():
  x, p = OFFICIAL['cafd_x'], OFFICIAL['cafd_px']
  none = np.tile([1.0, 0.0], (6, 1))
  assert np.isfinite(classes.class_aware_distance(x, p, x, none))
  assert classes.share_divergence(p, none) > 5


@pytest.mark.row('intra_fid')
def test_within_classes_is_the_mean_of_each_classs_distance():
  x, y = OFFICIAL['real'], OFFICIAL['fake']
  labels = np.arange(50) % 2, np.arange(40) % 2
  expected = np.mean([distribution.frechet_distance(x[c::2], y[c::2]) for c in (0, 1)])
  real, fake = side(x, labels=labels[0]), side(y, labels=labels[1])
  for name in ('intra_fid', 'intra_fd'):
    assert value(name, real, fake) == pytest.approx(expected, rel=1e-4)
  with pytest.raises(UserError, match=r'of class 1 there are 25 real and 0 generated'):
    value('intra_fd', real, side(y, labels=np.zeros(40, int)))


@pytest.mark.row(15)
def test_top1_and_top5_count_what_was_drawn_for():
  logits = np.array([[3.0, 2, 1, 0, -1, -2], [0, 1, 2, 3, 4, 5], [0, 9, 1, 2, 3, 4]])
  fake = {'features': np.zeros((3, 1)), 'logits': logits, 'labels': np.array([0, 0, 1])}
  assert value('fake_top1', None, fake) == pytest.approx(2 / 3)
  assert value('fake_top5', None, fake) == pytest.approx(2 / 3)
  with pytest.raises(UserError, match='tells 6 classes, and images are drawn for class 6 too'):
    value('fake_top1', None, fake | {'labels': np.array([0, 0, 6])})
  with pytest.raises(UserError, match='needs a network with classes'):
    value('fake_top1', None, side(np.zeros((2, 1)), labels=[0, 0]))


def test_a_distance_within_classes_of_other_features_is_never_called_fid():
  with pytest.raises(UserError, match='ask for intra_fd_1k@own'):
    metrics.parse('intra_fid_1k@own')
  with pytest.raises(UserError, match='it is called intra_fid'):
    metrics.parse('intra_fd@inception')
  with pytest.raises(UserError, match='say by which network, as in cafd_1k@own'):
    metrics.parse('cafd_1k')


@pytest.fixture
def network(monkeypatch):
  """The mean of each channel as features; images of 2 px."""
  flat = lambda _, x: {'features': x.mean((1, 2)), 'logits': x.mean((1, 2))}  # noqa: E731
  found = Network('own', 2, 'hash', flat, {})
  monkeypatch.setattr(scoring.features, 'load', lambda name: found)
  return found


def images(seed, count=24):
  return list(np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 3), dtype=np.uint8))


def test_labels_follow_the_order_that_images_are_looked_at_in(network):
  labels = np.arange(24) % 2
  real = scoring.of_images('real', images(0), labels=labels)
  order = np.random.default_rng(0).permutation(24)
  assert (real.labels(np.arange(24)) == labels[order]).all()
  fake = scoring.of_images('fake', images(1), labels=labels)
  (found,) = scoring.score([metrics.parse('intra_fd@own')], real, fake, PROTOCOL, 0)
  means = [np.stack(x).mean((1, 2)).astype(np.float64) for x in (images(0), images(1))]
  sides = [[z[labels == c] for z in means] for c in (0, 1)]
  expected = np.mean([distribution.frechet_distance(*pair) for pair in sides])
  assert found.estimate.value == pytest.approx(expected, rel=1e-4)


def test_who_asks_for_classes_or_training_images_that_nobody_knows_is_told(network):
  real, fake = (scoring.of_images(name, images(i)) for i, name in enumerate(('real', 'fake')))
  with pytest.raises(UserError, match='intra_fd wants the class of each image, and real has none'):
    scoring.score([metrics.parse('intra_fd@own')], real, fake, PROTOCOL, 0)
  with pytest.raises(UserError, match='authenticity looks at the images that were trained on'):
    scoring.score([metrics.parse('authenticity@own')], real, fake, PROTOCOL, 0)
  train = scoring.of_images('train', images(2))
  scored = scoring.score([metrics.parse('authenticity@own')], real, fake, PROTOCOL, 0, train=train)
  assert 0 <= scored[0].estimate.value <= 1


@pytest.mark.row(15)
def test_the_protocol_studiogan_counts_neighbours_as_its_code_does():
  x, y = (side(OFFICIAL[name]) for name in ('real', 'fake'))
  chosen = PROTOCOLS['studiogan']
  for k in (3, 5):
    protocol = dataclasses.replace(chosen, neighbours=k)
    for name in ('precision', 'recall', 'density', 'coverage'):
      found = METRICS[name].function(x, y, protocol, np.random.default_rng(0)).value
      assert found == pytest.approx(float(OFFICIAL[f'prdc{k}.{name}']), abs=1e-9), (name, k)
  assert (chosen.neighbours, chosen.strict, chosen.score_splits, chosen.fid_ddof) == (5, True, 1, 1)
  point = np.zeros((6, 1))  # as near as the neighbour is not nearer
  assert distribution.share_within(point, point, 3) == 1
  assert distribution.share_within(point, point, 3, strict=True) == 0


@pytest.mark.row(15)
def test_the_inception_score_of_one_split_has_no_interval():
  fake = {'logits': np.log(np.eye(4) * 0.96 + 0.01)}
  found = METRICS['inception_score'].function(
    None, fake, PROTOCOLS['studiogan'], np.random.default_rng(0)
  )
  entropy = -(0.97 * np.log(0.97) + 3 * 0.01 * np.log(0.01))
  assert found.value == pytest.approx(np.exp(np.log(4) - entropy), rel=1e-6)
  assert np.isnan(found.low)
