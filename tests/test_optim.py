"""Optimizers: the official schedule, torch's Adam, one transformation for each group."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import glead, nice
from decoupled_gan import defaults
from decoupled_gan.core.optim import corrected, linear_decay, make_optimizer, make_optimizers
from decoupled_gan.errors import UserError

RATE = 1e-4


def official_rate(t, n):
  """NICE-GAN's, at its step t = 1..n (n even): lr0 * (1 - (t - n/2) / (n/2)) in the second half."""
  return RATE if t <= n // 2 else RATE * (1 - (t - n // 2) / (n // 2))


def config(**fields):
  settings = defaults.get_config().copy_and_resolve_references().optimizer
  settings.update({'learning_rate': 0.1, **fields})
  return settings


def torch_adam(x, gradients, rate, b1, b2, eps, decay):
  """torch.optim.Adam(weight_decay=decay) in float64, written from its documentation."""
  m = v = 0.0
  for t, g in enumerate(gradients, 1):
    g = g + decay * x
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g * g
    x = x - rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
  return x


def run(optimizer, x, gradients, first_step=0):
  """`x` after one update for each gradient, from a fresh state."""
  x = jnp.asarray(x, jnp.float32)
  state = optimizer.init(x)
  for i, g in enumerate(gradients):
    update, state = optimizer.update(
      jnp.asarray(g, jnp.float32), state, x, step=jnp.int32(first_step + i)
    )
    x = x + update
  return np.asarray(x)


# The schedule.


