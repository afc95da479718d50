"""Losses of classes: official arrays, literal numbers, what each must not do, their one interface."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from decoupled_gan.errors import UserError
from decoupled_gan.losses import classification
from decoupled_gan.losses.classification import CLASSIFICATION, Answer
from decoupled_gan.losses.classification.centres import MarginSoftmax, PartialFC, cosines
from decoupled_gan.losses.classification.episodes import icnn_score
from decoupled_gan.losses.classification.logits import margin, one_vs_rest, related
from decoupled_gan.machine import sharding
from decoupled_gan.networks.heads import Classes

FIXTURES = Path(__file__).parent / 'fixtures'
OFFICIAL = np.load(FIXTURES / '29_classification_losses.npz')
EPISODE = np.load(FIXTURES / '83_proto_triplet.npz')
LOGITS, LABELS = jnp.asarray(OFFICIAL['logits'], jnp.float32), jnp.asarray(OFFICIAL['labels'])
KEY = jax.random.key(0)


def chosen(name, **constants):
  return classification.choose(ConfigDict({'classify': name, name: constants}))


def jitted(function):
  """One program instead of an eager one for each operation, compiled with little effort."""
  return sharding.jit(function, quick=True)


def mean_and_gradient(function, x):
  both = jitted(jax.value_and_grad(lambda x: function(x).mean()))
  value, gradient = both(jnp.asarray(x, jnp.float32))
  return float(value), np.asarray(gradient)


@pytest.mark.row(29, 81, 100, 113)
@pytest.mark.parametrize(
  ('key', 'name', 'constants'),
  [
    ('ce', 'cross_entropy', {}),
    ('squentropy', 'squentropy', {}),
    ('encouraging_1', 'encouraging', {'log_end': 1.0}),
    ('encouraging_0.75', 'encouraging', {}),
    ('encouraging_0.5', 'encouraging', {'log_end': 0.5}),
    ('z_loss_a.1_b10', 'z_loss', {'a': 0.1, 'b': 10.0}),
    ('z_loss_a1_b0', 'z_loss', {'a': 1.0, 'b': 0.0}),
    ('ovr', 'sovr', {'share': 1.0, 'weight': 1.0}),
    ('sovr_50%_0.4', 'sovr', {'share': 0.5, 'weight': 0.4}),
    ('ce', 'sovr', {'share': 0.0}),
  ],
)
def test_losses_of_logits_have_the_official_values_and_gradients(key, name, constants):
  loss = chosen(name, **constants)
  value, gradient = mean_and_gradient(lambda z: loss.each(z, LABELS), LOGITS)
  tolerance = 1e-5 if name == 'z_loss' else 1e-6  # its variance gets 1e-6
  assert value == pytest.approx(float(OFFICIAL[key]), rel=tolerance, abs=1e-6)
  np.testing.assert_allclose(gradient, OFFICIAL[f'{key}_grad'], rtol=1e-5, atol=2 * tolerance)


# 29, Squentropy.


@pytest.mark.row(29)
def test_squentropy_leaves_the_true_logit_unsquared_and_notices_a_shift():
  """Dividing by K, or squaring z_y too, would change the first entry of the gradient."""
  loss, ce = chosen('squentropy'), chosen('cross_entropy')
  gradient = mean_and_gradient(lambda z: loss.each(z, LABELS), LOGITS)[1]
  plain = mean_and_gradient(lambda z: ce.each(z, LABELS), LOGITS)[1]
  np.testing.assert_allclose(gradient[0, 0], plain[0, 0], rtol=1e-6)
  np.testing.assert_allclose(
    loss.each(LOGITS + 1, LABELS) - loss.each(LOGITS, LABELS), [0.5, 1.4], rtol=1e-5
  )
  np.testing.assert_allclose(ce.each(LOGITS + 1, LABELS), ce.each(LOGITS, LABELS), rtol=1e-5)


# 69, UniSeg.

Z = jnp.array([[1.2, -0.4, 0.7, -2.0]])
KNOWN_TWO = jnp.array([[1.0, 0.0, -1.0, -1.0]])


@pytest.mark.row(69)
def test_classes_that_a_data_set_does_not_label_give_neither_loss_nor_gradient():
  loss = chosen('null_bce')
  value, gradient = mean_and_gradient(lambda z: loss.each(z, KNOWN_TWO), Z)
  assert value * 2 == pytest.approx(0.77629772, rel=1e-6)
  assert (gradient[0, 2:] == 0).all()
  assert mean_and_gradient(lambda z: loss.each(z, jnp.array([0])), Z)[0] * 4 == pytest.approx(2.00641178)
  pushed = mean_and_gradient(lambda z: chosen('cross_entropy').each(z, KNOWN_TWO), Z)[1]
  np.testing.assert_allclose(pushed[0, 2:], [0.32799813, 0.02204328], rtol=1e-5)


@pytest.mark.row(69)
def test_null_bce_is_the_mean_over_all_labelled_pairs_of_the_batch():
  targets = jnp.array([[1.0, 0.0, -1.0, -1.0], [-1.0, -1.0, -1.0, 1.0]])
  z = jnp.concatenate([Z, Z])
  expected = (0.26328247 + 0.51301525 + 2.12692801) / 3
  assert float(chosen('null_bce').each(z, targets).mean()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.row(69)
def test_a_related_class_is_a_positive_too_though_the_data_set_does_not_label_it():
  relations = ((1, 0, 0, 1), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
  value = float(chosen('null_bce', relations=relations).each(Z, KNOWN_TWO).mean())
  assert value * 3 == pytest.approx(0.26328247 + 0.51301525 + 2.12692801, rel=1e-6)


@pytest.mark.row(69)
def test_relations_are_mean_answers_above_a_threshold_and_each_class_to_itself():
  scores = jnp.array([[0.9, 0.2, 0.6], [0.7, 0.0, 0.2], [0.1, 0.05, 0.0]])
  found = related(scores, jnp.array([0, 0, 1]), 0.3)
  np.testing.assert_array_equal(found, [[1, 0, 1], [0, 1, 0], [0, 0, 1]])


# 71, SphereFace2.

FEATURES = jnp.array([[3.0, 1.0], [-0.2, 0.7]])
CENTRES = jnp.array([[1.0, 0.0], [0.0, 2.0], [-1.0, -1.0]])


@pytest.mark.row(71)
@pytest.mark.parametrize(
  ('key', 'constants'),
  [('sf2_r40', {}), ('sf2_r4', {'scale': 4.0, 'margin': 0.1, 'power': 2.0, 'weight': 1.0})],
)
def test_sphereface2_is_the_official_one_in_value_gradient_and_first_bias(key, constants):
  loss = chosen('sphereface2', **constants)
  bias = loss.initial_bias(3)
  assert float(bias) == pytest.approx(float(OFFICIAL[f'{key}_b'][0]), rel=1e-6)

  def of(x, bias):
    return loss(Answer(x, CENTRES, bias), jnp.array([0, 1])).mean()

  value, (of_x, of_bias) = jitted(jax.value_and_grad(of, (0, 1)))(FEATURES, bias)
  assert float(value) == pytest.approx(float(OFFICIAL[f'{key}_loss']), rel=1e-5)
  np.testing.assert_allclose(of_x, OFFICIAL[f'{key}_gx'], rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose((of_x * FEATURES).sum(1), 0, atol=1e-5)
  if key == 'sf2_r40':
    assert float(of_bias) == pytest.approx(0.75, rel=1e-4)


@pytest.mark.row(71)
def test_sphereface2s_first_bias_for_the_classes_of_vggface2():
  assert float(chosen('sphereface2').initial_bias(10_572)) == pytest.approx(5.58164893, rel=1e-6)


@pytest.mark.row(71)
@pytest.mark.parametrize(
  ('count', 'constants'), [(8, {}), (3, {}), (3, {'balance': 0.8, 'scale': 20.0})]
)
def test_sphereface2_begins_where_the_true_class_and_the_others_pull_equally_hard(count, constants):
  loss = chosen('sphereface2', **constants)
  start = 2 * 0.5**loss.power - 1
  bias = float(loss.initial_bias(count))
  y, i = (loss.scale * (start + m) + bias for m in (-loss.margin, loss.margin))
  true = loss.balance / (1 + np.exp(y))
  others = (1 - loss.balance) * (count - 1) / (1 + np.exp(-i))
  assert true == pytest.approx(others, rel=1e-4)


@pytest.mark.row(71)
def test_sphereface2s_gradient_passes_the_margin_by_and_does_not_carry_the_slope_of_g():
  """dl/dc = r: of the true class alone (balance 1), dL/dc = -weight sigmoid(-l)."""
  loss = chosen('sphereface2', scale=4.0, margin=0.1, power=2.0, weight=1.0, balance=1.0)
  angle = 1.0

  def of(angle):
    x = jnp.stack([jnp.cos(angle), jnp.sin(angle)])[None]
    return loss(Answer(x, jnp.array([[1.0, 0.0]]), jnp.zeros(())), jnp.array([0])).sum()

  logit = 4 * (2 * ((np.cos(angle) + 1) / 2) ** 2 - 1 - 0.1)
  expected = -1 / (1 + np.exp(logit)) * -np.sin(angle)
  assert float(jitted(jax.grad(of))(angle)) == pytest.approx(expected, rel=1e-5)


# 81, SOVR.


@pytest.mark.row(81)
def test_one_vs_rest_takes_the_smallest_margins_and_selects_without_a_gradient():
  np.testing.assert_allclose(margin(LOGITS, LABELS), [1.5, -0.7], rtol=1e-6)
  np.testing.assert_allclose(one_vs_rest(LOGITS, LABELS), [1.41426668, 2.51176716], rtol=1e-6)
  each = chosen('sovr', share=0.5, weight=0.4).each(LOGITS, LABELS)
  np.testing.assert_allclose(each, [0.24131130, 0.4 * 2.51176716], rtol=1e-6)


@pytest.mark.row(81)
@pytest.mark.parametrize(
  ('loss', 'at_100', 'at_10_000'),
  [('cross_entropy', 5.27670192, 9.90304230), ('sovr', 9.13765899, 18.41903816)],
)
def test_under_gradient_flow_one_vs_rest_opens_margins_twice_as_fast(loss, at_100, at_10_000):
  """Two logits from 0, by Euler steps that grow with time; the numbers are the flow's own."""
  function = chosen(loss, **({'share': 1.0, 'weight': 1.0} if loss == 'sovr' else {}))
  gradient = jax.grad(lambda z: function.each(z[None], jnp.array([0])).sum())

  def step(carry, _):
    z, t = carry
    dt = 0.002 * (1 + t)
    z = z - dt * gradient(z + -dt / 2 * gradient(z))  # midpoint rule
    return (z, t + dt), (t + dt, z[0] - z[1])

  _, (times, margins) = jax.lax.scan(step, (jnp.zeros(2), 0.0), None, 4700)
  for at, expected in ((100, at_100), (10_000, at_10_000)):
    assert np.interp(at, times, margins) == pytest.approx(expected, rel=1e-3)


