"""Terms on critics and numbers that are known by hand: values, gradients, and common mistakes."""

import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from decoupled_gan.errors import UserError
from decoupled_gan.losses.adversarial import ADVERSARIAL
from decoupled_gan.methods import gan  # noqa: F401  all terms
from decoupled_gan.terms import TERMS, slopes
from decoupled_gan.terms.consistency import alike
from decoupled_gan.terms.scenes.tempered import Tempered, mixed, temperature

X = jnp.array([[1.0, 2.0], [-0.5, 1.0], [0.3, -0.7]])
Y = jnp.array([[0.0, 1.0], [2.0, -1.0], [1.0, 1.0]])
SHARE = jnp.array([[0.2], [0.5], [0.9]])


def linear(x):
  """Slope (3, 4) everywhere."""
  return x @ jnp.array([[3.0], [4.0]])


def quadratic(x):
  """Slope (2 x1 + x2, x1 - x2)."""
  return (x[:, :1] ** 2 + x[:, :1] * x[:, 1:] - x[:, 1:] ** 2 / 2).sum(-1, keepdims=True)


def scene(critic, **fields):
  """A scene of the examples X and Y with `critic` for its discriminator."""
  return types.SimpleNamespace(
    real=X, fake=Y, critic=critic, witness=critic, between=X + SHARE * (Y - X), labels=None, **fields
  )


def value(name, of, phase='discriminate', **constants):
  return float(TERMS[phase][name](of, **constants))


def gentle(x):
  """Slope 0.5 everywhere."""
  return x @ jnp.array([[0.3], [0.4]])


