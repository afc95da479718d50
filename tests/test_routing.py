"""The table: its columns, its order of play, and what it says where it does not fit."""

import re

import pytest

from configs import nice
from decoupled_gan.core.routing import (
  Phase,
  active,
  check,
  describe,
  lazy_updates,
  make_phases,
  played,
)
from decoupled_gan.errors import UserError
from decoupled_gan.methods.translate.nice import METHOD

ROUTES = {
  'judge': {'adversarial': {'critic': 1, 'encoder': 1}},
  'paint': {'adversarial': {'maker': 1}, 'cycle': {'maker': 10, 'encoder': 2}},
}
PLAYS = {'judge': lambda gan, batch: {}, 'paint': lambda gan, batch: {}}
LOSSES = {'judge': {'adversarial': False}, 'paint': {'adversarial': False, 'cycle': False}}
GROUPS = ['critic', 'encoder', 'maker']


def says(*parts):
  """Matches a message that has all parts, in this order."""
  return '(?s)' + '.*'.join(map(re.escape, parts))


def phase(weights, name='play', every=1):
  return Phase(name, lambda gan, batch: {}, weights, every)


def positions(phases, step):
  return [i for i, left_out in active(phases, step)]


# Columns.


def test_groups_with_equal_columns_share_one():
  weights = {'x': {'a': 1.0, 'b': 1.0, 'c': 2.0}, 'y': {'a': 3.0, 'b': 3.0, 'c': 3.0}}
  assert phase(weights).columns() == [
    ({'x': 1.0, 'y': 3.0}, ('a', 'b')),
    ({'x': 2.0, 'y': 3.0}, ('c',)),
  ]


def test_equal_weights_of_different_losses_are_different_columns():
  columns = phase({'x': {'a': 1.0}, 'y': {'b': 1.0}}).columns()
  assert columns == [({'x': 1.0, 'y': 0.0}, ('a',)), ({'x': 0.0, 'y': 1.0}, ('b',))]


def test_a_column_has_a_weight_for_every_loss_also_for_one_that_trains_nothing():
  assert phase({'x': {'a': 1.0}, 'y': {}}).columns() == [({'x': 1.0, 'y': 0.0}, ('a',))]


def test_every_group_is_in_exactly_one_column():
  weights = {'x': {'a': 1.0, 'b': 2.0, 'd': 2.0}, 'y': {'b': 1.0, 'c': 1.0, 'd': 1.0}}
  groups = [group for _, groups in phase(weights).columns() for group in groups]
  assert sorted(groups) == list(phase(weights).groups) == ['a', 'b', 'c', 'd']


def test_columns_depend_on_the_table_and_not_on_how_it_was_written_down():
  one = phase({'x': {'b': 1.0, 'a': 1.0}, 'y': {'c': 2.0}})
  other = phase({'y': {'c': 2.0}, 'x': {'a': 1.0, 'b': 1.0}})
  assert one.columns() == other.columns()
  assert one.groups == other.groups == ('a', 'b', 'c')


def test_a_phase_without_cells_moves_nothing():
  assert phase({'x': {}}).groups == ()
  assert phase({'x': {}}).columns() == []


# make_phases.


def test_phases_come_in_the_order_of_the_methods_objectives_not_of_the_routes():
  backwards = dict(reversed(ROUTES.items()))
  phases = make_phases(PLAYS, backwards)
  assert [p.name for p in phases] == ['judge', 'paint']
  assert [p.objective for p in phases] == list(PLAYS.values())


def test_a_weight_of_zero_is_a_missing_cell():
  routes = {**ROUTES, 'judge': {'adversarial': {'critic': 1, 'encoder': 0, 'maker': 0.0}}}
  judge, _ = make_phases(PLAYS, routes)
  assert judge.weights == {'adversarial': {'critic': 1.0}}
  assert judge.groups == ('critic',)


def test_a_row_of_zeros_still_names_its_loss():
  routes = {**ROUTES, 'paint': {'adversarial': {'maker': 1}, 'cycle': {'maker': 0}}}
  _, paint = make_phases(PLAYS, routes)
  assert paint.weights == {'adversarial': {'maker': 1.0}, 'cycle': {}}


def test_negative_weights_stay():
  _, paint = make_phases(PLAYS, {**ROUTES, 'paint': {'x': {'maker': -1}}})
  assert paint.weights == {'x': {'maker': -1.0}}


