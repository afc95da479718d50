"""The generic step on a toy: only what the table names moves, by what the table says."""

import ast
import inspect

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from decoupled_gan.core import step as step_module
from decoupled_gan.core.routing import Phase, active, make_phases
from decoupled_gan.core.state import create
from decoupled_gan.core.step import forward, make_train_step, play
from decoupled_gan.core.types import Pair

RATE, DECAY = 0.1, 0.01


class Encoder(nn.Module):
  """Counts its calls, and keeps the mean of its last input, in the collection 'calls'."""

  @nn.compact
  def __call__(self, x):
    count = self.variable('calls', 'count', lambda: jnp.zeros((), jnp.int32))
    mean = self.variable('calls', 'mean', lambda: jnp.zeros(()))
    if not self.is_initializing():
      count.value += 1
      mean.value = jax.lax.stop_gradient(x).mean()
    return nn.Dense(3)(x)


class Toy(nn.Module):
  def setup(self):
    self.encoder, self.critic, self.maker = Encoder(), nn.Dense(1), nn.Dense(3)

  def __call__(self, real):
    z = self.encoder(real.a)
    return self.maker(z), self.critic(z)


def judge(gan, real):
  fake = gan.maker(gan.encoder(real.a))  # no stop_gradient: the table alone holds the maker back
  return {
    'adversarial': jnp.square(gan.critic(gan.encoder(real.b)) - 1).mean()
    + jnp.square(gan.critic(fake)).mean(),
  }


def paint(gan, real):
  z = gan.encoder(real.a)
  fake = gan.maker(z) + 0.1 * jax.random.normal(gan.make_rng('noise'), z.shape)
  return {
    'adversarial': jnp.square(gan.critic(fake) - 1).mean(),
    'match': jnp.abs(fake - real.b).mean(),
  }


OBJECTIVES = {'judge': judge, 'paint': paint}
JUDGE = {'adversarial': {'critic': 1, 'encoder': 1}}
PAINT = {'adversarial': {'maker': 1}, 'match': {'maker': 10}}
ROUTES = {'judge': JUDGE, 'paint': PAINT}


def adam():
  """Adam with coupled weight decay: what moves a group whose gradient is zero."""
  return optax.with_extra_args_support(
    optax.chain(optax.add_decayed_weights(DECAY), optax.scale_by_adam(0.5), optax.scale(-RATE))
  )


def sgd():
  return optax.with_extra_args_support(optax.sgd(RATE))


GROUPS = ('critic', 'encoder', 'maker')
ADAM = {group: adam() for group in GROUPS}
SGD = {group: sgd() for group in GROUPS}


@pytest.fixture(scope='module')
def batch():
  rng = np.random.default_rng(0)
  return Pair(*rng.normal(size=(2, 4, 3)).astype(np.float32))


def fresh(optimizers, ema=()):
  """A state whose Adam moments are not zero, so that an optimizer call could not go unseen."""
  real = Pair(jnp.zeros((4, 3)), jnp.zeros((4, 3)))
  state = create(Toy(), optimizers, real, jax.random.key(1), ema)
  stirred = jax.tree.map(lambda x: x + (0.5 if x.dtype == jnp.float32 else 3), state.opt)
  return state.replace(opt=stirred)


def identical(x, y):
  leaves = zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True)
  return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in leaves)


def played(weights, optimizers, state, batch, objective=paint, key=0):
  phase, key = Phase('play', objective, weights), jax.random.key(key)
  return jax.jit(lambda state: play(phase, Toy(), optimizers, state, batch, key))(state)


# Who moves.


@pytest.mark.parametrize('name', ['judge', 'paint'])
def test_groups_of_the_table_move_and_all_others_stay_to_the_last_bit(name, batch):
  before = fresh(ADAM)
  (phase,) = [p for p in make_phases(OBJECTIVES, ROUTES) if p.name == name]
  after, _ = played(phase.weights, ADAM, before, batch, phase.objective)
  for group in GROUPS:
    still = group not in phase.groups
    assert identical(before.params[group], after.params[group]) == still, group
    assert identical(before.opt[group], after.opt[group]) == still, group


