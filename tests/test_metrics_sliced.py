"""The sliced Wasserstein distance."""

import numpy as np
import pytest

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics.sliced import _distances, _enlarged, sliced_wasserstein


def smooth(count, seed, size=32, waves=1):
  """Images of a few random waves."""
  rng = np.random.default_rng(seed)
  phase, where = rng.uniform(0, 6, (count, 1, 1, 3)), np.mgrid[:size, :size] / size
  angle = 2 * np.pi * waves * (where[0] + where[1]).reshape(1, size, size, 1)
  return np.uint8(127 + 100 * np.sin(angle + phase))


def value(a, b):
  return sliced_wasserstein(a, b, np.random.default_rng(0)).value


def test_other_images_of_the_same_kind_are_near_and_of_another_kind_far():
  x = smooth(60, 0)
  near, far = value(x, smooth(60, 1)), value(x, smooth(60, 1, waves=4))
  assert value(x, x) < near + 10
  assert near < far / 3


def test_it_does_not_depend_on_order_and_takes_as_many_of_each():
  x, y = smooth(40, 0), smooth(40, 1, waves=2)
  np.testing.assert_allclose(value(x, y), value(x[::-1], y), rtol=0.1)
  np.testing.assert_allclose(value(x, y[:30]), value(x, y), rtol=0.1)


def test_a_shift_is_as_far_as_it_shifts_the_projections():
  """Sorted projections of x and x + d differ by the projection of d: on average |d| E|u_1|."""
  x = np.random.default_rng(0).normal(size=(500, 10)).astype(np.float32)
  shifted = x + np.eye(10, dtype=np.float32)[0] * 3
  found = _distances(x, shifted, np.random.default_rng(1)).mean()
  directions = np.random.default_rng(2).normal(size=(100_000, 10))
  expected = 3 * np.abs(directions[:, 0] / np.linalg.norm(directions, axis=1)).mean()
  np.testing.assert_allclose(found, expected, rtol=0.1)


def test_a_constant_image_stays_constant_when_it_is_enlarged():
  np.testing.assert_allclose(_enlarged(np.full((1, 8, 8, 3), 5.0)), 5)


def test_sizes_that_do_not_fit_are_told():
  with pytest.raises(UserError, match='images of one size; these have 32x32x3 and 64x64x3'):
    value(smooth(4, 0), smooth(4, 0, 64))
  with pytest.raises(UserError, match='at least 16 px'):
    value(smooth(4, 0, 8), smooth(4, 0, 8))