def test_play_sets_the_order_and_a_name_twice_plays_twice():
  phases = make_phases(PLAYS, ROUTES, play=('paint', 'judge', 'paint'))
  assert [p.name for p in phases] == ['paint', 'judge', 'paint']
  assert phases[0] is phases[2]


def test_every_is_one_where_it_is_not_given():
  phases = make_phases(PLAYS, ROUTES, every={'paint': 16})
  assert [p.every for p in phases] == [1, 16]


def test_lazy_phases_are_active_at_multiples_of_their_period_and_at_step_0():
  weights = {'loss': {'maker': 1.0}}
  phases = [phase(weights), phase(weights, every=4), phase(weights, every=3)]
  assert [positions(phases, step) for step in range(7)] == [
    [0, 1, 2], [0], [0], [0, 2], [0, 1], [0], [0, 2],
  ]  # fmt: skip


def test_a_phase_that_trains_nothing_is_never_active():
  assert positions([phase({'loss': {}}), phase({'loss': {'maker': 1.0}})], 0) == [1]


def test_lazy_updates_are_those_of_phases_that_are_not_played_at_every_step():
  maker, both = {'loss': {'maker': 1.0}}, {'loss': {'maker': 1.0, 'critic': 1.0}}
  phases = [phase(both), phase(maker, every=4), phase(both, every=16), phase({'loss': {}}, every=2)]
  assert lazy_updates(phases) == {'maker': 1 / 4 + 1 / 16, 'critic': 1 / 16}


def test_a_main_phase_that_is_played_seldom_is_not_lazy_but_what_is_played_less_often_is():
  critic, maker = {'loss': {'critic': 1.0}}, {'loss': {'maker': 1.0}}
  phases = [phase(critic), phase(maker, every=5), phase(maker, every=20)]
  assert lazy_updates(phases) == {'maker': 1 / 4}, 'five critic steps are no lazy regularisation'


def test_a_window_opens_closes_and_is_what_a_period_counts_from():
  pretrain, play = {'loss': {'maker': 1.0}}, {'loss': {'critic': 1.0}}
  phases = make_phases(
    {'pretrain': None, 'play': None, 'pull': None},
    {'pretrain': pretrain, 'play': play, 'pull': play},
    every={'pull': 2},
    window={'pretrain': (0, 3), 'play': (3, 0), 'pull': (3, 8)},
  )
  assert [positions(phases, step) for step in range(9)] == [
    [0], [0], [0], [1, 2], [1], [1, 2], [1], [1, 2], [1],
  ]  # fmt: skip


def test_a_lazy_row_is_left_out_of_the_steps_between_and_its_phase_is_not():
  rows = {'adversarial': {'critic': 1.0}, 'r1': {'critic': 5.0}}
  phases = make_phases({'judge': None}, {'judge': rows}, lazy={'judge': {'r1': 3}})
  assert [active(phases, step) for step in range(4)] == [
    ((0, ()),), ((0, ('r1',)),), ((0, ('r1',)),), ((0, ()),),
  ]  # fmt: skip
  ((_, without),) = played(phases, active(phases, 1))
  assert without.weights == {'adversarial': {'critic': 1.0}}


def test_a_lazy_or_annealed_row_must_be_one_of_the_table():
  for option in ('lazy', 'anneal'):
    with pytest.raises(UserError, match=says(f'{option}.judge.r2', 'no such row', 'adversarial')):
      make_phases(PLAYS, ROUTES, **{option: {'judge': {'r2': 3}}})


def test_an_annealed_row_has_a_factor_of_the_step_and_shows_both_ends():
  anneal = {'paint': {'cycle': (0.1, 100, 'cosine')}}
  _, paint = phases = make_phases(PLAYS, ROUTES, anneal=anneal)
  factors = [float(paint.factors['cycle'](step)) for step in (0, 25, 50, 100, 500)]
  # r3gan's rule, a + (1 - (1 + cos(pi n / N)) / 2) (b - a), of specs that start at 1 and end at 0.1
  assert factors == pytest.approx([1, 0.8681981, 0.55, 0.1, 0.1])
  assert '10 -> 0.1' not in describe(phases, GROUPS)
  assert '10 -> 1' in describe(phases, GROUPS, last_step=100)


