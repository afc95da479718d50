"""Losses on literal numbers: values, gradients, reductions, and the commonest mistakes of each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from decoupled_gan.losses.adversarial import ADVERSARIAL, hinge, least_squares, logistic
from decoupled_gan.losses.pixels import cosine, l1, mse

REAL, FAKE = jnp.array([1.5, -0.3, 0.2]), jnp.array([-0.7, 0.4, 2.0])
VALUES = {  # what the discriminator and the generator minimise
  'non_saturating': (1.69901223, 0.58104310),
  'minimax': (1.69901223, -1.14770977),
  'least_squares': (2.41, 1.41666667),
  'hinge': (2.26666667, -0.56666667),
  'wasserstein': (0.1, -0.56666667),
  'relativistic': (1.05374899, 0.95374899),
  'relativistic_average': (1.70087019, 1.50087019),
  'relativistic_average_least_squares': (4.22444444, 3.42444444),
  'relativistic_average_hinge': (2.25555556, 1.97777778),
  'relativistic_hinge': (1.5, 1.16666667),
}


VECTORS = ('mmd', 'cramer', 'k_plus_one')  # losses of several outputs: tests/test_losses_kernels.py


@pytest.mark.row(95, 5, 'least_squares', 'hinge', 'relativistic')
@pytest.mark.parametrize('name', VALUES)
def test_adversarial_losses_have_the_published_values(name):
  loss, (d, g) = ADVERSARIAL[name](), VALUES[name]
  assert set(VALUES) | set(VECTORS) == set(ADVERSARIAL)
  assert float(loss.discriminate(REAL, FAKE)) == pytest.approx(d, rel=1e-6)
  assert float(loss.generate(FAKE, REAL if loss.pairs else None)) == pytest.approx(g, rel=1e-6)


@pytest.mark.parametrize('name', ADVERSARIAL)
@pytest.mark.parametrize('scale', [1.0, 60.0])
def test_adversarial_losses_are_float32_and_finite_in_half_precision_and_far_out(name, scale):
  loss = ADVERSARIAL[name]()
  real, fake = ((scale * x).astype(jnp.bfloat16)[:, None] for x in (REAL, FAKE))
  for function, inputs in ((loss.discriminate, (real, fake)), (loss.generate, (fake, real))):
    value, gradients = jax.value_and_grad(function, argnums=(0, 1), allow_int=True)(*inputs)
    assert value.dtype == jnp.float32
    assert all(np.isfinite(x.astype(jnp.float32)).all() for x in (value, *gradients))


GRADIENTS = [
  ('non_saturating', 'd', 0, (-0.06080851, -0.19148084, -0.15005533)),
  ('non_saturating', 'g', 0, (-0.22272926, -0.13377078, -0.03973431)),
  ('minimax', 'g', 0, (-0.11060408, -0.19956255, -0.29359903)),  # large where fakes already pass
  ('relativistic', 'g', 0, (-0.30008317, -0.11060408, -0.04728369)),
  ('relativistic', 'g', 1, (0.30008317, 0.11060408, 0.04728369)),
  ('hinge', 'd', 0, (0, -1 / 3, -1 / 3)),
  ('hinge', 'g', 0, (-1 / 3, -1 / 3, -1 / 3)),  # without end, however good the fakes
  ('wasserstein', 'd', 1, (1 / 3, 1 / 3, 1 / 3)),
  ('least_squares', 'g', 0, (-1.13333333, -0.4, 0.66666667)),  # 2 (f - 1) / 3: back from beyond 1
]


@pytest.mark.parametrize(('name', 'player', 'argument', 'expected'), GRADIENTS)
def test_adversarial_losses_have_the_published_gradients(name, player, argument, expected):
  loss = ADVERSARIAL[name]()
  function, inputs = (
    (loss.discriminate, (REAL, FAKE)) if player == 'd' else (loss.generate, (FAKE, REAL))
  )
  np.testing.assert_allclose(jax.grad(function, argument)(*inputs), expected, rtol=2e-6, atol=1e-8)


def test_the_mean_of_the_fakes_moves_with_the_generator_in_the_average_form():
  gradient = jax.grad(ADVERSARIAL['relativistic_average']().generate)(FAKE, REAL)
  stopped = jax.grad(
    lambda f: (
      logistic(f - REAL.mean(), True) + logistic(REAL - jax.lax.stop_gradient(f).mean(), False)
    )
  )(FAKE)
  assert not np.allclose(gradient, stopped)


@pytest.mark.row(35, 'smoothing')
def test_only_reals_are_smoothed():
  """t = 0.9: the real term is mean[t sp(-r) + (1 - t) sp(r)] = 0.59796913, the fake one as it was."""
  smoothed, plain = (ADVERSARIAL['non_saturating'](t) for t in (0.9, 1.0))
  assert float(smoothed.discriminate(REAL, FAKE)) == pytest.approx(1.74567890, rel=1e-6)
  assert float(smoothed.discriminate(REAL, FAKE) - logistic(FAKE, False)) == pytest.approx(0.59796913)
  assert float(smoothed.generate(FAKE, None)) == float(plain.generate(FAKE, None))
  assert float(ADVERSARIAL['least_squares'](0.9).discriminate(jnp.full(3, 0.9), jnp.zeros(3))) == 0


@pytest.mark.row(35)
def test_the_optimum_under_smoothed_reals_has_the_fakes_law_in_its_denominator_only():
  """D* = t p / (p + q): 0.3 for t = 0.9, p = 0.3, q = 0.6."""
  real, fake = 0.3, 0.6

  def loss(logit):
    cross = 0.9 * jax.nn.softplus(-logit) + 0.1 * jax.nn.softplus(logit)
    assert float(ADVERSARIAL['minimax'](0.9).discriminate(logit, logit)) == pytest.approx(
      float(cross + jax.nn.softplus(logit)), rel=1e-6
    )
    return real * cross + fake * jax.nn.softplus(logit)

  logit = jnp.log(0.3 / 0.7)
  best = float(loss(logit))
  assert best < float(loss(logit + 0.05))
  assert best < float(loss(logit - 0.05))


@pytest.mark.row(95)
def test_the_best_discriminator_and_its_value_are_those_of_the_theorem():
  """D* = p / (p + q), and V(D*) = -log 4 + 2 JSD: Goodfellow et al., proposition 1 and theorem 1."""
  p, q = np.array([0.1, 0.4, 0.5]), np.array([0.3, 0.3, 0.4])
  best = p / (p + q)
  np.testing.assert_allclose(best, [0.25, 0.57142857, 0.55555556], rtol=1e-7)
  logits, loss = jnp.log(best / (1 - best)), ADVERSARIAL['minimax']()
  outcomes = [float(loss.discriminate(x[None], x[None])) for x in logits]  # sp(-s) + sp(s) of each
  reals = [float(logistic(x[None], True)) for x in logits]
  value = sum(pi * r + qi * (both - r) for pi, qi, r, both in zip(p, q, reals, outcomes, strict=True))
  assert -value == pytest.approx(-1.32123515, rel=1e-6)
  assert -value == pytest.approx(-np.log(4) + 2 * 0.03252961, rel=1e-6)
  assert float(loss.discriminate(jnp.zeros(3), jnp.zeros(3))) == pytest.approx(1.38629436, rel=1e-6)


@pytest.mark.row(95)
def test_the_two_generator_losses_pull_where_the_other_one_does_not():
  """Minimax leaves a fake alone that the discriminator is sure of; the other one does not."""
  sure = jnp.array([-20.0])
  names = 'minimax', 'non_saturating'
  saturating, other = (jax.grad(ADVERSARIAL[name]().generate)(sure, None) for name in names)
  assert abs(float(saturating[0])) < 1e-8
  assert float(other[0]) == pytest.approx(-1)
  assert np.isfinite(float(ADVERSARIAL['minimax']().generate(jnp.array([50.0]), None)))


@pytest.mark.row('relativistic')
def test_pairing_holds_row_against_row_and_the_average_does_not():
  turned = jnp.roll(FAKE, 1)
  for name, same in (('relativistic', False), ('relativistic_average', True)):
    loss = ADVERSARIAL[name]().discriminate
    assert bool(np.isclose(loss(REAL, FAKE), loss(REAL, turned))) == same


def test_losses_are_means_over_patches_and_halves_of_other_sizes():
  assert float(ADVERSARIAL['hinge']().discriminate(jnp.zeros((2, 4, 4, 1)), jnp.zeros((6, 1)))) == 2
  assert float(hinge(jnp.zeros((2, 3)), True)) == 1
  assert float(logistic(jnp.zeros((3, 5)), True)) == pytest.approx(np.log(2))
  assert float(least_squares(jnp.full((2, 3), 0.5), 1)) == 0.25


def test_distances_are_means_over_all_elements():
  x, y = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[0.0, 2.0], [1.0, 8.0]])
  assert float(l1(x, y)) == 7 / 4
  assert float(mse(x, y)) == 21 / 4


def test_cosine_is_a_mean_over_vectors_in_float32_and_0_not_nan_for_a_null_vector():
  x = jnp.array([[3.0, 4.0], [0.0, 0.0]], jnp.bfloat16)
  found = cosine(x, jnp.array([[4.0, 3.0], [1.0, 0.0]], jnp.bfloat16))
  assert found.dtype == jnp.float32
  assert float(found) == pytest.approx(0.48, abs=1e-3)
