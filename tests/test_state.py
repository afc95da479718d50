"""The state: what it holds, its averages, its size."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from decoupled_gan.core.state import (
  TrainState,
  count,
  create,
  ema_decays,
  finite,
  inference_variables,
  update_ema,
)
from decoupled_gan.errors import UserError


class Toy(nn.Module):
  def setup(self):
    self.critic, self.maker = nn.Dense(2), nn.Dense(3)
    self.calls = self.variable('calls', 'count', lambda: jnp.zeros((), jnp.int32))

  def __call__(self, x):
    return self.critic(self.maker(x))


OPTIMIZERS = {'critic': optax.scale_by_adam(), 'maker': optax.identity()}


@pytest.fixture(scope='module')
def state():
  return create(Toy(), OPTIMIZERS, jnp.zeros((1, 4)), jax.random.key(0), ema=['maker'])


def test_a_fresh_state_has_one_entry_for_each_group(state):
  assert set(state.params) == set(state.opt) == {'critic', 'maker'}
  assert set(state.ema) == {'maker'}
  assert set(state.stats) == {'calls'}
  assert state.step == 0
  assert state.step.dtype == jnp.int32


def test_a_fresh_average_equals_the_parameters_and_shares_no_buffer_with_them(state):
  for x, y in zip(*map(jax.tree.leaves, (state.ema['maker'], state.params['maker'])), strict=True):
    assert x.tolist() == y.tolist()
    assert x.unsafe_buffer_pointer() != y.unsafe_buffer_pointer(), 'a donated state has none twice'


def test_a_state_is_arrays_only_and_can_be_made_inside_jit(state):
  leaves = jax.tree.leaves(state)
  assert all(isinstance(leaf, jax.Array) for leaf in leaves)
  made = jax.jit(lambda key: create(Toy(), OPTIMIZERS, jnp.zeros((1, 4)), key, ema=['maker']))(
    jax.random.key(0)
  )
  assert jax.tree.structure(made) == jax.tree.structure(state)
  for x, y in zip(jax.tree.leaves(made), leaves, strict=True):
    np.testing.assert_allclose(x, y, rtol=1e-6)


def test_equal_keys_make_equal_states_and_others_do_not():
  kernels = [
    create(Toy(), OPTIMIZERS, jnp.zeros((1, 4)), jax.random.key(seed)).params['maker']['kernel']
    for seed in (0, 0, 1)
  ]
  assert (kernels[0] == kernels[1]).all()
  assert not (kernels[0] == kernels[2]).any()


# Averages.


def test_a_half_life_is_that_of_the_average_whatever_the_batch():
  for batch, steps in [(1, 10_000), (4, 2500), (32, 312.5)]:
    decay = ema_decays({'maker': 10}, batch, ['maker'])['maker']
    np.testing.assert_allclose(decay**steps, 0.5, rtol=1e-9)


def test_decays_in_literal_numbers():
  decays = ema_decays({'maker': 10, 'critic': 0.5}, 32, ['critic', 'maker'])
  assert decays == {
    'maker': pytest.approx(0.99778439, abs=1e-8),  # StyleGAN2's: 0.5 ** (32 / 10000)
    'critic': pytest.approx(0.95660816, abs=1e-8),
  }


def test_groups_without_a_half_life_have_no_decay():
  assert ema_decays({}, 1, ['maker']) == {}


def test_a_half_life_of_an_unknown_group_is_told_the_groups_there_are():
  with pytest.raises(
    UserError, match=r'ema_halflife_kimg\.maler: no such parameter group.*critic, maker'
  ):
    ema_decays({'maler': 10}, 1, ['critic', 'maker'])


@pytest.mark.parametrize('halflife', [0, -1.5])
def test_a_half_life_that_is_not_positive_is_refused_by_name(halflife):
  with pytest.raises(UserError, match=rf'ema_halflife_kimg\.maker={halflife} must be positive'):
    ema_decays({'maker': halflife}, 1, ['maker'])


def small(params, ema):
  return TrainState(step=jnp.int32(0), params=params, stats={}, opt={}, ema=ema)


def test_an_average_moves_by_one_minus_its_decay():
  params = {'maker': {'w': jnp.array([2.0, -2.0])}, 'critic': {'w': jnp.ones(1)}}
  new = update_ema(small(params, {'maker': {'w': jnp.array([0.0, 1.0])}}), {'maker': 0.75})
  np.testing.assert_allclose(new.ema['maker']['w'], [0.5, 0.25])
  assert set(new.ema) == {'maker'}
  assert new.params is params


def test_each_group_has_its_own_decay():
  ones, zeros = {'w': jnp.ones(1)}, {'w': jnp.zeros(1)}
  state = small({'a': ones, 'b': ones}, {'a': zeros, 'b': zeros})
  new = update_ema(state, {'a': 0.9, 'b': 0.5})
  np.testing.assert_allclose([new.ema['a']['w'][0], new.ema['b']['w'][0]], [0.1, 0.5], rtol=1e-6)


def test_an_average_that_ramps_up_begins_as_the_parameters_and_ends_at_its_own_decay():
  """Against StyleGAN2-ADA: 0.5^(batch / min(half-life, rampup * images seen))."""
  params, ema = {'maker': {'w': jnp.ones(1)}}, {'maker': {'w': jnp.zeros(1)}}
  decay = ema_decays({'maker': 0.5}, 8, ['maker'])['maker']
  for step in (0, 1, 20, 500, 1249, 1251, 10_000):
    state = small(params, ema).replace(step=jnp.int32(step))
    expected = 0.5 ** (8 / max(min(500, 0.05 * 8 * step), 1e-8))
    moved = update_ema(state, {'maker': decay}, 0.05).ema['maker']['w'][0]
    np.testing.assert_allclose(moved, 1 - expected, rtol=1e-4)


def test_sampling_uses_averages_where_they_exist_parameters_elsewhere_and_the_statistics(state):
  state = state.replace(ema=jax.tree.map(lambda x: x + 1, state.ema))
  variables = inference_variables(state)
  assert set(variables) == {'params', 'calls'}
  assert variables['params']['maker'] is state.ema['maker']
  assert variables['params']['critic'] is state.params['critic']
  assert variables['calls'] is state.stats['calls']
  assert Toy().apply(variables, jnp.zeros((1, 4))).shape == (1, 2)


# Sizes and health.


def test_count_is_the_number_of_numbers(state):
  assert count(state.params['maker']) == 4 * 3 + 3
  assert count(state.params) == (4 * 3 + 3) + (3 * 2 + 2)
  assert count({}) == 0
  assert count(jax.eval_shape(lambda: {'x': jnp.zeros((1000, 1000, 1000)), 'y': ()})) == 10**9


@pytest.mark.parametrize('bad', [jnp.nan, jnp.inf, -jnp.inf])
def test_one_bad_number_anywhere_is_not_finite(bad, state):
  assert finite(state)
  kernel = state.params['maker']['kernel'].at[1, 2].set(bad)
  params = {**state.params, 'maker': {**state.params['maker'], 'kernel': kernel}}
  assert not finite(state.replace(params=params))


def test_integers_do_not_count_for_finiteness_and_low_precision_does():
  assert finite({'step': jnp.int32(2**31 - 1), 'x': jnp.zeros(3)})
  assert not finite({'x': jnp.array([0, jnp.nan], jnp.bfloat16)})


def test_finite_is_a_boolean_scalar_that_jit_can_give():
  answer = jax.jit(finite)({'x': jnp.zeros(3)})
  assert answer.shape == ()
  assert answer.dtype == bool