def test_a_bad_entry_of_anneal_is_told_what_an_entry_is():
  with pytest.raises(
    UserError, match=says('anneal.routes.paint.cycle', '(end, steps, shape)', 'linear')
  ):
    make_phases(PLAYS, ROUTES, anneal={'paint': {'cycle': (0.1, 100, 'exponential')}})


# Offers.


def ask(rows, offered):
  (phase,) = make_phases({'play': lambda gan, batch: offered}, {'play': rows})
  return phase.ask(None, None)


def test_what_is_not_asked_is_not_computed_and_the_order_is_that_of_the_offers():
  def dear():
    raise AssertionError('nobody asked')

  offered = {'z': 1.0, 'cheap': lambda: 2.0, 'dear': dear, 'a': lambda: 3.0}
  assert list(ask({'a': {}, 'cheap': {'g': 1}, 'z': {}}, offered).items()) == [
    ('z', 1.0), ('cheap', 2.0), ('a', 3.0),
  ]  # fmt: skip


def test_asking_for_what_is_not_offered_is_told_the_offers():
  with pytest.raises(UserError, match=says("routes.play names the loss 'y'", 'it has x')):
    ask({'y': {}}, {'x': 1.0})


def test_a_thunk_needs_no_row_and_is_named_below_the_table():
  offered = {**LOSSES, 'paint': {**LOSSES['paint'], 'match': True}}
  check(make_phases(PLAYS, ROUTES), offered, GROUPS)
  assert describe(make_phases(PLAYS, ROUTES), GROUPS, offered).endswith('not asked: paint/match')


def test_a_phase_that_is_played_twice_is_told_once():
  phases = make_phases(PLAYS, ROUTES, play=('judge', 'judge', 'paint'))
  text = describe(phases, GROUPS)
  assert text.count('judge') == 1
  assert 'judge x2' in text


def test_a_phase_listed_twice_is_active_at_both_places():
  phases = make_phases(PLAYS, ROUTES, play=('judge', 'paint', 'judge'), every={'paint': 2})
  assert positions(phases, 1) == [0, 2]
  assert positions(phases, 2) == [0, 1, 2]


# Messages of make_phases.


def test_routes_with_an_unknown_phase_are_told_the_phases_there_are():
  with pytest.raises(
    UserError,
    match=says("routes names the phase 'jugde'", 'the method does not have', 'judge, paint'),
  ):
    make_phases(PLAYS, {**ROUTES, 'jugde': {}})


def test_routes_without_a_phase_are_told_how_to_add_it():
  with pytest.raises(
    UserError, match=says("the method has the phase 'paint'", 'routes has no row', 'paint = {}')
  ):
    make_phases(PLAYS, {'judge': ROUTES['judge']})


def test_play_with_an_unknown_phase_is_told_the_phases_there_are():
  with pytest.raises(UserError, match=says("play names the phase 'draw'", 'it has judge, paint')):
    make_phases(PLAYS, ROUTES, play=('judge', 'paint', 'draw'))


def test_play_without_a_phase_names_it():
  with pytest.raises(UserError, match=says("has the phase 'judge'", 'play')):
    make_phases(PLAYS, ROUTES, play=('paint',))


def test_every_of_an_unknown_phase_is_told_the_phases_there_are():
  with pytest.raises(UserError, match=says('every.draw', 'no such phase', 'judge, paint')):
    make_phases(PLAYS, ROUTES, every={'draw': 2})


@pytest.mark.parametrize('steps', [0, -4])
def test_every_below_one_is_told_what_one_means(steps):
  with pytest.raises(UserError, match=says(f'every.judge={steps} must be at least 1', 'at each step')):
    make_phases(PLAYS, ROUTES, every={'judge': steps})


# check and its messages.


def test_a_table_that_fits_passes():
  check(make_phases(PLAYS, ROUTES), LOSSES, GROUPS)


def test_a_group_that_nothing_trains_passes_if_it_is_declared_frozen():
  check(make_phases(PLAYS, ROUTES), LOSSES, [*GROUPS, 'teacher'], frozen=('teacher',))


def test_a_group_is_trained_if_any_phase_trains_it():
  phases = make_phases(PLAYS, {**ROUTES, 'judge': {'adversarial': {'critic': 1}}})
  check(phases, LOSSES, GROUPS)  # the encoder learns in paint only


