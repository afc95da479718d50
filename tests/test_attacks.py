"""Projected gradients on literal numbers: steps, balls, ranges, and what must not lead through them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from decoupled_gan.errors import UserError
from decoupled_gan.losses.attacks import Attack, from_config, perturb

START = jnp.array([[0.2, 0.9, 0.5]])
UNIT = (0.0, 1.0)  # range of the published numbers


def uphill(x):
  """A score whose gradient is (3, 4, 0) everywhere."""
  return x @ jnp.array([3.0, 4.0, 0.0])


@pytest.mark.row(81)
@pytest.mark.parametrize(
  ('attack', 'expected'),
  [
    (Attack('l2', 0.5, 0.1, 1, bounds=UNIT), (0.26, 0.98, 0.5)),
    # Projected first, then clipped: the difference that is left is not on the sphere.
    (Attack('l2', 0.15, 0.1, 7, bounds=UNIT), (0.29941712, 1.0, 0.5)),
    (Attack('l2', float('inf'), 0.1, 3, bounds=UNIT), (0.38, 1.0, 0.5)),
    (Attack('linf', 0.05, 0.03, 1, bounds=UNIT), (0.23, 0.93, 0.5)),
    (Attack('linf', 0.05, 0.03, 2, bounds=UNIT), (0.25, 0.95, 0.5)),
    (Attack('linf', 0.3, 0.3, 1, bounds=UNIT), (0.5, 1.0, 0.5)),
    (Attack('linf', 0.3, 0.3, 0, bounds=UNIT), (0.2, 0.9, 0.5)),
  ],
)
def test_steps_balls_and_ranges(attack, expected):
  np.testing.assert_allclose(perturb(uphill, START, attack)[0], expected, rtol=1e-5)


def test_sizes_may_differ_from_one_example_to_the_next():
  """As DAFA's, whose classes have margins of their own."""
  x = jnp.full((2, 3), 0.5)
  attack = Attack('linf', 0.1, 0.1, 3, bounds=UNIT)
  found = perturb(uphill, x, attack, scale=jnp.array([1.0, 0.5]))
  np.testing.assert_allclose(found, [[0.6, 0.6, 0.5], [0.55, 0.55, 0.5]], rtol=1e-5)


def test_a_random_start_is_within_the_ball_and_the_range():
  x = jnp.zeros((50, 4))
  attack = Attack('linf', 0.3, 0.1, 0, random_start=True)
  found = perturb(lambda x: x.sum(1), x, attack, jax.random.key(0))
  assert 0.25 < float(jnp.abs(found).max()) <= 0.3
  assert float(found.min()) < -0.25
  edge = perturb(lambda x: x.sum(1), x + 1, attack, jax.random.key(0))
  assert float(edge.max()) == 1


def test_no_gradient_leads_through_an_attack():
  attack = Attack('linf', 0.1, 0.05, 2, bounds=UNIT)

  def moved(x):
    return perturb(uphill, x, attack).sum()

  assert not jax.grad(moved)(START).any()


def test_examples_do_not_mix():
  """A score of one example must not move another: alone or in a batch, the result is the same."""
  x = jax.random.uniform(jax.random.key(0), (3, 4))
  score = lambda x: jnp.square(x - 0.5).sum(1)  # noqa: E731
  attack = Attack('l2', 0.5, 0.1, 5, bounds=UNIT)
  together = perturb(score, x, attack)
  for i in range(3):
    np.testing.assert_allclose(perturb(score, x[i : i + 1], attack)[0], together[i], rtol=1e-5)


def settings(**fields):
  return ConfigDict(
    {'norm': 'linf', 'eps': 8 / 255, 'step': 2 / 255, 'steps': 10, 'random_start': True} | fields
  )


def test_sizes_of_images_are_given_for_0_to_1_and_doubled_once():
  found = from_config(settings())
  assert found.eps == pytest.approx(16 / 255)
  assert found.step == pytest.approx(4 / 255)
  assert found.bounds == (-1, 1)
  of_points = from_config(settings(eps=0.5), images=False)
  assert (of_points.eps, of_points.bounds) == (0.5, (-float('inf'), float('inf')))
  assert from_config(settings(steps=0)) is None


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'norm': 'l1'}, r"losses.attack.norm='l1' is unknown; there are linf, l2"),
    ({'norm': 'l2'}, r'losses.attack.random_start is from a cube: it goes with norm linf'),
    ({'eps': float('inf')}, r'random_start is from a cube'),
  ],
)
def test_an_attack_that_there_is_not_is_told(fields, message):
  with pytest.raises(UserError, match=message):
    from_config(settings(**fields))