@pytest.mark.parametrize('n', [4, 10, 1000, 300_000])
def test_linear_decay_is_the_official_formula_at_every_kind_of_step(n):
  schedule = linear_decay(RATE, n, n // 2)
  for t in {1, 2, n // 2 - 1, n // 2, n // 2 + 1, n // 2 + 2, 3 * n // 4, n - 1, n}:
    np.testing.assert_allclose(schedule(t - 1), official_rate(t, n), rtol=1e-4, atol=1e-10)


def test_linear_decay_of_four_steps_in_literal_numbers():
  rates = [float(linear_decay(1.0, 4, 2)(step)) for step in range(4)]
  np.testing.assert_allclose(rates, [1, 1, 0.5, 0], atol=1e-7)


def test_the_rate_is_constant_before_the_decay_starts():
  schedule = linear_decay(RATE, 1000, 500)
  assert len({float(schedule(step)) for step in range(500)}) == 1
  assert float(schedule(500)) < float(schedule(499)) == np.float32(RATE)


@pytest.mark.parametrize('n', [2, 3, 5, 7, 101])
def test_the_rate_is_never_negative_and_ends_at_zero_also_for_odd_lengths(n):
  schedule = linear_decay(RATE, n, n // 2)
  rates = [float(schedule(step)) for step in range(n + 3)]
  assert min(rates) >= 0
  assert rates[n - 1] == 0, 'the last step'
  assert rates[n:] == [0, 0, 0], 'past the end'
  assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize('start', [100, 101, 1000])
def test_a_start_at_or_past_the_end_is_no_decay(start):
  schedule = linear_decay(RATE, 100, start)
  assert float(schedule(0)) == float(schedule(99)) == np.float32(RATE)


# Fails: optax.linear_schedule turns the start at step -1 into 0, and the last step keeps rate / n.
def test_a_start_at_0_decays_from_the_first_step():
  rates = [float(linear_decay(1.0, 4, 0)(step)) for step in range(4)]
  np.testing.assert_allclose(rates, [0.75, 0.5, 0.25, 0], atol=1e-7)


# The rate is a function of the step alone.


def test_the_rate_depends_on_the_step_and_not_on_how_often_the_optimizer_was_called():
  optimizer = make_optimizer(config(name='sgd', learning_rate=1.0, decay_start_step=50), 100)
  for step in (0, 49, 50, 75, 99):
    moved = -run(optimizer, [0.0], [[1.0]], first_step=step)
    np.testing.assert_allclose(moved, [float(linear_decay(1.0, 100, 50)(step))], rtol=1e-6)


def test_a_fresh_adam_at_a_late_step_takes_its_first_step_at_the_late_rate():
  optimizer = make_optimizer(config(decay_start_step=50), 100)
  for step, rate in [(0, 0.1), (74, 0.05), (98, 0.002)]:  # Adam's first step is sign(g) * rate
    np.testing.assert_allclose(run(optimizer, [0.0], [[3.0]], step), [-rate], rtol=1e-5)


def test_resuming_at_step_801_of_1000_decays_once_where_the_official_code_climbs():
  optimizer = make_optimizer(config(name='sgd', learning_rate=1e-4, decay_start_step=500), 1000)
  moved = run(optimizer, [0.0], [[1.0]], first_step=801 - 1)
  np.testing.assert_allclose(moved, [-3.98e-5], rtol=1e-3)  # the official code: +2.04e-5


def test_the_last_step_of_a_decayed_run_moves_nothing_weight_decay_included():
  optimizer = make_optimizer(config(weight_decay=0.1, decay_start_step=5), 10)
  assert run(optimizer, [1.5], [[3.0]], first_step=9) == [1.5]


def test_without_decay_start_step_the_rate_is_constant():
  optimizer = make_optimizer(config(name='sgd', learning_rate=1.0), 10)
  assert run(optimizer, [0.0], [[1.0]], first_step=9) == [-1]


def test_update_without_a_step_is_refused_rather_than_guessed():
  optimizer = make_optimizer(config(), 10)
  x = jnp.zeros(1)
  with pytest.raises(TypeError, match='step'):
    optimizer.update(x, optimizer.init(x), x)


# Adam.


@pytest.mark.parametrize('decay', [0.0, 0.1])
def test_five_steps_of_adam_are_torchs(decay):
  rng = np.random.default_rng(0)
  x, gradients = rng.normal(size=(4, 3)), rng.normal(size=(5, 4, 3))
  ours = run(make_optimizer(config(learning_rate=0.01, weight_decay=decay), 10), x, gradients)
  theirs = torch_adam(x, gradients, 0.01, 0.5, 0.999, 1e-8, decay)
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_weight_decay_goes_through_adams_moments_unlike_adamw():
  # One step from x = 2 with gradient 1: the decay changes the gradient, and the first step of Adam
  # does not see the gradient's size. AdamW would move by 0.1 + 0.1 * 0.1 * 2.
  x = run(make_optimizer(config(weight_decay=0.1), 10), [2.0], [[1.0]])
  np.testing.assert_allclose(x, [1.9], atol=1e-6)


def test_a_zero_gradient_with_weight_decay_moves_the_weight():
  still = run(make_optimizer(config(), 10), [2.0], [[0.0]])
  moved = run(make_optimizer(config(weight_decay=0.1), 10), [2.0], [[0.0]])
  assert still == [2]
  np.testing.assert_allclose(moved, [1.9], atol=1e-6)


def test_sgd_is_the_gradient_times_the_rate():
  x = run(make_optimizer(config(name='sgd'), 10), [1.0, 2.0], [[1.0, -2.0]])
  np.testing.assert_allclose(x, [0.9, 2.2], rtol=1e-6)


def test_an_unknown_optimizer_is_told_which_there_are():
  with pytest.raises(
    UserError, match=re.escape("optimizer.name='adamv' is unknown; there are adam, adamw, rmsprop")
  ):
    make_optimizer(config(name='adamv'), 10)


# One for each group.


def full_config():
  fields = defaults.get_config()
  fields.num_steps = 10
  fields.optimizer.name = 'sgd'
  fields.optimizer.learning_rate = 1.0
  return fields


def test_each_group_has_its_own_optimizer_and_they_are_equal_without_overrides():
  optimizers = make_optimizers(full_config(), ['critic', 'maker'])
  assert list(optimizers) == ['critic', 'maker']
  assert all(run(o, [0.0], [[1.0]]) == [-1] for o in optimizers.values())


def test_optimizer_of_changes_one_group_and_only_the_fields_it_names():
  fields = full_config()
  fields.optimizer.weight_decay = 0.5
  fields.optimizer_of.critic = {'learning_rate': 0.25}
  optimizers = make_optimizers(fields, ['critic', 'maker'])
  assert run(optimizers['maker'], [2.0], [[1.0]]) == [2 - 1.0 * (1 + 0.5 * 2)]
  assert run(optimizers['critic'], [2.0], [[1.0]]) == [2 - 0.25 * (1 + 0.5 * 2)]


def test_optimizer_of_leaves_the_shared_config_as_it_was():
  fields = full_config()
  fields.optimizer_of.critic = {'learning_rate': 0.25}
  make_optimizers(fields, ['critic', 'maker'])
  assert fields.optimizer.learning_rate == 1.0


def test_optimizer_of_can_add_a_decay_or_another_optimizer():
  fields = full_config()
  fields.optimizer_of.critic = {'decay_start_step': 5, 'name': 'adam', 'learning_rate': 0.1}
  optimizers = make_optimizers(fields, ['critic', 'maker'])
  moved = run(optimizers['critic'], [0.0], [[9.0]], first_step=6)
  np.testing.assert_allclose(moved, [-0.06], rtol=1e-5)
  assert run(optimizers['maker'], [0.0], [[9.0]], first_step=6) == [-9]


def test_lazy_phases_are_corrected_for_as_stylegan2_does():
  """The numbers are those of its generator (every 4) and discriminator (every 16)."""
  fields = glead.get_config().optimizer
  for every, rate, b2 in ((4, 0.002, 0.991992), (16, 0.00235294, 0.990585)):
    found = corrected(fields, 1 / every)
    np.testing.assert_allclose([found.learning_rate, found.b1, found.b2], [rate, 0, b2], rtol=1e-6)
  assert fields.learning_rate == 0.0025


def test_the_correction_is_of_groups_with_lazy_phases_if_it_is_asked_for():
  fields = full_config()
  steps = []
  for fields.optimizer.lazy_correction in (True, False):
    optimizers = make_optimizers(fields, ['critic', 'maker'], {'critic': 1 / 4})
    steps.append([run(optimizers[g], [0.0], [[1.0]]).item() for g in ('critic', 'maker')])
  np.testing.assert_allclose(steps, [[-0.8, -1], [-1, -1]], rtol=1e-6)


def test_gradients_that_are_not_finite_are_replaced_and_counted():
  bad = jnp.array([jnp.nan, jnp.inf, -jnp.inf, 2.0])
  clean = make_optimizer(config(name='sgd', learning_rate=1.0, clean_gradients=True), 10)
  state = clean.init(bad)
  for gradients in (bad, bad, jnp.ones(4)):
    update, state = clean.update(gradients, state, jnp.zeros(4), step=jnp.int32(0))
    if gradients is bad:
      np.testing.assert_array_equal(update, [0, -1e5, 1e5, -2])
  assert optax.tree.get(state, 'count') == 2
  np.testing.assert_array_equal(run(make_optimizer(config(name='sgd'), 10), [0.0], [[np.nan]]), [np.nan])


def test_optimizer_of_an_unknown_group_is_told_the_groups_there_are():
  fields = full_config()
  fields.optimizer_of.crtic = {'learning_rate': 0.25}
  with pytest.raises(
    UserError, match=r'optimizer_of\.crtic: there is no such parameter group.*critic, maker'
  ):
    make_optimizers(fields, ['critic', 'maker'])


def test_nice_gans_decay_starts_in_the_middle_of_whatever_length_is_asked():
  fields = nice.get_config()
  fields.num_steps = 100
  optimizer = make_optimizers(fields, ['generator'])['generator']
  first = [abs(run(optimizer, [0.0], [[3.0]], step)).item() for step in (0, 49, 50, 74, 99)]
  official = [official_rate(t, 100) for t in (1, 50, 51, 75, 100)]
  np.testing.assert_allclose(first, official, rtol=1e-3, atol=1e-12)


def test_optimizer_states_are_arrays_only():
  state = make_optimizer(config(weight_decay=0.1), 10).init(jnp.zeros(3))
  assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))


# Other optimizers, and the links of a chain.


def test_rmsprops_first_step_is_torchs():
  settings = config(name='rmsprop', learning_rate=5e-5, b2=0.99)
  np.testing.assert_allclose(run(make_optimizer(settings, 10), [0.0], [0.01]), -5.0e-4, rtol=1e-4)


def test_momentum_adds_up_gradients():
  settings = config(name='momentum', b1=0.9)
  np.testing.assert_allclose(run(make_optimizer(settings, 10), [0.0], [1.0, 1.0]), [-0.29], rtol=1e-6)


def test_adamws_decay_passes_by_the_moments():
  settings = config(name='adamw', weight_decay=0.5)
  found = run(make_optimizer(settings, 10), [2.0], [0.0])
  np.testing.assert_allclose(found, [2.0 - 0.1 * 0.5 * 2.0], rtol=1e-6)


def test_clipped_weights_stay_in_their_box():
  """(0.008, -0.02) moved by (0.005, 0.001) in a box of 0.01: (0.01, -0.01)."""
  settings = config(name='sgd', learning_rate=1.0, clip_weights=0.01)
  found = run(make_optimizer(settings, 10), [0.008, -0.02], [[-0.005, -0.001]])
  np.testing.assert_allclose(found, [0.01, -0.01], rtol=1e-6)


def test_a_range_holds_at_both_ends():
  settings = config(name='sgd', learning_rate=1.0, range=(0.0, 1.0))
  found = run(make_optimizer(settings, 10), [0.9, 0.1, 0.5], [[-0.5, 0.5, 0.1]])
  np.testing.assert_allclose(found, [1, 0, 0.4], rtol=1e-6)


def test_unit_vectors_keep_their_length_under_adam_and_decay():
  settings = config(unit_norm=True, weight_decay=0.1)
  start = np.eye(3, dtype=np.float32)[:2]
  found = run(make_optimizer(settings, 10), start, np.random.default_rng(0).normal(size=(20, 2, 3)))
  np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, rtol=1e-5)
  assert (found != start).all()