# 83, Proto-Triplet and ICNN.

EPISODE_LABELS = jnp.asarray(EPISODE['labels'])  # 3 classes of 2 to learn from and 3 to tell


@pytest.mark.row(83)
@pytest.mark.parametrize('case', ['near', 'mixed'])
def test_proto_triplet_and_icnn_are_the_official_ones(case):
  x = EPISODE[f'{case}_x']
  triplet = chosen('proto_triplet', shots=2, queries=3)
  value, gradient = mean_and_gradient(lambda x: triplet(Answer(x), EPISODE_LABELS), x)
  assert value == pytest.approx(float(EPISODE[f'{case}_triplet']), rel=1e-5)
  np.testing.assert_allclose(gradient, EPISODE[f'{case}_triplet_grad'], atol=1e-5)
  icnn = chosen('proto_triplet', shots=2, queries=3, icnn=1.0)
  score, gradient = mean_and_gradient(lambda x: icnn(Answer(x), EPISODE_LABELS), x)
  assert score == pytest.approx(-np.log(EPISODE[f'{case}_score']), rel=1e-5)
  np.testing.assert_allclose(gradient, EPISODE[f'{case}_icnn_grad'], rtol=1e-3, atol=1e-5)
  both = chosen('proto_triplet', shots=2, queries=3, icnn=0.5)
  halves = (value - np.log(EPISODE[f'{case}_score'])) / 2
  assert mean_and_gradient(lambda x: both(Answer(x), EPISODE_LABELS), x)[0] == pytest.approx(
    halves, rel=1e-5
  )


