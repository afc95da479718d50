"""Distances between sets of features; test_metrics_parity.py has torch-fidelity's."""

import dataclasses

import numpy as np
import pytest

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics import METRICS, distribution
from decoupled_gan.evaluation.metrics.protocols import PROTOCOLS

PROTOCOL = dataclasses.replace(PROTOCOLS['cleanfid'], kid_subsets=4, kid_subset_size=50)


def features(count, seed, shift=0.0, dimensions=16):
  """Correlated features and logits, which float64 has as float32 does."""
  rng = np.random.default_rng(seed)
  x = np.abs(rng.normal(size=(count, dimensions)) @ rng.normal(size=(dimensions, dimensions)) + shift)
  return {'features': x.astype(np.float32), 'logits': 2 * x.astype(np.float32)}


REAL, FAKE = features(150, 0), features(124, 1, 0.5)


def value(name, real=REAL, fake=FAKE, seed=0, protocol=PROTOCOL):
  return METRICS[name].function(real, fake, protocol, np.random.default_rng(seed)).value


def test_density_and_coverage_are_their_definitions():
  x, y = (z['features'].astype(np.float64) for z in (REAL, FAKE))
  radii = [np.sort(np.linalg.norm(x - row, axis=1))[5] for row in x]  # [0] is its own
  inside = np.array([[np.linalg.norm(a - b) < r for b in y] for a, r in zip(x, radii, strict=True)])
  np.testing.assert_allclose(value('density'), inside.sum() / (5 * len(y)))
  np.testing.assert_allclose(value('coverage'), inside.any(1).mean())


def test_neighbours_are_the_same_whatever_the_block(monkeypatch):
  before = [value(name) for name in ('precision', 'recall', 'density', 'coverage')]
  monkeypatch.setattr(distribution, 'BLOCK', 7)
  assert [value(name) for name in ('precision', 'recall', 'density', 'coverage')] == before


def test_a_set_is_at_no_distance_from_itself_and_no_distance_is_below_nothing():
  found = distribution.fid(REAL, REAL, PROTOCOL, np.random.default_rng(0))
  assert 0 <= found.value < 1e-9
  assert found.low == 0 < found.high


def test_of_two_images_nothing_is_certain():
  two = [{k: v[i : i + 2] for k, v in REAL.items()} for i in (0, 2)]
  for metric in (distribution.kid, distribution.fid):
    found = metric(*two, PROTOCOL, np.random.default_rng(0))
    assert np.isfinite(found.value)
    assert np.isnan(found.low)
    assert np.isnan(found.high)
  ten = {k: v[:10] for k, v in REAL.items()}  # one image a split: each is all alike
  assert np.isnan(distribution.inception_score(None, ten, PROTOCOL, np.random.default_rng(0)).low)


def test_two_halves_of_a_set_are_near_and_another_set_is_far():
  whole = features(400, 5)
  halves = [{k: v[i::2] for k, v in whole.items()} for i in (0, 1)]
  other = features(200, 5, 2.0)
  everything = dataclasses.replace(PROTOCOL, kid_subset_size=1000)
  near, far = (
    distribution.kid(halves[0], x, everything, np.random.default_rng(0)) for x in (halves[1], other)
  )
  assert near.low < 0 < near.high  # unbiased: a distance of nothing is within its interval
  assert far.low > near.high
  assert value('fid', halves[0], halves[1]) < value('fid', halves[0], other)
  assert value('coverage', halves[0], halves[1]) > value('coverage', halves[0], other)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
  """95 % intervals of KID between samples of one distribution, whose KID is 0."""
  everything = dataclasses.replace(PROTOCOL, kid_subset_size=1000)
  rng, held = np.random.default_rng(0), 0
  for _ in range(40):
    x, y = ({'features': rng.normal(size=(60, 4)).astype(np.float32)} for _ in range(2))
    estimate = distribution.kid(x, y, everything, rng)
    held += estimate.low < 0 < estimate.high
  assert 34 <= held <= 40


def test_the_protocol_scales_kid_and_chooses_the_denominator_of_covariances():
  scaled = dataclasses.replace(PROTOCOL, kid_scale=100, kid_subset_size=1000)
  plain = dataclasses.replace(PROTOCOL, kid_subset_size=1000)
  np.testing.assert_allclose(value('kid', protocol=scaled), 100 * value('kid', protocol=plain))
  biased = dataclasses.replace(PROTOCOL, fid_ddof=0)
  assert value('fid', protocol=biased) != value('fid')


@pytest.mark.parametrize(
  ('name', 'count', 'least'),
  [('kid', 1, 2), ('fid', 1, 2), ('precision', 3, 4), ('coverage', 5, 6)],
)
def test_too_few_images_are_told(name, count, least):
  with pytest.raises(UserError, match=f'{name} needs at least {least} images on both sides; there are '):
    value(name, REAL, {k: v[:count] for k, v in FAKE.items()})


def test_the_inception_score_says_what_it_needs():
  with pytest.raises(UserError, match='at least 10 images; there are 9'):
    value('inception_score', REAL, {k: v[:9] for k, v in FAKE.items()})
  with pytest.raises(UserError, match='needs a network with classes'):
    value('inception_score', REAL, {'features': FAKE['features']})