def test_a_row_for_an_unknown_loss_is_told_the_losses_of_the_objective():
  losses = {**LOSSES, 'paint': {'adversarial': False, 'rebuild': True}}
  with pytest.raises(
    UserError,
    match=says("routes.paint names the loss 'cycle'", 'the objective', 'adversarial, rebuild'),
  ):
    check(make_phases(PLAYS, ROUTES), losses, GROUPS)


def test_a_loss_without_a_row_is_told_how_to_add_it():
  losses = {**LOSSES, 'judge': {'adversarial': False, 'penalty': False}}
  with pytest.raises(
    UserError, match=says("the loss 'penalty'", 'routes.judge has no row', 'penalty = {}')
  ):
    check(make_phases(PLAYS, ROUTES), losses, GROUPS)


def test_a_cell_of_an_unknown_group_is_told_the_groups_there_are():
  with pytest.raises(
    UserError,
    match=says('routes.paint.cycle.encoder', "no parameter group 'encoder'", 'critic, maker'),
  ):
    check(make_phases(PLAYS, {**ROUTES, 'judge': {'adversarial': {'critic': 1}}}), LOSSES,
          ['critic', 'maker'])  # fmt: skip


def test_an_idle_group_is_told_both_ways_out():
  with pytest.raises(
    UserError,
    match=says(
      "nothing trains the parameter group 'teacher'",
      'routes.<phase>.<loss>.teacher',
      "frozen=('teacher',)",
    ),
  ):
    check(make_phases(PLAYS, ROUTES), LOSSES, [*GROUPS, 'teacher'])


def test_a_weight_of_zero_leaves_its_group_idle():
  routes = {**ROUTES, 'judge': {'adversarial': {'critic': 0, 'encoder': 1}}}
  with pytest.raises(UserError, match=says("nothing trains the parameter group 'critic'")):
    check(make_phases(PLAYS, routes), LOSSES, GROUPS)


def test_frozen_with_an_unknown_group_is_told_the_groups_there_are():
  with pytest.raises(
    UserError,
    match=says('frozen', "no parameter group 'teacher'", 'critic, encoder, maker'),
  ):
    check(make_phases(PLAYS, ROUTES), LOSSES, GROUPS, frozen=('teacher',))


def test_frozen_contradicting_the_routes_is_told_to_choose():
  with pytest.raises(UserError, match=says("frozen names 'critic'", 'routes train it', 'remove')):
    check(make_phases(PLAYS, ROUTES), LOSSES, GROUPS, frozen=('critic',))


def test_a_long_list_of_names_is_cut():
  groups = [f'g{i:02d}' for i in range(20)]
  with pytest.raises(UserError, match=says('the groups are g00, ', 'g11 and 8 more')):
    check(make_phases(PLAYS, ROUTES), LOSSES, groups)


# describe.


def test_nice_gans_table_reads_as_in_the_paper():
  phases = make_phases(METHOD.objectives, nice.get_config().routes.to_dict())
  assert describe(phases, ['generator', 'encoder', 'classifier']) == (
    'phase         loss         classifier  encoder  generator\n'
    'discriminate  adversarial           1        1          .\n'
    'translate     adversarial           .        .          1\n'
    'translate     cycle                 .        .         10\n'
    'translate     reconstruct           .        .         10'
  )


def test_coupled_nice_gan_is_the_translate_rows_again_in_the_encoders_column():
  phases = make_phases(METHOD.objectives, nice.get_config('coupled').routes.to_dict())
  assert describe(phases, ['generator', 'encoder', 'classifier']) == (
    'phase         loss         classifier  encoder  generator\n'
    'discriminate  adversarial           1        1          .\n'
    'translate     adversarial           .        1          1\n'
    'translate     cycle                 .       10         10\n'
    'translate     reconstruct           .       10         10'
  )


def test_lazy_phases_show_their_period_and_idle_groups_a_column_of_dots():
  phases = [phase({'path_length': {'g': 8.0}}, 'pull', every=4), phase({'r1': {}}, 'regularise')]
  assert describe(phases, ['d', 'g']) == (
    'phase       loss         d  g\n'
    'pull /4     path_length  .  8\n'
    'regularise  r1           .  .'
  )  # fmt: skip


def test_fractional_weights_are_written_shortly():
  assert describe([phase({'x': {'g': 0.5, 'h': 1e-6}})], ['g', 'h']) == (
    'phase  loss    g      h\n'
    'play   x     0.5  1e-06'
  )  # fmt: skip