@pytest.mark.row(83)
@pytest.mark.parametrize(('negative', 'expected'), [('nearest', 0.5), ('mean', 0.0)])
def test_the_other_prototype_is_the_nearest_or_the_mean_of_all(negative, expected):
  x = jnp.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0], [3.0, 4.0]])
  loss = chosen('proto_triplet', shots=1, margin=1.5, negative=negative)
  value = float(jitted(loss)(Answer(x), jnp.array([0, 0, 1, 2])).mean())
  assert value == pytest.approx(expected, abs=1e-5)


@pytest.mark.row(83)
def test_icnn_is_high_for_clusters_and_low_for_shuffled_labels():
  rng = np.random.default_rng(0)
  labels = np.repeat(np.arange(5), 20)
  x = (10 * rng.normal(size=(5, 8)))[labels] + 0.1 * rng.normal(size=(100, 8))
  jitted_score = jitted(lambda y: icnn_score(jnp.asarray(x, jnp.float32), y))
  score = lambda y: float(jitted_score(jnp.asarray(y)))  # noqa: E731
  assert score(labels) > 0.95
  assert score(rng.permutation(labels)) < 0.5


def test_prototypical_is_cross_entropy_over_squared_distances_and_of_queries_only():
  x = jnp.array([[0.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
  labels = jnp.array([0, 0, 0, 1, 1])
  each = jitted(chosen('prototypical', shots=2))(Answer(x), labels)
  # prototypes (1, 0) and (0, 1.5): the only query is the third
  expected = np.log1p(np.exp(-(1 + 1.5**2)))
  assert float(each.mean()) == pytest.approx(expected, rel=1e-5)
  assert not each[:2].any()
  assert not each[3:].any()


# 89, Partial FC, and margins.

COSINES = jnp.array([[0.8, 0.1, -0.3], [0.2, 0.5, 0.4]])


@pytest.mark.row(89)
@pytest.mark.parametrize('kind', ['arcface', 'cosface'])
def test_margins_have_the_official_logits_and_loss(kind):
  logits = MarginSoftmax(kind).logits(COSINES, LABELS)
  np.testing.assert_allclose(logits, OFFICIAL[f'{kind}_logits'], rtol=1e-5)
  loss = classification.answer.cross_entropy(logits, LABELS).mean()
  assert float(loss) == pytest.approx(float(OFFICIAL[f'{kind}_loss']), rel=1e-5)


@pytest.mark.row(89)
@pytest.mark.parametrize(('straight_through', 'expected'), [(True, -32), (False, -34.77827270)])
def test_arcfaces_derivative_is_exact_or_the_official_codes(straight_through, expected):
  loss = MarginSoftmax('arcface', straight_through=straight_through)
  _, gradient = mean_and_gradient(
    lambda c: classification.answer.cross_entropy(loss.logits(c, LABELS), LABELS), COSINES
  )
  np.testing.assert_allclose(gradient[1], [0, 32, expected], rtol=1e-5, atol=1e-5)


FIVE = jnp.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 1.0]])
TWO = jnp.array([[2.0, 1.0], [1.0, -2.0]])