@pytest.mark.row(98, 'r1', 'one_sided', 'max_gradient')
@pytest.mark.parametrize(
  ('name', 'critic', 'expected'),
  [
    ('r1', linear, 25),
    ('r1', quadratic, 6.75333333),
    ('r2', quadratic, 9.66666667),
    # 14.10679681 with one norm of the whole batch, 0.07929968 with the slope of the mean output
    ('gradient_penalty', linear, 16),
    ('gradient_penalty', quadratic, 3.26425460),
    ('gradient_penalty', gentle, 0.25),
    ('one_sided_gradient_penalty', linear, 16),
    ('one_sided_gradient_penalty', gentle, 0),
    ('max_gradient', quadratic, 12.56),
  ],
)
def test_penalties_have_the_published_values(name, critic, expected):
  assert value(name, scene(critic)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.row('r1')
def test_the_gradient_of_r1_is_twice_a_linear_critics_weights():
  found = jax.grad(lambda w: TERMS['discriminate']['r1'](scene(lambda x: x @ w[:, None])))(
    jnp.array([3.0, 4.0])
  )
  np.testing.assert_allclose(found, [6, 8], rtol=1e-5)


@pytest.mark.row(105)
def test_a_slope_by_differences_is_the_published_number_and_looks_at_a_share_of_the_batch(monkeypatch):
  directions = jnp.array([[0.5, -1.0], [1.0, 0.25], [-0.3, 2.0]])
  monkeypatch.setattr(jax.random, 'normal', lambda key, shape: directions[: shape[0]])
  of = scene(quadratic, key=lambda name: None)
  assert value('r1', of, finite_difference=0.01) == pytest.approx(4.36877106, rel=2e-4)  # digits lost
  assert value('r1', of, finite_difference=0.001) == pytest.approx(4.42050833, rel=2e-3)
  first = float(jnp.square(4 * 0.5 - 1 * -1.0))  # (slope . e)^2 of the first row alone
  assert value('r1', of, finite_difference=0.01, share=1 / 3) == pytest.approx(first, rel=1e-2)


DRAWN = {
  'dragan': jnp.array([[0.1, 0.9], [0.4, 0.6], [0.8, 0.2]]),
  'dragan_share': SHARE,
}


@pytest.mark.row('dragan')
@pytest.mark.parametrize(
  ('constants', 'expected'),
  [({}, 3.71620300), ({'std': 'element', 'mixed': False}, 5.03465323), ({'mixed': False}, 5.03851489)],
)
def test_dragans_three_codings_have_their_numbers(constants, expected):
  of = scene(quadratic, uniform=lambda name, shape: DRAWN[name], one_each=(3, 1))
  assert value('dragan', of, **constants) == pytest.approx(expected, rel=1e-6)


R, F = jnp.array([[1.5], [-0.3], [0.2]]), jnp.array([[-0.7], [0.4], [2.0]])


def spoken(real=R, fake=F, step=5000, **fields):
  """A scene in which the discriminator said this."""
  averages = {'lecam_real': jnp.float32(0.8), 'lecam_fake': jnp.float32(-0.5)}
  return types.SimpleNamespace(
    on_real=real, on_fake=fake, step=jnp.int32(step), average=lambda name, *_: averages[name], **fields
  )


@pytest.mark.row('lecam')
def test_lecam_is_the_official_one_with_relu_and_constants_for_averages():
  lecam = TERMS['discriminate']['lecam']
  assert float(lecam(spoken())) == pytest.approx(2.31333333, rel=1e-6)  # plain squares: 2.79333333
  gradients = jax.grad(lambda r, f: lecam(spoken(r, f)), (0, 1))(R, F)
  np.testing.assert_allclose(gradients[0][:, 0], [1.33333333, 0.13333333, 0.46666667], rtol=1e-6)
  np.testing.assert_allclose(gradients[1][:, 0], [-1, -0.26666667, 0], rtol=1e-6)
  assert float(lecam(spoken(step=999))) == 0


@pytest.mark.row('drift', 105)
def test_outputs_are_held_near_zero_alone_or_in_pairs():
  assert value('drift', spoken()) == pytest.approx(0.79333333, rel=1e-6)
  assert value('centering', spoken()) == pytest.approx(1.83, rel=1e-6)


@pytest.mark.row(17)
def test_the_directions_loss_is_the_difference_of_the_means():
  assert value('direction', spoken()) == pytest.approx(0.1, rel=1e-6)


def playing(loss, **fields):
  return types.SimpleNamespace(gan=types.SimpleNamespace(adversarial=ADVERSARIAL[loss]()), **fields)


@pytest.mark.row('top_k')
@pytest.mark.parametrize(
  ('step', 'least', 'expected'),
  [(0, 0.5, 0.56666667), (1, 0.5, 1.2), (1, 0.1, 1.2), (2, 0.1, 2.0)],  # k = 3, 2, 2, 1
)
def test_top_k_is_the_mean_over_the_best_fakes_fewer_with_each_epoch(step, least, expected):
  of = playing('hinge', on_fake=F, step=jnp.int32(step))
  found = value('top_k', of, 'generate', decay=0.7, least=least, epoch_steps=1)
  assert -found == pytest.approx(expected, rel=1e-6)


@pytest.mark.row('top_k')
def test_fakes_that_are_left_out_pull_at_nothing_and_all_of_them_are_the_plain_loss():
  top_k = TERMS['generate']['top_k']

  def loss(fake):
    return top_k(playing('non_saturating', on_fake=fake, step=jnp.int32(0)), least=0.7, decay=0.7)

  plain = ADVERSARIAL['non_saturating']().generate(F, None)
  assert float(loss(F)) == pytest.approx(float(plain), rel=1e-6)
  late = jax.grad(lambda f: top_k(playing('hinge', on_fake=f, step=jnp.int32(10**6))))(F)
  np.testing.assert_allclose(late[:, 0], [0, 0, -1], atol=1e-7)  # floor(0.5 * 3) = 1
  with pytest.raises(UserError, match='a relativistic loss pairs with'):
    top_k(playing('relativistic', on_fake=F, step=jnp.int32(0)))


# What fakes are asked.

FEATURES = jnp.array([[1.0, 0, 2], [0, 1, 1]]), jnp.array([[0.5, 0.5, 0], [1, 1, 1]])


@pytest.mark.row(35)
@pytest.mark.parametrize(('reduction', 'expected'), [('sum', 1.125), ('mean', 0.375), ('absolute', 0.5)])
def test_feature_matching_is_of_means_over_the_batch(reduction, expected):
  real, fake = (types.SimpleNamespace(features=x) for x in FEATURES)
  of = types.SimpleNamespace(judged_real=real, judged_fake=fake)
  assert value('feature_matching', of, 'generate', reduction=reduction) == pytest.approx(expected)


@pytest.mark.row(35)
def test_the_supervised_loss_is_a_mean_over_the_rows_whose_label_is_known():
  outputs = jnp.array([[2.0, 0, -1], [5, 5, 5], [0.5, 1, 0]])
  of = types.SimpleNamespace(on_real=outputs, labels=jnp.array([[0], [-1], [2]]))
  assert value('supervised', of) == pytest.approx(0.92505785, rel=1e-6)
  unknown = types.SimpleNamespace(on_real=outputs, labels=jnp.full((3, 1), -1))
  assert value('supervised', unknown) == 0


@pytest.mark.row(105)
def test_transport_is_a_mean_over_dimensions():
  z = jnp.array([[0.5, -1.0], [2, 0], [-1, 1]])
  g = jnp.array([[0.4, -0.8], [1, 0.5], [-1.5, 1.2]])
  of = types.SimpleNamespace(z=z, fake=g)
  assert value('transport', of, 'generate') == pytest.approx(0.265, rel=1e-6)  # a sum: 0.53
  with pytest.raises(UserError, match=r'latents of 1 numbers with examples of 2.* model.z_dim = 0'):
    value('transport', types.SimpleNamespace(z=z[:, :1], fake=g), 'generate')


@pytest.mark.row(105)
def test_the_normalised_gradient_is_the_official_modules():
  official = np.load(Path(__file__).parent / 'fixtures/afm_gradient_norm.npz')
  square = 0.0
  for incoming, outgoing, average in zip(*(official[k] for k in official), strict=True):

    found, square = normalised(incoming, square)
    np.testing.assert_allclose(found, outgoing, rtol=1e-5, atol=1e-8)
    assert square == pytest.approx(float(average), rel=1e-5)
    once, again = (normalised(scale * incoming, 0.0, decay=0.0)[0] for scale in (1.0, 1000.0))
    np.testing.assert_allclose(once, again, rtol=1e-4)  # whatever the loss is multiplied by


def normalised(incoming, square, decay=0.9):
  """(gradient, average) under the loss -D of a critic whose slope is -`incoming`, towards the fake."""
  incoming, kept = jnp.asarray(incoming, jnp.float32), []

  def average(name, value, decay):
    kept.append(decay * square + (1 - decay) * jax.lax.stop_gradient(value))
    return kept[-1]

  def pulled(fake):
    critic = lambda x: -(incoming * x).sum(keepdims=True)  # noqa: E731
    of = playing('hinge', fake=fake, average=average, critic=critic)
    return TERMS['generate']['normalised_adversarial'](of, decay=decay)

  return jax.grad(pulled)(jnp.ones(incoming.shape)), float(kept[0])


# Consistency.


@pytest.mark.row('cr')
def test_likes_are_mirrored_or_not_and_shifted_by_up_to_an_eighth_with_the_border_reflected():
  images = jnp.broadcast_to(jnp.arange(16.0)[None, None, :, None], (64, 16, 16, 1))
  found = np.asarray(alike(jax.random.key(0), images))
  rows = {tuple(image[0, :, 0]) for image in found}
  straight = {tuple(np.abs(np.arange(16) + s)) for s in (-2, -1, 0)}  # 2 1 0 1 ..., reflected
  straight |= {tuple(15 - np.abs(15 - np.arange(16) - s)) for s in (1, 2)}
  assert rows == straight | {row[::-1] for row in straight}
  with pytest.raises(UserError, match='points have no such likes'):
    alike(jax.random.key(0), X)


def judged(critic, **fields):
  return types.SimpleNamespace(
    judge=lambda x, *_: types.SimpleNamespace(outputs=critic(x)), key=lambda name: jax.random.key(1),
    on_real=critic(IMAGES), on_fake=critic(-IMAGES), real=IMAGES, fake=-IMAGES, **fields,
  )  # fmt: skip


IMAGES = jax.random.normal(jax.random.key(4), (4, 8, 8, 1))


@pytest.mark.row('cr', 'bcr')
def test_a_critic_that_sees_no_shift_is_consistent_and_another_one_is_not():
  constant, place = (lambda x: 0 * x[:, 0, 0], lambda x: x[:, 3, 3])
  for name in ('consistency', 'consistency_fake'):
    assert value(name, judged(constant)) == 0
    assert value(name, judged(place)) > 0.1
  likes = alike(jax.random.key(1), IMAGES)
  expected = np.square(IMAGES[:, 3, 3] - likes[:, 3, 3]).mean()
  assert value('consistency', judged(place)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.row('zcr')
def test_latents_of_one_place_are_judged_alike_and_drawn_unlike():
  z = jax.random.normal(jax.random.key(0), (2000, 3))
  fields = {
    'z': z, 'draw': lambda z: 2 * z, 'fake': 2 * z, 'on_fake': 2 * z.sum(1, keepdims=True),
    'judge': lambda x, *_: types.SimpleNamespace(outputs=x.sum(1, keepdims=True)),
    'key': lambda name: jax.random.key(1),
  }  # fmt: skip
  of = types.SimpleNamespace(**fields)
  # e = 0.05 N(0, 1): E (2 sum of three)^2 = 4 * 3 * 0.0025, E (2 e)^2 = 4 * 0.0025
  assert value('latent_consistency', of) == pytest.approx(0.03, rel=0.1)
  assert value('latent_diversity', of, 'generate') == pytest.approx(-0.01, rel=0.1)
  assert value('latent_diversity', of, 'generate', radius=0.5) == pytest.approx(-1, rel=0.1)


# Parallel tempering.

SHARES = jnp.array([[1.0], [0.3], [0.75]])
OTHERS = {
  'coherency': jnp.array([[0.4], [0.9], [0.1]]),
  'coherency_place': jnp.array([[0.25], [0.5], [0.8]]),
}


def tempered_scene(critic):
  """Pairs X, Y at the shares 1, 0.3, 0.75."""
  of = object.__new__(Tempered)
  of.pair, of.share, of.real = (X, Y), SHARES, mixed(X, Y, SHARES)
  of.uniform, of.critic = lambda name, shape: OTHERS[name], critic
  return of


@pytest.mark.row(42)
def test_mixtures_and_their_temperatures_are_the_worked_example():
  np.testing.assert_allclose(mixed(X, Y, SHARES), [[1, 2], [1.25, -0.4], [0.475, -0.275]], rtol=1e-6)
  at = mixed(SHARES, OTHERS['coherency'], OTHERS['coherency_place'])
  np.testing.assert_allclose(at[:, 0], [0.55, 0.6, 0.62], rtol=1e-6)
  np.testing.assert_allclose(temperature(at)[:, 0], [0.9, 0.8, 0.76], rtol=1e-5)
  np.testing.assert_allclose(temperature(jnp.array([0.0, 1.0]))[:, 0], 0)


@pytest.mark.row(42)
def test_coherency_is_the_slope_along_the_mixing_and_in_no_other_direction():
  told = []

  def watched(x, condition):
    told.append(condition)
    return quadratic(x)

  assert value('coherency', tempered_scene(watched)) == pytest.approx(1.47857062, rel=1e-5)
  np.testing.assert_allclose(told[0][:, 0], [0.9, 0.8, 0.76], rtol=1e-5)
  steady = tempered_scene(lambda x, _: linear(x))
  assert value('coherency', steady) == pytest.approx(17.06540833, rel=1e-5)
  across = jnp.stack([-(X - Y)[:, 1], (X - Y)[:, 0]], 1)  # of each row, at right angles to its mixing
  crossing = tempered_scene(lambda x, _: (x * across).sum(1))
  assert value('coherency', crossing) == pytest.approx(0, abs=1e-9)
  with pytest.raises(UserError, match=r"model.scene = 'tempered'"):
    value('coherency', scene(quadratic))


def test_the_gradient_penaltys_gradient_is_that_of_a_linear_critic():
  """d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w|."""
  penalty = TERMS['discriminate']['gradient_penalty']
  found = jax.grad(lambda w: penalty(scene(lambda x: x @ w[:, None])))(jnp.array([3.0, 4.0]))
  np.testing.assert_allclose(found, [4.8, 6.4], rtol=1e-5)


def test_a_flat_critics_penalty_has_a_gradient_of_zero_not_nan():
  penalty = TERMS['discriminate']['gradient_penalty']
  found = jax.grad(lambda w: penalty(scene(lambda x: x @ w[:, None])))(jnp.zeros(2))
  assert np.isfinite(found).all()


def test_slopes_are_over_all_axes_of_an_example_and_no_others():
  x = jnp.ones((2, 4, 4, 3))
  found = slopes(lambda x: x.sum((1, 2, 3))[:, None], x)
  np.testing.assert_allclose(found, np.sqrt(48), rtol=1e-6)
