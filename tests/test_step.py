"""The generic step on a toy: only what the table names moves, by what the table says."""

import ast
import inspect
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from decoupled_gan.core import step as step_module
from decoupled_gan.core.proof import who_moves
from decoupled_gan.core.routing import Phase, active, make_phases
from decoupled_gan.core.state import Copy, clock, create, reference
from decoupled_gan.core.step import forward, loss_fn, make_train_step, play
from decoupled_gan.core.types import Pair
from decoupled_gan.errors import UserError

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


def averaged(of, decay):
  """An average that keeps `decay` of itself a step."""
  images = math.log(0.5) / math.log(decay) if decay else 0.0
  return Copy(of, lambda step: images / 1000)


def fresh(optimizers, copies=None):
  """A state whose Adam moments are not zero, so that an optimizer call could not go unseen."""
  real = Pair(jnp.zeros((4, 3)), jnp.zeros((4, 3)))
  state = create(Toy(), optimizers, real, jax.random.key(1), copies)
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

  def __init__(self, optimizers=SGD, copies=None, seed=0, routes=ROUTES, **options):
    self.copies, self.optimizers = copies or {}, optimizers
    self.phases = make_phases(OBJECTIVES, routes, **options)
    self.traced = []
    function = make_train_step(Toy(), self.phases, optimizers, self.copies, seed)

    def traced(state, batch, active):
      self.traced.append(active)
      return function(state, batch, active)

    self.run = jax.jit(traced, static_argnums=2)

  def fresh(self):
    return fresh(self.optimizers, self.copies)

  def __call__(self, state, batch, step=None):
    return self.run(state, batch, active(self.phases, int(state.step) if step is None else step))


@pytest.fixture(scope='module')
def plain():
  return Step(copies={'maker': averaged('maker', 0.75), 'encoder': averaged('encoder', 0.0)})


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
  assert [[i for i, _ in active] for active in lazy.traced] == [[0, 1], [0]], 'two programs'


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
  assert identical(before.copies['maker'], before.params['maker'])
  one, _ = plain(before, batch)
  two, _ = plain(one, batch)
  for old, new in [(before, one), (one, two)]:
    jax.tree.map(
      lambda e, p, now: np.testing.assert_allclose(now, 0.75 * e + 0.25 * p, rtol=1e-5, atol=1e-7),
      old.copies['maker'], new.params['maker'], new.copies['maker'],
    )  # fmt: skip
    assert identical(new.copies['encoder'], new.params['encoder'])


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
    _, logs = run(state.replace(step=jnp.int32(step)), batch, active(phases, 0))
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
  draws = [float(run(fresh(SGD), batch, ((i, ()),))[1]['first/noise']) for i in (0, 1)]
  assert draws[0] != draws[1]


def shared(gan, real):
  """A loss that is nothing but what all phases of a step draw together."""
  return {'noise': jax.random.normal(gan.make_rng('step')) + 0 * gan(real)[0].sum()}


def test_the_stream_step_is_the_same_for_all_phases_of_a_step_and_another_at_the_next(batch):
  routes = {'first': {'noise': {'maker': 1.0}}, 'second': {'noise': {'maker': 1.0}}}
  phases = make_phases({'first': shared, 'second': shared}, routes)
  run = make_train_step(Toy(), phases, SGD, {}, 0)
  state, one = run(fresh(SGD), batch, active(phases, 0))
  _, two = run(state, batch, active(phases, 0))
  assert one['first/noise'] == one['second/noise']
  assert one['first/noise'] != two['first/noise']


def tick(gan, real):
  return {'steps': clock(gan) + 0 * gan(real)[0].sum()}


def test_objectives_can_read_the_clock_which_is_no_part_of_the_state(batch):
  phases = make_phases({'look': tick}, {'look': {'steps': {'maker': 1.0}}})
  run, state = make_train_step(Toy(), phases, SGD, {}, 0), fresh(SGD)
  for expected in (0, 1, 2):
    state, logs = run(state, batch, active(phases, 0))
    assert logs['look/steps'] == expected
  assert 'clock' not in state.stats


def test_an_annealed_row_pulls_with_its_factor(batch):
  anneal = {'paint': {'match': (0.5, 10, 'linear')}}
  routes = {'judge': {'adversarial': {}}, 'paint': {'adversarial': {}, 'match': {'maker': 10}}}
  moved = {}
  for name, options in {'plain': {}, 'annealed': {'anneal': anneal}}.items():
    run = Step(routes=routes, **options)
    before = run.fresh().replace(step=jnp.int32(10))
    after, _ = run(before, batch)
    moved[name] = jax.tree.map(lambda x, y: x - y, after.params['maker'], before.params['maker'])
  jax.tree.map(lambda x, y: np.testing.assert_allclose(y, x / 2, rtol=1e-4, atol=1e-7), *moved.values())