@pytest.mark.row(89)
def test_a_sample_of_the_centres_makes_the_softmax_smaller_and_rate_1_the_whole_one(monkeypatch):
  labels, answer = jnp.array([4, 3]), Answer(TWO, FIVE)
  whole = MarginSoftmax(scale=8.0)
  assert float(whole(answer, labels).mean()) == pytest.approx(1.68809296, rel=1e-6)
  partial = PartialFC(scale=8.0, rate=1.0)
  np.testing.assert_array_equal(partial(answer, labels, KEY), whole(answer, labels))
  sample = lambda self, labels, count, key: (jnp.array([0, 3, 4]), jnp.ones(3, bool))  # noqa: E731
  monkeypatch.setattr(PartialFC, 'sampled', sample)
  assert float(PartialFC(scale=8.0)(answer, labels, KEY).mean()) == pytest.approx(1.67495680, rel=1e-6)


@pytest.mark.row(89)
def test_the_sample_has_the_batchs_classes_and_as_many_others_as_the_rate_says():
  loss, labels = PartialFC(rate=0.3), jnp.array([7, 3, 3])
  for seed in range(5):
    classes, kept = loss.sampled(labels, 20, jax.random.key(seed))
    taken = np.asarray(classes)[np.asarray(kept)]
    assert len(set(taken.tolist())) == len(taken) == 6
    assert {3, 7} <= set(taken.tolist())
  classes, kept = PartialFC(rate=0.05).sampled(labels, 20, KEY)  # one, and two classes are there
  assert sorted(np.asarray(classes)[np.asarray(kept)].tolist()) == [3, 7]