def test_rows_outside_stay_bit_by_bit_under_adam_and_decay_a_negative_zero_included():
  settings = config(rows=(1,), weight_decay=0.1)
  start = np.array([[-0.0, 1.5], [1.0, 1.0], [0.3, -2.0]], np.float32)
  found = run(make_optimizer(settings, 10), start, np.ones((3, 3, 2)))
  assert found[[0, 2]].tobytes() == start[[0, 2]].tobytes()
  assert (found[1] != start[1]).all()


def test_gradients_are_cut_as_a_whole_or_each_array_on_its_own():
  tree, gradients = (
    {'a': jnp.zeros(2), 'b': jnp.zeros(1)},
    {'a': jnp.array([3.0, 4.0]), 'b': jnp.array([0.5])},
  )
  found = {}
  for field in ('clip_gradient', 'clip_gradient_each'):
    optimizer = make_optimizer(config(name='sgd', learning_rate=1.0, **{field: 1.0}), 10)
    found[field], _ = optimizer.update(gradients, optimizer.init(tree), tree, step=jnp.int32(0))
  np.testing.assert_allclose(found['clip_gradient_each']['a'], [-0.6, -0.8], rtol=1e-6)
  np.testing.assert_allclose(found['clip_gradient_each']['b'], [-0.5], rtol=1e-6)
  np.testing.assert_allclose(found['clip_gradient']['b'], [-0.5 / np.sqrt(25.25)], rtol=1e-6)