def test_a_zero_gradient_would_have_moved_the_group_which_is_why_it_gets_no_optimizer_call(batch):
  # The critic's own gradient in `paint` is real but weighted by 0; the maker's is what it was.
  weights = {'adversarial': {'maker': 1.0, 'critic': 0.0}, 'match': {'maker': 10.0}}
  before = fresh(ADAM)
  called, _ = played(weights, ADAM, before, batch)
  assert not identical(before.params['critic'], called.params['critic'])
  (phase,) = make_phases({'play': paint}, {'play': weights})
  routed, _ = played(phase.weights, ADAM, before, batch)
  assert identical(before.params['critic'], routed.params['critic'])
  assert identical(before.opt['critic'], routed.opt['critic'])
  np.testing.assert_allclose(*(s.params['maker']['kernel'] for s in (called, routed)), rtol=1e-6)


def test_a_phase_without_cells_runs_forward_and_moves_no_parameter(batch):
  before = fresh(ADAM)
  after, losses = played({'adversarial': {}, 'match': {}}, ADAM, before, batch)
  assert identical((before.params, before.opt), (after.params, after.opt))
  assert after.stats['calls']['encoder']['count'] == 1
  assert sorted(losses) == ['adversarial', 'match']


# By how much.


def gradient(weights, state, batch, groups, objective=paint, key=0):
  """jax.grad of the weighted sum, the plain way."""

  def total(moving):
    variables = {'params': {**state.params, **moving}, **state.stats}
    losses, _ = Toy().apply(
      variables, batch, method=objective, mutable=['calls'], rngs={'noise': jax.random.key(key)}
    )
    return sum(weights[name] * loss for name, loss in losses.items())

  return jax.grad(total)({group: state.params[group] for group in groups})


@pytest.mark.parametrize('weights', [(1.0, 10.0), (0.0, 1.0), (-2.0, 0.5)])
def test_a_groups_gradient_is_that_of_the_losses_weighted_as_declared(weights, batch):
  weights = dict(zip(['adversarial', 'match'], weights, strict=True))
  before = fresh(SGD)
  after, _ = played({loss: {'maker': w} for loss, w in weights.items()}, SGD, before, batch)
  expected = gradient(weights, before, batch, ['maker'])['maker']
  for name, was in before.params['maker'].items():
    np.testing.assert_allclose(
      after.params['maker'][name], was - RATE * expected[name], rtol=1e-5, atol=1e-7
    )


def test_two_groups_of_one_phase_can_have_different_columns(batch):
  weights = {'adversarial': {'maker': 1.0, 'critic': -3.0}, 'match': {'maker': 10.0}}
  before = fresh(SGD)
  after, _ = played(weights, SGD, before, batch)
  maker = gradient({'adversarial': 1.0, 'match': 10.0}, before, batch, ['maker'])['maker']
  critic = gradient({'adversarial': -3.0, 'match': 0.0}, before, batch, ['critic'])['critic']
  for group, expected in [('maker', maker), ('critic', critic)]:
    moved = jax.tree.map(lambda x, y: x - y, after.params[group], before.params[group])
    jax.tree.map(
      lambda x, y: np.testing.assert_allclose(x, -RATE * y, rtol=1e-4, atol=1e-7), moved, expected
    )


def test_all_groups_of_a_phase_take_their_gradient_at_the_same_point(batch):
  # Groups of different columns are updated one after the other; none may see another's update.
  together, _ = played(
    {'adversarial': {'maker': 1.0, 'critic': 2.0}, 'match': {}}, SGD, fresh(SGD), batch
  )
  for group, weight in [('maker', 1.0), ('critic', 2.0)]:
    alone, _ = played({'adversarial': {group: weight}, 'match': {}}, SGD, fresh(SGD), batch)
    jax.tree.map(
      lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), together.params[group],
      alone.params[group],
    )  # fmt: skip


def test_losses_are_reported_unweighted_and_before_the_update(batch):
  state = fresh(SGD)
  _, losses = played({'adversarial': {'maker': 7.0}, 'match': {'maker': 9.0}}, SGD, state, batch)
  plain, _ = Toy().apply(
    {'params': state.params, **state.stats}, batch, method=paint, mutable=['calls'],
    rngs={'noise': jax.random.key(0)},
  )  # fmt: skip
  for name in ('adversarial', 'match'):
    np.testing.assert_allclose(losses[name], plain[name], rtol=1e-6)