@pytest.mark.row(89)
def test_only_sampled_centres_get_a_gradient_and_it_changes_with_the_key():
  x, centres = jax.random.normal(KEY, (4, 8)), jax.random.normal(jax.random.key(1), (50, 8))
  loss, labels = PartialFC(rate=0.2, scale=4.0), jnp.array([1, 2, 3, 4])

  grad = jitted(jax.grad(lambda w, key: loss(Answer(x, w), labels, key).mean()))

  def touched(key):
    gradient = grad(centres, key)
    return set(np.flatnonzero(np.asarray(gradient).any(1)).tolist())

  one, other = touched(jax.random.key(2)), touched(jax.random.key(3))
  assert len(one) == len(other) == 10
  assert {1, 2, 3, 4} <= one & other
  assert one != other


@pytest.mark.row(89)
def test_conflicting_negatives_count_as_logit_zero():
  answer = Answer(jnp.array([[1.0, 0.0]]), jnp.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]))
  value = float(PartialFC(rate=1.0, scale=2.0, conflict=0.4)(answer, jnp.array([0]), KEY).sum())
  assert value == pytest.approx(np.log(1 + 2 * np.exp(-1.2)), rel=1e-5)


# 90, UNPG.

UNPG_ANSWER = Answer(
  jnp.asarray(OFFICIAL['unpg_features'], jnp.float32), jnp.asarray(OFFICIAL['unpg_centres'], jnp.float32)
)
UNPG_LABELS = jnp.asarray(OFFICIAL['unpg_labels'])


@pytest.mark.row(90)
@pytest.mark.parametrize('width', [1.5, 0.2])
def test_unpg_has_the_official_value_and_a_gradient_into_both_of_a_pair(width):
  loss = chosen('unpg', scale=8.0, margin=0.35, width=width)
  value, gradient = mean_and_gradient(
    lambda x: loss(UNPG_ANSWER._replace(features=x), UNPG_LABELS), UNPG_ANSWER.features
  )
  assert value == pytest.approx(float(OFFICIAL[f'unpg_w{width}']), rel=1e-5)
  np.testing.assert_allclose(gradient, OFFICIAL[f'unpg_w{width}_grad'], rtol=1e-4, atol=1e-6)


@pytest.mark.row(90)
def test_unpg_without_a_pair_of_two_classes_is_the_margin_softmax_and_finite():
  loss, plain = chosen('unpg', scale=8.0, margin=0.35), MarginSoftmax(scale=8.0, margin=0.35)
  assert float(plain(UNPG_ANSWER, UNPG_LABELS).mean()) == pytest.approx(0.00939913, rel=1e-5)
  labels = jnp.zeros(5, int)
  np.testing.assert_allclose(loss(UNPG_ANSWER, labels), plain(UNPG_ANSWER, labels), rtol=1e-4)
  _, gradient = mean_and_gradient(
    lambda x: loss(UNPG_ANSWER._replace(features=x), labels), UNPG_ANSWER.features
  )
  assert np.isfinite(gradient).all()


@pytest.mark.row(90)
def test_the_filter_keeps_what_lies_near_the_quartiles():
  pairs, kept = chosen('unpg', width=0.2).negatives(UNPG_ANSWER.features, UNPG_LABELS)
  assert sorted(np.asarray(pairs)[np.asarray(kept)].round(4).tolist()) == pytest.approx(
    [-0.7071, -0.6993, -0.5433, -0.2631, -0.2095, -0.0110]
  )
  assert int(chosen('unpg').negatives(UNPG_ANSWER.features, UNPG_LABELS)[1].sum()) == 8


# 100, Z-loss.


@pytest.mark.row(100)
def test_the_z_loss_knows_neither_shift_nor_scale_and_moves_no_logit_in_their_directions():
  loss = chosen('z_loss')
  np.testing.assert_allclose(loss.each(3.7 * LOGITS - 5, LABELS), loss.each(LOGITS, LABELS), rtol=1e-4)
  _, gradient = mean_and_gradient(lambda z: loss.each(z, LABELS), LOGITS)
  np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-6)
  np.testing.assert_allclose((gradient * np.asarray(LOGITS)).sum(1), 0, atol=2e-5)