@pytest.mark.row(35)
def test_historical_averaging_pulls_to_the_mean_of_all_that_was():
  """theta (1, 0), (2, 1), (4, -1): the last one's gradient is 2 (theta - mean) = (10 / 3, -2)."""
  optimizer = make_optimizer(config(name='sgd', learning_rate=1.0, historical=1.0), 10)
  thetas = [jnp.array(x, jnp.float32) for x in ([1, 0], [2, 1], [4, -1])]
  kept = optimizer.init(thetas[0])
  for theta in thetas:
    update, kept = optimizer.update(jnp.zeros(2), kept, theta, step=jnp.int32(0))
  np.testing.assert_allclose(-update, [3.33333333, -2], rtol=1e-6)
  away = thetas[-1] - jnp.stack(thetas).mean(0)
  assert float(jnp.square(away).sum()) == pytest.approx(3.77777778, rel=1e-6)


def test_annealed_rates_and_betas_follow_r3gans_rule():
  """2e-4 to 5e-5 and 0.9 to 0.99 over N: at N/4 1.7803301e-4 and 0.91318019."""
  anneal = {'learning_rate': (5e-5, 100, 'cosine'), 'b2': (0.99, 100, 'cosine')}
  optimizer = make_optimizer(config(learning_rate=2e-4, b1=0.0, b2=0.9), 1000, anneal)
  np.testing.assert_allclose(run(optimizer, [0.0], [7.0], 25), -1.7803301e-4, rtol=1e-5)
  state, x = optimizer.init(jnp.zeros(1)), jnp.zeros(1)
  for step, gradient in ((25, 1.0), (26, 2.0)):
    update, state = optimizer.update(jnp.array([gradient]), state, x, step=jnp.int32(step))
  b = [0.9 + 0.09 * (1 - np.cos(np.pi * s / 100)) / 2 for s in (25, 26)]
  v = b[1] * (1 - b[0]) * 1 + (1 - b[1]) * 4
  rate = 2e-4 + (5e-5 - 2e-4) * (1 - np.cos(np.pi * 0.26)) / 2
  np.testing.assert_allclose(update, [-rate * 2 / np.sqrt(v / (1 - b[1] ** 2))], rtol=1e-4)
  assert b[0] == pytest.approx(0.91318019, abs=1e-8)