def test_an_average_rests_at_steps_that_do_not_move_its_group(batch):
  run = Step(copies={'maker': averaged('maker', 0.5)}, every={'paint': 2})
  one, _ = run(run.fresh(), batch)
  two, _ = run(one, batch)
  assert not identical(one.copies['maker'], run.fresh().copies['maker'])
  assert identical(one.copies['maker'], two.copies['maker']), 'the step between had no `paint`'


def towards(gan, real):
  """The distance of what the critic says from what its copy says."""
  copy = reference(gan, 'critic', 'teacher')
  return {'apart': jnp.square(gan.critic(real.a) - copy(real.a)).mean()}


def test_a_copy_without_a_half_life_stays_and_gives_no_gradient(batch):
  phases = make_phases({'follow': towards}, {'follow': {'apart': {'critic': 1.0}}})
  copies = {'teacher': Copy('critic')}
  state = fresh(SGD, copies)
  state = state.replace(copies=jax.tree.map(lambda x: x + 1, state.copies))
  run = make_train_step(Toy(), phases, SGD, copies, 0)
  after, logs = run(state, batch, active(phases, 0))
  assert logs['follow/apart'] > 0
  assert identical(after.copies, state.copies)
  assert not identical(after.params['critic'], state.params['critic'])
  losses, pullback, _ = forward(phases[0], Toy(), state, ('critic',), batch, jax.random.key(0))
  still = jax.tree.map(lambda x: x - 1, state.copies['teacher'])
  identical_networks = state.replace(params={**state.params, 'critic': still})
  assert not identical(pullback({'apart': 1.0})['critic'], jax.tree.map(jnp.zeros_like, still))
  assert losses['apart'] == pytest.approx(
    float(forward(phases[0], Toy(), identical_networks, (), batch, jax.random.key(0))[0]['apart'])
  )


# Losses by name.


def test_a_loss_by_name_is_the_tables_unweighted_and_computes_no_other(batch):
  def dear():
    raise AssertionError('nobody asked')

  def offers(gan, real):
    return {**paint(gan, real), 'dear': dear}

  phases = make_phases({'paint': offers}, {'paint': {**PAINT, 'dear': {}}})
  state = fresh(SGD)
  loss = loss_fn(phases, Toy(), 'paint/match')
  expected = forward(Phase('paint', paint, PAINT), Toy(), state, (), batch, jax.random.key(0))[0][
    'match'
  ]
  assert loss({}, state, batch, jax.random.key(0)) == expected
  gradient = jax.grad(loss)({'maker': state.params['maker']}, state, batch, jax.random.key(0))
  assert set(gradient) == {'maker'}
  with pytest.raises(UserError, match=r"no loss 'paint/metch' in the table; there are paint/adv"):
    loss_fn(phases, Toy(), 'paint/metch')


def test_hessian_products_are_reverse_over_reverse(batch):
  phases, state = make_phases(OBJECTIVES, ROUTES), fresh(SGD)
  loss, key = loss_fn(phases, Toy(), 'judge/adversarial'), jax.random.key(0)
  moving = {'critic': state.params['critic']}
  direction = jax.tree.map(jnp.ones_like, moving)

  def along(moving):
    gradient = jax.grad(loss)(moving, state, batch, key)
    return optax.tree.vdot(gradient, direction)

  product, step = jax.grad(along)(moving), 1e-3
  ahead, behind = (
    jax.grad(loss)(jax.tree.map(lambda x, s=s: x + s, moving), state, batch, key) for s in (step, -step)
  )
  differences = jax.tree.map(lambda x, y: (x - y) / (2 * step), ahead, behind)
  jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-2, atol=2e-3), product, differences)


# Parts.


def test_a_part_is_a_group_of_its_own_and_its_network_keeps_the_rest(batch):
  parts = (('bias', 'critic/bias'),)
  groups = (*GROUPS, 'bias')
  optimizers = dict.fromkeys(groups, sgd())
  real = Pair(jnp.zeros((4, 3)), jnp.zeros((4, 3)))
  state = create(Toy(), optimizers, real, jax.random.key(1), {}, parts)
  assert set(state.params) == set(groups)
  assert set(state.params['critic']) == {'kernel'}
  after, _ = played({'adversarial': {'bias': 1.0}}, optimizers, state, batch, judge)
  assert not identical(after.params['bias'], state.params['bias'])
  assert identical(after.params['critic'], state.params['critic'])
  phase = Phase('play', judge, {'adversarial': {'bias': 1.0}})
  assert who_moves(phase, Toy(), optimizers, state, batch) == {'bias'}


def test_uint8_batches_are_normalised_to_minus_one_to_one(batch):
  seen = []

  def look(gan, real):
    seen.append((real.a.dtype, np.asarray(real.a), np.asarray(real.b)))
    return {'x': gan(real)[0].mean()}

  phases = make_phases({'look': look}, {'look': {'x': {}}})
  run = make_train_step(Toy(), phases, SGD, {}, 0)
  images = np.array([[0, 51, 255]] * 4, np.uint8)
  run(fresh(SGD), Pair(jnp.array(images), jnp.array(255 - images)), ((0, ()),))
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
