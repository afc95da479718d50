"""PRD, FD at infinity, Vendi, authenticity, copying and realism: definitions and published numbers."""

import numpy as np
import pytest

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics import METRICS, fidelity
from decoupled_gan.evaluation.metrics.protocols import PROTOCOLS

PROTOCOL = PROTOCOLS['nice_gan']


def normal(count, seed, shift=0.0, dimensions=4):
  x = np.random.default_rng(seed).normal(size=(count, dimensions)) + shift
  return {'features': x.astype(np.float32)}


def value(name, *sides):
  return METRICS[name].function(*sides, PROTOCOL, np.random.default_rng(0)).value


@pytest.mark.row('prd')
def test_prd_is_the_official_codes_and_each_number_tells_its_own_fault():
  real, fake = np.array([0.25, 0.25, 0.5]), np.array([0.5, 0.5, 0])
  curve = fidelity.prd_curve(real, fake)
  assert fidelity.largest_f(*curve, 8) == pytest.approx(0.50386319, abs=1e-7)
  assert fidelity.largest_f(*curve, 1 / 8) == pytest.approx(0.98482888, abs=1e-7)
  same = fidelity.prd_curve(real, real)
  assert [fidelity.largest_f(*same, beta) for beta in (8, 1 / 8)] == pytest.approx([1, 1], abs=1e-6)
  two = {'features': np.concatenate([normal(100, 0)['features'], normal(100, 1, 20)['features']])}
  one = normal(200, 2)  # the first half only
  assert value('prd_recall', two, one) < 0.65
  assert value('prd_precision', two, one) > 0.85
  assert value('prd_recall', one, two) > 0.85
  assert value('prd_precision', one, two) < 0.65


@pytest.mark.row('fd_infinity')
def test_the_distance_at_infinity_is_where_the_line_meets_0():
  sizes = np.array([100, 200, 400, 1000])
  assert fidelity.at_infinity(sizes, 3 + 50 / sizes)[0] == pytest.approx(3)
  real = normal(4000, 0, dimensions=8)
  small, far = normal(400, 1, dimensions=8), normal(400, 2, 1.0, dimensions=8)
  assert abs(value('fd_infinity', real, small)) < 0.1
  assert value('fd_infinity', real, far) == pytest.approx(8, rel=0.1)
  with pytest.raises(UserError, match='at least 20 generated images; there are 9'):
    value('fd_infinity', real, normal(9, 0, dimensions=8))


@pytest.mark.row('vendi')
def test_vendi_counts_different_images():
  assert fidelity.effective_number(np.eye(4)) == pytest.approx(4)
  assert fidelity.effective_number(np.eye(4)[[0, 0, 1, 1]] * 7) == pytest.approx(2)
  at = np.array([[1, 0], [0.5, np.sqrt(0.75)]])
  assert fidelity.effective_number(at) == pytest.approx(1.75476535, abs=1e-8)


@pytest.mark.row('authenticity')
def test_a_fake_is_authentic_if_its_nearest_training_image_has_a_nearer_one():
  train = np.array([[0.0], [1.0], [10.0], [14.0]])
  fake = np.array([[0.5], [-2.0], [10.5], [19.0]])  # distances 0.5, 2, 0.5, 5; radii 1, 1, 4, 4
  assert fidelity.authentic(train, fake).tolist() == [0, 1, 0, 1]


@pytest.mark.row('copying')
def test_copies_are_far_below_zero_and_fresh_images_about_it():
  u = fidelity.u_score(np.array([3.0, 4]), np.array([1.0, 2]))
  assert u == pytest.approx((0 - 2) / np.sqrt(2 * 2 * 5 / 12))
  train, test = normal(300, 0), normal(150, 1)
  copies = {'features': train['features'][:120] + 0.01}
  assert value('copying', test, copies, train) < -8
  assert abs(value('copying', test, normal(120, 2), train)) < 2.5
  with pytest.raises(UserError, match='choose one with test images'):
    value('copying', train, copies, train)


def test_cells_with_few_fakes_do_not_count_and_others_by_their_share_of_the_test_images():
  train, test = np.array([[0.0], [9.0]]), np.array([[1.0], [1.5], [2.0], [8.0]])
  fake = np.concatenate([np.full((20, 1), 0.1), np.full((19, 1), 9.0)])
  cells = [(x[:, 0] > 5).astype(int) for x in (train, test, fake)]
  only = fidelity.u_score(np.array([1.0, 1.5, 2.0]), np.full(20, 0.1))
  assert fidelity.copied(train, test, fake, *cells) == pytest.approx(only)
  assert np.isnan(fidelity.copied(train, test, fake[:19], cells[0], cells[1], cells[2][:19]))


@pytest.mark.row('realism')
def test_realism_is_the_largest_radius_over_distance_of_the_narrower_half():
  real = np.array([[0.0], [1.0], [2.0], [3.0], [100.0]])
  # third neighbours: 3, 2, 2, 3, 99; the median is 3, so that the last is left out
  fake = np.array([[4.0], [99.0], [1.0]])
  found = fidelity.realistic(real, fake, 3)
  assert found[:2] == pytest.approx([3 / 1, 3 / 96])
  assert found[2] > 1e6
