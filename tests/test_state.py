"""The state: what it holds, its averages, its size."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from decoupled_gan import defaults
from decoupled_gan.core.state import (
  Copy,
  TrainState,
  count,
  create,
  finite,
  inference_variables,
  make_copies,
  update_copies,
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
  return create(
    Toy(),
    OPTIMIZERS,
    jnp.zeros((1, 4)),
    jax.random.key(0),
    {'maker': Copy('maker'), 'first': Copy('critic')},
  )


def test_a_fresh_state_has_one_entry_for_each_group(state):
  assert set(state.params) == set(state.opt) == {'critic', 'maker'}
  assert set(state.copies) == {'maker', 'first'}
  assert set(state.stats) == {'calls'}
  assert state.step == 0
  assert state.step.dtype == jnp.int32


def test_a_fresh_average_equals_the_parameters_and_shares_no_buffer_with_them(state):
  for x, y in zip(*map(jax.tree.leaves, (state.copies['maker'], state.params['maker'])), strict=True):
    assert x.tolist() == y.tolist()
    assert x.unsafe_buffer_pointer() != y.unsafe_buffer_pointer(), 'a donated state has none twice'


def test_a_state_is_arrays_only_and_can_be_made_inside_jit(state):
  leaves = jax.tree.leaves(state)
  assert all(isinstance(leaf, jax.Array) for leaf in leaves)
  made = jax.jit(
    lambda key: create(
      Toy(), OPTIMIZERS, jnp.zeros((1, 4)), key, {'maker': Copy('maker'), 'first': Copy('critic')}
    )
  )(jax.random.key(0))
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


def copies_of(batch_size=1, **copies):
  config = defaults.get_config()
  config.batch_size = batch_size
  config.copies = copies
  return make_copies(config, ['critic', 'maker'])


def decay(copy, step=0):
  return 1 - float(copy.share(jnp.int32(step)))


def test_a_half_life_is_that_of_the_average_whatever_the_batch():
  for batch, steps in [(1, 10_000), (4, 2500), (32, 312.5)]:
    (copy,) = copies_of(batch, maker={'halflife_kimg': 10.0}).values()
    np.testing.assert_allclose(decay(copy) ** steps, 0.5, rtol=1e-3)


def test_decays_in_literal_numbers():
  found = copies_of(32, maker={'halflife_kimg': 10.0}, critic={'halflife_kimg': 0.5})
  assert {name: decay(copy) for name, copy in found.items()} == {
    'maker': pytest.approx(0.99778439, abs=1e-7),  # StyleGAN2's: 0.5 ** (32 / 10000)
    'critic': pytest.approx(0.95660816, abs=1e-7),
  }


def test_a_half_life_of_many_images_is_not_lost_to_rounding():
  (copy,) = copies_of(1, maker={'halflife_kimg': 1e6}).values()
  assert float(copy.share(jnp.int32(0))) == pytest.approx(np.log(2) / 1e9, rel=1e-5)


@pytest.mark.parametrize(
  ('copies', 'message'),
  [
    ({'maler': {'halflife_kimg': 1.0}}, r"copies\.maler: there is no .*'maler'; .* critic, maker"),
    ({'old': {'of': 'maler'}}, r"copies\.old: there is no parameter group 'maler'"),
    ({'critic': {'of': 'maker'}}, r'copies\.critic is called like another group'),
    ({'maker': {'halflife_kimg': 0.0}}, r'copies\.maker\.halflife_kimg=0\.0 must be positive'),
    ({'maker': {'halflife_kimg': -1.5}}, r'copies\.maker\.halflife_kimg=-1\.5 must be positive'),
    ({'maker': {'halflive': 1.0}}, r'copies\.maker\.halflive is unknown; there are of, halflife_kimg'),
  ],
)  # fmt: skip
def test_a_copy_that_cannot_be_is_told_by_name(copies, message):
  with pytest.raises(UserError, match=message):
    copies_of(**copies)


def test_a_half_life_may_grow_from_nothing():
  config = defaults.get_config()
  config.copies.maker = {'halflife_kimg': 0.0}
  config.anneal.copies = {'maker': (10.0, 100, 'cosine')}
  (copy,) = make_copies(config, ['maker']).values()
  assert float(copy.share(jnp.int32(0))) == 1, 'the average is the parameters'
  assert decay(copy, 50) == pytest.approx(0.5 ** (1 / 5000), abs=1e-7)
  assert decay(copy, 1000) == pytest.approx(0.5 ** (1 / 10000), abs=1e-7)


def small(params, copies):
  return TrainState(step=jnp.int32(0), params=params, stats={}, opt={}, copies=copies)


def test_an_average_moves_by_its_share_and_only_with_its_group():
  ones, zeros = {'w': jnp.ones(1)}, {'w': jnp.zeros(1)}
  state = small({'a': ones, 'b': ones}, {'a': zeros, 'b': zeros, 'first': zeros})
  halflives = {'a': 0.001, 'b': 0.002}
  copies = {name: Copy(name, lambda step, x=x: x) for name, x in halflives.items()}
  copies['first'] = Copy('a')
  new = update_copies(state, copies, {'a', 'b'})
  found = {name: float(x['w'][0]) for name, x in new.copies.items()}
  assert found == pytest.approx({'a': 0.5, 'b': 1 - 0.5**0.5, 'first': 0})
  assert new.params is state.params
  assert update_copies(state, copies, {'a'}).copies['b'] is state.copies['b']


def test_an_average_that_ramps_up_begins_as_the_parameters_and_ends_at_its_own_decay():
  """Against StyleGAN2-ADA: 0.5^(batch / min(half-life, rampup * images seen))."""
  (copy,) = copies_of(8, maker={'halflife_kimg': 0.5, 'rampup': 0.05}).values()
  for step in (0, 1, 20, 500, 1249, 1251, 10_000):
    expected = 0.5 ** (8 / max(min(500, 0.05 * 8 * step), 1e-8))
    np.testing.assert_allclose(float(copy.share(jnp.int32(step))), 1 - expected, rtol=1e-4)


def test_sampling_uses_averages_where_they_exist_parameters_elsewhere_and_the_statistics(state):
  state = state.replace(copies=jax.tree.map(lambda x: x + 1, state.copies))
  variables = inference_variables(state)
  assert set(variables) == {'params', 'calls'}
  assert variables['params']['maker'] is state.copies['maker']
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