def test_groups_have_their_own_annealing_and_a_setting_without_one_is_refused():
  settings = defaults.get_config()
  settings.anneal.optimizer_of = {'a': {'learning_rate': (0.0, 10, 'linear')}}
  optimizers = make_optimizers(settings, ['a', 'b'])
  assert run(optimizers['a'], [0.0], [1.0], 10) == 0
  assert run(optimizers['b'], [0.0], [1.0], 10) != 0
  settings.anneal.optimizer_of = {'a': {'eps': (0.0, 10, 'linear')}}
  with pytest.raises(UserError, match=r'anneal\.optimizer\.eps: there are learning_rate and, for adam'):
    make_optimizers(settings, ['a', 'b'])


def test_a_setting_that_no_optimizer_has_is_told_the_settings_there_are():
  settings = defaults.get_config()
  settings.optimizer_of.a = {'learning_rat': 1.0}
  with pytest.raises(
    UserError, match=r'optimizer_of\.a\.learning_rat: there is no such setting; .*learning_rate'
  ):
    make_optimizers(settings, ['a'])


def test_a_frozen_group_has_no_moments():
  settings = defaults.get_config()
  settings.frozen = ('teacher',)
  made = make_optimizers(settings, ['teacher', 'pupil'])
  assert not jax.tree.leaves(made['teacher'].init(jnp.zeros(3)))
  assert jax.tree.leaves(made['pupil'].init(jnp.zeros(3)))