@pytest.mark.row(100)
def test_the_z_loss_is_least_where_all_other_logits_are_equal_and_finite_where_all_are():
  loss = chosen('z_loss', b=0.0)
  best = float(loss.each(jnp.array([[9.0, 1.0, 1.0, 1.0]]), jnp.array([0])).sum())
  assert best == pytest.approx(np.log1p(np.exp(-np.sqrt(3))), rel=1e-5)
  _, gradient = mean_and_gradient(lambda z: loss.each(z, jnp.array([0])), jnp.zeros((1, 4)))
  assert np.isfinite(gradient).all()


# 104, Harmonic.

H_X, H_W = jnp.asarray(OFFICIAL['h_x'], jnp.float32), jnp.asarray(OFFICIAL['h_w'], jnp.float32)
H_Y = jnp.array([0, 1])


@pytest.mark.row(104)
def test_the_harmonic_loss_has_the_official_gradients():
  loss = chosen('harmonic', exponent=2.0)
  value, (of_x, of_w) = jax.value_and_grad(lambda x, w: loss(Answer(x, w), H_Y).mean(), (0, 1))(H_X, H_W)
  assert float(value) == pytest.approx(float(OFFICIAL['harmonic_n2_dx']), rel=1e-5)
  np.testing.assert_allclose(of_x, OFFICIAL['harmonic_n2_dx_grad'], rtol=1e-5, atol=1e-7)
  np.testing.assert_allclose(of_w, OFFICIAL['harmonic_n2_dW_grad'], rtol=1e-5, atol=1e-7)


@pytest.mark.row(104)
@pytest.mark.parametrize(('exponent', 'expected'), [(1.0, 0.46024174), (4.0, 0.05433368), (None, None)])
def test_the_harmonic_exponent_is_of_distances_not_of_their_squares(exponent, expected):
  value = float(chosen('harmonic', exponent=exponent)(Answer(H_X, H_W), H_Y).mean())
  if exponent is None:  # the root of two features
    expected = float(chosen('harmonic', exponent=2**0.5)(Answer(H_X, H_W), H_Y).mean())
  assert value == pytest.approx(expected, rel=1e-5)


@pytest.mark.row(104)
def test_the_official_layers_n_is_half_of_ours_with_its_epsilon():
  scores = chosen('harmonic', exponent=2.0, epsilon=1e-4).scores(Answer(H_X, H_W))
  np.testing.assert_allclose(jax.nn.softmax(scores)[0], [0.71197982, 0.23204735, 0.05597283], rtol=1e-5)


@pytest.mark.row(104)
def test_scaling_everything_changes_nothing_and_a_centre_is_a_finite_minimum():
  loss = chosen('harmonic')
  np.testing.assert_allclose(loss(Answer(7 * H_X, 7 * H_W), H_Y), loss(Answer(H_X, H_W), H_Y), rtol=1e-4)
  value, gradient = mean_and_gradient(lambda x: loss(Answer(x, H_W), H_Y), H_W[:2])
  assert value < 1e-6
  assert np.isfinite(gradient).all()


# 113, Encouraging.


def sure(p):
  """Logits of three classes, of which the first has probability p."""
  return jnp.log(jnp.array([[p, (1 - p) / 2, (1 - p) / 2]]))


@pytest.mark.row(113)
@pytest.mark.parametrize(
  ('log_end', 'expected'),
  [
    (1.0, (2.19722458, 0, -2.19722458, -4.59511985)),
    (0.75, (2.19722458, 0, -1.88093385, -2.33624403)),
    (0.5, (2.19722458, 0, -1.38778666, -1.66309684)),
  ],
)
def test_the_bonus_is_logarithmic_up_to_its_end_and_then_a_line(log_end, expected):
  loss = chosen('encouraging', log_end=log_end)
  found = [float(loss.each(sure(p), jnp.array([0])).sum()) for p in (0.1, 0.5, 0.9, 0.99)]
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.row(113)
def test_the_push_on_the_true_logit_is_minus_one_below_the_end_and_never_stops():

  def push(logits, end):
    loss = chosen('encouraging', log_end=end)
    return float(mean_and_gradient(lambda z: loss.each(z, jnp.array([0])), logits)[1][0, 0])

  assert push(sure(0.3), 0.75) == pytest.approx(-1, rel=1e-5)
  assert push(sure(0.9), 0.75) == pytest.approx(-0.1 - 0.9 * 0.1 / 0.25, rel=1e-4)
  assert push(jnp.array([[30.0, 0.0, 0.0]]), 1.0) == pytest.approx(-1, rel=1e-5)  # p = 1 in float32


# The one interface.