def test_one_forward_pass_serves_any_number_of_pullbacks(batch):
  state = fresh(SGD)
  phase = Phase('play', paint, PAINT)
  losses, pullback, stats = forward(phase, Toy(), state, GROUPS, batch, jax.random.key(0))
  assert stats['calls']['encoder']['count'] == 1
  one = pullback({'adversarial': 1.0, 'match': 0.0})
  two = pullback({'adversarial': 0.0, 'match': 1.0})
  both = pullback({'adversarial': 1.0, 'match': 1.0})
  assert set(one) == set(GROUPS)
  jax.tree.map(
    lambda x, y, s: np.testing.assert_allclose(x + y, s, rtol=1e-5, atol=1e-6), one, two, both
  )
  assert sorted(losses) == ['adversarial', 'match']


# The step.


class Step:
  """A compiled train step of the toy, with everything needed to run it."""

  def __init__(self, optimizers=SGD, ema=None, seed=0, routes=ROUTES, **options):
    self.ema, self.optimizers = ema or {}, optimizers
    self.phases = make_phases(OBJECTIVES, routes, **options)
    self.traced = []
    function = make_train_step(Toy(), self.phases, optimizers, self.ema, seed)

    def traced(state, batch, active):
      self.traced.append(active)
      return function(state, batch, active)

    self.run = jax.jit(traced, static_argnums=2)

  def fresh(self):
    return fresh(self.optimizers, self.ema)

  def __call__(self, state, batch, step=None):
    return self.run(state, batch, active(self.phases, int(state.step) if step is None else step))


@pytest.fixture(scope='module')
def plain():
  return Step(ema={'maker': 0.75, 'encoder': 0.0})


@pytest.fixture(scope='module')
def lazy():
  return Step(every={'paint': 3})


def test_losses_are_named_by_phase_and_loss(plain, batch):
  _, logs = plain(plain.fresh(), batch)
  assert set(logs) == {'judge/adversarial', 'paint/adversarial', 'paint/match'}
  assert all(value.shape == () and value.dtype == jnp.float32 for value in logs.values())


def test_a_step_counts_one_and_keeps_the_states_structure_and_types(plain, batch):
  before = plain.fresh()
  after, _ = plain(before, batch)
  assert (int(before.step), int(after.step)) == (0, 1)
  shapes = [jax.tree.map(lambda x: (x.shape, x.dtype), state) for state in (before, after)]
  assert shapes[0] == shapes[1]


def test_the_second_phase_starts_from_the_firsts_parameters_and_statistics(plain, batch):
  before = plain.fresh()
  after, logs = plain(before, batch)
  key = jax.random.fold_in(jax.random.key(0), 0)
  state, losses = played(plain.phases[0].weights, SGD, before, batch, judge)
  np.testing.assert_allclose(logs['judge/adversarial'], losses['adversarial'], rtol=1e-6)
  state, losses = play(plain.phases[1], Toy(), SGD, state, batch, jax.random.fold_in(key, 1))
  np.testing.assert_allclose(logs['paint/adversarial'], losses['adversarial'], rtol=1e-5)
  jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), after.params,
               state.params)  # fmt: skip


def test_statistics_thread_through_every_call_of_every_phase_and_step(plain, batch):
  state = plain.fresh()
  assert state.stats['calls']['encoder']['count'] == 0
  for calls in (3, 6):  # twice in judge, once in paint
    state, _ = plain(state, batch)
    assert state.stats['calls']['encoder']['count'] == calls
  np.testing.assert_allclose(state.stats['calls']['encoder']['mean'], batch.a.mean(), rtol=1e-5)


def test_a_lazy_phase_is_left_out_of_the_steps_between(lazy, batch):
  state, seen = lazy.fresh(), []
  for _ in range(5):
    before = state
    state, logs = lazy(state, batch)
    seen.append('paint/match' in logs)
    for part in ('params', 'opt'):
      was, now = getattr(before, part)['maker'], getattr(state, part)['maker']
      if not seen[-1]:
        assert identical(was, now), part
    assert identical(before.params['maker'], state.params['maker']) != seen[-1]
    assert not identical(before.params['critic'], state.params['critic'])
  assert seen == [True, False, False, True, False]
  assert lazy.traced == [(0, 1), (0,)], 'two programs'


def test_a_phase_listed_twice_is_played_twice(batch):
  twice = Step(play=('judge', 'judge', 'paint'))
  before = twice.fresh()
  after, _ = twice(before, batch)
  assert after.stats['calls']['encoder']['count'] == 2 + 2 + 1
  state = before
  for _ in range(2):
    state, _ = played(twice.phases[0].weights, SGD, state, batch, judge)
  for group in ('critic', 'encoder'):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6),
                 after.params[group], state.params[group])  # fmt: skip


