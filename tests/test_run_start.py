"""A run that begins with another's networks: at step 0, with new optimizers, whole or in part."""

import jax
import numpy as np
import pytest

from configs import gan
from decoupled_gan import data
from decoupled_gan.errors import UserError
from decoupled_gan.modes import train
from decoupled_gan.run import experiment, inference, members
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.start import begin
from decoupled_gan.run.workdir import Workdir


@pytest.fixture
def first(toy, tmp_path):
  """A run of eight steps whose maker is averaged."""
  toy.copies.maker = {'halflife_kimg': 0.01}
  train.train(toy, Workdir(tmp_path / 'first'))
  return tmp_path / 'first'


def same(x, y):
  jax.tree.map(np.testing.assert_array_equal, x, y)


def differ(x, y):
  return any((np.asarray(a) != b).any() for a, b in zip(*map(jax.tree.leaves, (x, y)), strict=True))


def state_of(config):
  run = experiment.build(config)
  return run, begin(run, run.create_state())


def test_a_new_run_begins_with_the_others_networks_as_it_uses_them_and_at_step_0(toy, first):
  toy.start.workdir = str(first)
  toy.seed = 5
  _, state = state_of(toy)
  used = inference.load(Workdir(first)).variables['params']
  same(state.params, used)
  same(state.copies['maker'], used['maker'])
  assert int(state.step) == 0
  assert not any(x.any() for x in jax.tree.leaves(state.opt)), 'optimizers are new'


def test_only_the_groups_that_are_asked_for_are_taken(toy, first):
  toy.start.workdir = str(first)
  toy.start.groups = ('critic',)
  toy.seed = 5
  run, state = state_of(toy)
  told = train.describe(run, state, data.load(toy), Workdir('x'), {})
  assert f'\nstart     with networks of {first}\n' in told
  used = inference.load(Workdir(first)).variables['params']
  same(state.params['critic'], used['critic'])
  same(state.params['maker'], run.create_state().params['maker'])


def test_a_frozen_copy_of_another_run_is_there_to_be_read_and_stays(toy, first, tmp_path):
  toy.copies.source = {'of': 'maker', 'start_from': str(first)}
  toy.seed = 5
  train.train(toy, Workdir(tmp_path / 'second'))
  run = experiment.build(toy)
  with Checkpoints(tmp_path / 'second/checkpoints', read_only=True) as checkpoints:
    state = checkpoints.restore(run.abstract_state())
  used = inference.load(Workdir(first)).variables['params']
  same(state.copies['source'], used['maker'])
  assert differ(state.params['maker'], used['maker'])


def test_all_seeds_of_a_run_begin_with_the_other_run(toy, first):
  toy.start.workdir = str(first)
  toy.copies.source = {'of': 'maker', 'start_from': str(first)}
  toy.seeds, toy.seed = 2, 5
  run, state = state_of(toy)
  used = inference.load(Workdir(first)).variables['params']
  for number in range(2):
    own = members.member(state, number)
    same(own.params, used)
    same(own.copies, {'maker': used['maker'], 'source': used['maker']})
  assert jax.tree.map(lambda x: (x.shape, x.sharding), state) == jax.tree.map(
    lambda x: (x.shape, x.sharding), run.abstract_state()
  )


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'start.workdir': 'nowhere'}, r'start.workdir=nowhere: --workdir=.*nowhere holds no run'),
    ({'start.groups': ('encoder',)}, r"start.groups: there is no group 'encoder'; there are critic"),
    ({'start.checkpoint': '99'}, r'has no checkpoint of step 99'),
    ({'start.checkpoint': 'last'}, r"start.checkpoint='last' is unknown; there are <step> and best"),
  ],
)
def test_what_cannot_be_begun_with_is_told(toy, first, fields, message):
  toy.start.workdir = str(first)
  toy.update_from_flattened_dict(fields)
  with pytest.raises(UserError, match=message):
    state_of(toy)


def test_another_architecture_is_told_by_the_first_array_that_differs(tmp_path):
  config = gan.get_config('ring8,tiny')
  run = experiment.build(config)
  workdir = Workdir(tmp_path / 'narrow')
  workdir.create()
  workdir.save_config(config)
  with Checkpoints(workdir.checkpoints) as checkpoints:
    checkpoints.save(0, run.create_state(), config)
  config.model.width *= 2
  config.start.workdir = str(workdir.path)
  width = config.model.width
  told = rf'has another architecture: .* is \({width // 2},\) there and \({width},\) here'
  with pytest.raises(UserError, match=told):
    state_of(config)
