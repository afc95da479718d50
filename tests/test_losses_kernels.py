"""Losses of several outputs: kernels, MMD, the energy distance, K + 1 classes; on literal numbers."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from decoupled_gan.errors import UserError
from decoupled_gan.losses import kernels
from decoupled_gan.losses.adversarial import ADVERSARIAL

X = jnp.array([[1.0, 2.0], [-0.5, 1.0], [0.3, -0.7]])
Y = jnp.array([[0.0, 1.0], [2.0, -1.0], [1.0, 1.0]])
PAPERS = (0.2, 0.5, 1, 2, 5)
FIXTURE = Path(__file__).parent / 'fixtures/mmd_kid.npz'


@pytest.mark.row(47)
@pytest.mark.parametrize(
  ('kernel', 'scales', 'unbiased', 'biased'),
  [
    ('rbf', (), -0.21685063, 0.14450870),
    ('rational_quadratic', PAPERS, -0.92400201, 1.12516532),
    ('rational_quadratic', (), -0.51407115, 0.62489210),
    ('rational_quadratic_dot', (), -1.37518226, 1.35044766),
    ('distance', (), -0.60754944, 0.78316254),
    ('cubic', (), -3.65743576, 6.45890815),
  ],
)
def test_mmd_with_and_without_the_diagonal_is_the_published_number(kernel, scales, unbiased, biased):
  k = kernels.get(kernel, scales)
  of_terms = 1e-6 * float(jnp.abs(k(X, X)).max())  # a small difference of large means
  for estimate, expected in (('unbiased', unbiased), ('biased', biased)):
    assert float(kernels.squared_mmd(k, X, Y, estimate)) == pytest.approx(expected, abs=of_terms)


@pytest.mark.row(47)
def test_the_published_estimate_keeps_the_lengths_that_the_product_adds():
  k = kernels.get('rational_quadratic_dot')
  assert float(kernels.squared_mmd(k, X, Y, 'published')) == pytest.approx(1.09648441, rel=1e-6)
  plain = kernels.get('rational_quadratic')  # whose diagonal is constant: nothing to keep
  both = [float(kernels.squared_mmd(plain, X, Y, how)) for how in ('published', 'unbiased')]
  assert both[0] == pytest.approx(both[1], rel=1e-6)


@pytest.mark.row(47)
def test_kernels_are_sums_over_scales():
  assert float(kernels.rational_quadratic(X, Y)[0, 0]) == pytest.approx(1.67233673, rel=1e-6)
  assert float(kernels.rbf(X, X)[0, 0]) == 6


@pytest.mark.row(47)
def test_the_generator_lowers_what_the_discriminator_raises():
  loss = ADVERSARIAL['mmd']('rational_quadratic')
  assert float(loss.discriminate(X, Y)) == pytest.approx(-float(loss.generate(Y, X)), rel=1e-6)
  gradient = jax.grad(loss.generate)(Y, X)
  expected = [[0.49633902, -0.0427533], [0.08099741, 0.0988335], [-0.07027953, -0.25402417]]
  np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.row(47)
def test_the_witness_and_its_slope_are_the_published_ones():
  share = jnp.array([[0.2], [0.5], [0.9]])
  between = (1 - share) * X + share * Y
  loss = ADVERSARIAL['mmd']('rational_quadratic')
  np.testing.assert_allclose(
    loss.witness(between, X, Y), [0.09621852, -0.12626815, -0.42274884], rtol=1e-5
  )
  slopes = jax.grad(lambda u: loss.witness(u, X, Y).sum())(between)
  lengths = np.sqrt(np.square(slopes).sum(1) + 1e-5)
  np.testing.assert_allclose(lengths, [0.62485883, 0.68478268, 0.16472717], rtol=1e-5)
  assert np.square(lengths - 1).mean() == pytest.approx(0.31259118, rel=1e-5)


@pytest.mark.row(47)
def test_the_cubic_estimate_is_the_official_kid():
  official = np.load(FIXTURE)
  x, y = (jnp.asarray(official[name], jnp.float32) for name in 'XY')
  assert float(kernels.squared_mmd(kernels.cubic, x, y)) == pytest.approx(2.91617984, rel=1e-5)
  assert float(official['kid']) == pytest.approx(2.91617984)
  assert float(kernels.squared_mmd(kernels.cubic, x, y, 'biased')) == pytest.approx(6.14894761, rel=1e-5)


@pytest.mark.row(47)
def test_under_equal_laws_the_unbiased_estimate_is_0_on_average_and_the_biased_one_is_not():
  def one(key, estimate):
    x, y = jax.random.normal(key, (2, 10, 4))
    return kernels.squared_mmd(kernels.cubic, x, y, estimate)

  keys = jax.random.split(jax.random.key(0), 4000)
  found = np.asarray(jax.vmap(lambda key: one(key, 'unbiased'))(keys))
  assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))
  assert jax.vmap(lambda key: one(key, 'biased'))(keys).mean() > 1.5


@pytest.mark.row(47)
def test_equal_features_have_a_gradient_of_zero_not_nan():
  for kernel in kernels.KERNELS:
    gradient = jax.grad(ADVERSARIAL['mmd'](kernel).generate)(jnp.zeros((3, 2)), jnp.zeros((3, 2)))
    assert np.isfinite(gradient).all(), kernel


@pytest.mark.row(47)
@pytest.mark.parametrize(
  ('constants', 'message'),
  [
    ({'kernel': 'gauss'}, r"losses.mmd.kernel='gauss' is unknown; there are rbf, rational_quadratic"),
    ({'kernel': 'cubic', 'scales': (1,)}, 'the kernel cubic has none; rbf'),
    ({'estimate': 'exact'}, r"losses.mmd.estimate='exact' is unknown; there are unbiased"),
  ],
)
def test_what_there_is_not_is_told(constants, message):
  with pytest.raises(UserError, match=message):
    ADVERSARIAL['mmd'](**constants).generate(X, Y)


def energy(x, y):
  """The energy distance's three means in float64, with Y's next row as the second fake."""
  x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
  other = np.roll(y, 1, 0)

  def length(a):
    return np.sqrt(np.square(a).sum(1) + 1e-5)

  def critic(a, b):
    return length(a - b) - length(a)

  near = (length(y - x) + length(other - x) - length(y - other)).mean()
  return near, critic(other, y).mean() - critic(x, y).mean()


@pytest.mark.row('cramer')
def test_cramer_distances_are_those_of_its_algorithm():
  loss = ADVERSARIAL['cramer']()
  near, told = energy(X, Y)
  assert float(loss.generate(Y, X)) == pytest.approx(near, rel=1e-6)
  assert float(loss.discriminate(X, Y)) == pytest.approx(told, rel=1e-6)
  witness = loss.witness(X, X, Y)
  np.testing.assert_allclose(witness[0], np.sqrt(2) - np.sqrt(5), rtol=1e-5)


@pytest.mark.row('cramer')
def test_two_equal_laws_are_at_a_cramer_distance_of_0_on_average():
  def one(key):
    x, y = jax.random.normal(key, (2, 32, 4))
    return ADVERSARIAL['cramer']().generate(y, x) - kernels.length(x - jnp.roll(x, 1, 0)).mean()

  found = np.asarray(jax.vmap(one)(jax.random.split(jax.random.key(0), 1000)))
  assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))


@pytest.mark.row(35)
def test_k_plus_one_classes_have_the_published_halves():
  real, fake = jnp.array([[1.0, 1, 0], [-2, 0, 0.5]]), jnp.array([[0.0, -1, -1], [2, 1, 0]])
  loss, whole = ADVERSARIAL['k_plus_one'](), ADVERSARIAL['k_plus_one'](1.0)
  assert float(loss.discriminate(real, fake)) == pytest.approx(0.98788055, rel=1e-6)
  assert float(loss.generate(fake, None)) == pytest.approx(-1.75011029, rel=1e-6)
  # an explicit softmax over K + 1 with the logit 0 for 'fake'
  both = [jax.nn.log_softmax(jnp.pad(x, ((0, 0), (0, 1)))) for x in (real, fake)]
  is_real = -jax.nn.logsumexp(both[0][:, :-1], 1).mean()
  is_fake = -both[1][:, -1].mean()
  assert float(is_real) == pytest.approx(0.22565080, rel=1e-6)
  assert float(is_fake) == pytest.approx(1.75011029, rel=1e-6)
  assert float(whole.discriminate(real, fake)) == pytest.approx(float(is_real + is_fake), rel=1e-6)