def test_averages_follow_their_formula_and_a_decay_of_0_follows_the_parameters(plain, batch):
  before = plain.fresh()
  assert identical(before.ema['maker'], before.params['maker'])
  one, _ = plain(before, batch)
  two, _ = plain(one, batch)
  for old, new in [(before, one), (one, two)]:
    jax.tree.map(
      lambda e, p, now: np.testing.assert_allclose(now, 0.75 * e + 0.25 * p, rtol=1e-5, atol=1e-7),
      old.ema['maker'], new.params['maker'], new.ema['maker'],
    )  # fmt: skip
    assert identical(new.ema['encoder'], new.params['encoder'])


def test_the_optimizers_are_given_the_states_step(batch):
  def update(updates, state, params=None, *, step, **_):
    return jax.tree.map(lambda u: jnp.full_like(u, step), updates), state

  told = optax.GradientTransformationExtraArgs(lambda params: (), update)
  run = Step(optimizers=dict.fromkeys(GROUPS, told))
  before = run.fresh().replace(step=jnp.int32(7))
  after, _ = run(before, batch, step=0)
  moved = after.params['maker']['bias'] - before.params['maker']['bias']
  np.testing.assert_allclose(moved, 7, rtol=1e-6)
  assert int(after.step) == 8


# Noise and images.


def shake(gan, real):
  """A loss that is nothing but noise."""
  noise = jax.random.normal(gan.make_rng('noise'))
  return {'noise': noise + 0 * gan(real)[0].sum()}


@pytest.fixture(scope='module')
def noise(batch):
  """noise(seed, step) -> the noise that each of two phases saw."""
  routes = {'first': {'noise': {'maker': 1.0}}, 'second': {'noise': {'maker': 1.0}}}
  phases = make_phases({'first': shake, 'second': shake}, routes)
  state = fresh(SGD)

  def draw(seed, step):
    run = make_train_step(Toy(), phases, SGD, {}, seed)
    _, logs = run(state.replace(step=jnp.int32(step)), batch, (0, 1))
    return float(logs['first/noise']), float(logs['second/noise'])

  return draw


def test_noise_differs_by_phase_by_step_and_by_seed(noise):
  draws = [*noise(0, 0), *noise(0, 1), *noise(1, 0)]
  assert len(set(draws)) == len(draws)


def test_noise_is_the_same_for_the_same_seed_and_step(noise):
  assert noise(3, 11) == noise(3, 11)


def test_a_phase_listed_twice_sees_new_noise_each_time(batch):
  phases = make_phases({'first': shake}, {'first': {'noise': {'maker': 1.0}}}, ('first', 'first'))
  run = make_train_step(Toy(), phases, SGD, {}, 0)
  draws = [float(run(fresh(SGD), batch, (i,))[1]['first/noise']) for i in (0, 1)]
  assert draws[0] != draws[1]


def test_uint8_batches_are_normalised_to_minus_one_to_one(batch):
  seen = []

  def look(gan, real):
    seen.append((real.a.dtype, np.asarray(real.a), np.asarray(real.b)))
    return {'x': gan(real)[0].mean()}

  phases = make_phases({'look': look}, {'look': {'x': {}}})
  run = make_train_step(Toy(), phases, SGD, {}, 0)
  images = np.array([[0, 51, 255]] * 4, np.uint8)
  run(fresh(SGD), Pair(jnp.array(images), jnp.array(255 - images)), (0,))
  ((dtype, a, b),) = seen
  assert dtype == jnp.float32
  np.testing.assert_allclose(a[0], [-1, -0.6, 1], atol=1e-6)
  np.testing.assert_allclose(b, -a, atol=1e-6)


# Architecture.


def test_step_imports_neither_methods_nor_networks():
  imported = set()
  for node in ast.walk(ast.parse(inspect.getsource(step_module))):
    if isinstance(node, ast.ImportFrom):
      imported |= {node.module, *(f'{node.module}.{alias.name}' for alias in node.names)}
    if isinstance(node, ast.Import):
      imported |= {alias.name for alias in node.names}
  forbidden = ('methods', 'networks', 'layers', 'train', 'configs', 'data')
  assert not [name for name in imported if set(name.split('.')) & set(forbidden)]