@pytest.mark.parametrize('name', CLASSIFICATION)
@pytest.mark.parametrize('count', [6, 10], ids=['K+1', '2K'])
def test_any_loss_serves_a_head_of_any_network_and_leads_to_its_features(name, count):
  """As a discriminator's head of K, K + 1 (AM-GAN) or 2 K (ADC-GAN) classes uses it."""
  loss = chosen(name, **({'shots': 1} if 'proto' in name else {}))
  head = Classes(count, loss)
  x = jax.random.normal(KEY, (8, 16)).astype(jnp.bfloat16)
  labels = jnp.array([0, 1, 2, count - 1] * 2)
  variables = jitted(head.init)(jax.random.key(1), x)

  def value(x, variables):
    each = loss(head.apply(variables, x), labels, jax.random.key(2))
    assert each.shape == (8,)
    assert each.dtype == jnp.float32
    return each.mean()

  gradient = jitted(jax.grad(value))(x.astype(jnp.float32), variables)
  assert np.isfinite(gradient).all()
  assert gradient.any()
  scores = jax.eval_shape(lambda: loss.scores(head.apply(variables, x)))
  assert (scores is not None) == loss.has_classes
  assert scores is None or scores.shape == (8, count)


@pytest.mark.parametrize('name', CLASSIFICATION)
def test_a_batch_of_one_has_a_loss_and_a_head(name):
  """As a run is opened with for use."""
  loss = chosen(name, **({'icnn': 0.5} if name == 'proto_triplet' else {}))
  head = Classes(3, loss)

  def value():
    x = jnp.ones((1, 4))
    return loss(head.apply(head.init(KEY, x), x), jnp.array([1]), KEY)

  assert jax.eval_shape(value).shape == (1,)


@pytest.mark.parametrize('name', [name for name in CLASSIFICATION if 'proto' not in name])
def test_a_head_learns_to_tell_its_features_apart(name):
  """Points around three directions: plain gradient descent on head alone, then the largest score."""
  loss = chosen(name, **({'rate': 1.0} if name == 'partial_fc' else {}))
  head = Classes(3, loss)
  labels = jnp.arange(30) % 3
  x = 3 * jnp.eye(3)[labels] + 0.3 * jax.random.normal(KEY, (30, 3))
  variables = head.init(jax.random.key(1), x)
  rate = {'contrastive': 1.0}.get(name, 0.02)  # whose centre is one of ten that an example is drawn to

  def value(variables):
    return loss(head.apply(variables, x), labels, KEY).mean()

  def step(variables, _):
    return jax.tree.map(lambda p, g: p - rate * g, variables, jax.grad(value)(variables)), None

  def accuracy(variables):
    variables, _ = jax.lax.scan(step, variables, None, 400)
    return (loss.scores(head.apply(variables, x)).argmax(1) == labels).mean()

  assert float(jitted(accuracy)(variables)) > 0.9


def test_targets_do_where_labels_do_and_only_their_largest_counts_elsewhere():
  one_hot = jax.nn.one_hot(LABELS, 3)
  for name in ('cross_entropy', 'squentropy', 'z_loss', 'encouraging', 'sovr', 'null_bce'):
    loss = chosen(name)
    np.testing.assert_allclose(loss.each(LOGITS, one_hot), loss.each(LOGITS, LABELS), rtol=1e-6)


def test_cosines_of_nothing_are_zero_not_nan():
  assert not cosines(jnp.zeros((1, 4)), jnp.ones((2, 4))).any()
  gradient = jax.grad(lambda x: cosines(x, jnp.ones((2, 4))).sum())(jnp.zeros((1, 4)))
  assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
  ('losses', 'message'),
  [
    ({'classify': 'harmonics'}, r"losses.classify='harmonics' is unknown; there are cross_entropy, "),
    (
      {'classify': 'z_loss', 'z_loss': {'c': 1.0}},
      r'losses.z_loss.c: z_loss has no such constant; it has a, b',
    ),
    ({'classify': 'unpg', 'unpg': {'kind': 'face'}}, r"kind='face' of a margin is unknown; .*arcface"),
    (
      {'classify': 'proto_triplet', 'proto_triplet': {'negative': 'far'}},
      r"negative='far' is unknown; there are nearest and mean",
    ),
  ],
)
def test_a_loss_or_a_constant_that_there_is_not_is_told(losses, message):
  with pytest.raises(UserError, match=message):
    classification.choose(ConfigDict(losses))
