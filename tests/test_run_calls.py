"""Many steps a call, many seeds a run: nothing changes but speed."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import wgan_gp
from decoupled_gan import data
from decoupled_gan.core.step import make_call
from decoupled_gan.errors import Diverged, UserError
from decoupled_gan.modes import train
from decoupled_gan.modes.export import take_out
from decoupled_gan.run import calls, experiment, members
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir


def config_of(**fields):
  """WGAN-GP on points, where the generator is played at every fifth step."""
  config = wgan_gp.get_config('tiny,grid25')
  config.model.width = 8
  config.batch_size = 16
  config.num_steps = 20
  config.sample_every_steps = config.checkpoint_every_steps = 10
  config.sample_count = 64
  config.update_from_flattened_dict(fields)
  return config


def trained(config, folder):
  train.train(config, Workdir(folder))
  run = experiment.build(config)
  with Checkpoints(folder / 'checkpoints', read_only=True) as checkpoints:
    return checkpoints.restore(run.abstract_state())


@pytest.fixture(scope='module')
def once(tmp_path_factory):
  """f(**fields) -> (the state after a run, its folder), trained when it is first asked for."""

  @functools.cache
  def found(fields):
    folder = tmp_path_factory.mktemp('run')
    return trained(config_of(**dict(fields)), folder), folder

  return lambda **fields: found(tuple(fields.items()))


def lines(folder):
  rows = [json.loads(line) for line in (folder / 'metrics.jsonl').read_text().splitlines()]
  return [{k: v for k, v in row.items() if not k.startswith('time/')} for row in rows]


def close(x, y, rtol=1e-4):
  for a, b in zip(*map(jax.tree.leaves, (x, y)), strict=True):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-5)


def test_ten_steps_a_call_are_ten_calls_and_log_each_step(tmp_path):
  third = {'every.generate': 3}  # the tenth step is left over
  one = trained(config_of(**third), tmp_path / 'one')
  ten = trained(config_of(**third, steps_per_call=10), tmp_path / 'ten')
  close(one, ten)
  for a, b in zip(lines(tmp_path / 'one'), lines(tmp_path / 'ten'), strict=True):
    assert b == pytest.approx(a, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize('every', (1, 3, 5, 7, 10))
def test_a_call_plays_its_steps_and_writes_out_a_pattern_once_and_what_is_left_over(every):
  traced = []

  def train_step(state, batch, active):
    traced.append(active)
    state = 2 * state + batch if active else state - batch
    return state, {'state': state} | ({'batch': batch} if active else {})

  actives = tuple(i % every == 0 for i in range(10))
  state, batches = jnp.float32(1), jnp.arange(10.0)
  last, (repeated, left_over) = make_call(train_step)(state, batches, actives)
  assert len(traced) == every + 10 % every
  logs = [{k: v[i] for k, v in one.items()} for i in range(10 // every) for one in repeated] + left_over
  for batch, active, log in zip(batches, actives, logs, strict=True):
    state, losses = train_step(state, batch, active)
    assert log == losses
  assert last == state


def test_a_run_of_calls_resumes_to_the_bit_also_from_a_checkpoint_that_was_made_between(tmp_path):
  straight = trained(config_of(steps_per_call=10), tmp_path / 'straight')
  trained(config_of(steps_per_call=10, num_steps=10), tmp_path / 'resumed')
  resumed = trained(config_of(steps_per_call=10), tmp_path / 'resumed')
  for a, b in zip(*map(jax.tree.leaves, (straight, resumed)), strict=True):
    assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
  assert lines(tmp_path / 'resumed') == lines(tmp_path / 'straight')


def test_calls_never_cross_their_multiples_and_do_single_steps_where_a_window_opens_in_one():
  run = experiment.build(config_of(steps_per_call=10))
  assert list(calls.spans(run, 0, 25)) == [(0, 10), (10, 10), (20, 5)]
  assert list(calls.spans(run, 7, 20)) == [(7, 3), (10, 10)]
  config = config_of(steps_per_call=200, sample_every_steps=200, checkpoint_every_steps=200)
  config.window.generate = (100, 0)
  run = experiment.build(config)
  assert [count for _, count in calls.spans(run, 0, 400)] == [1] * 96 + [104, 200]  # every fifth


@pytest.mark.parametrize('field', calls.BETWEEN)
def test_what_happens_between_calls_must_be_a_multiple(field):
  with pytest.raises(UserError, match=rf'{field}=7 is not a multiple of steps_per_call=10.*Try 10'):
    experiment.build(config_of(steps_per_call=10, **{field: 7}))


# Seeds.


def test_each_member_is_the_run_of_its_seed_to_rounding(once):
  many, folder = once(seeds=2)
  for number in range(2):
    one, own_folder = once(seed=number)
    close(members.member(many, number), one)
    for row, own in zip(lines(folder), lines(own_folder), strict=True):
      for name in own.keys() - {'step'}:
        assert row[f'{name}#{number}'] == pytest.approx(own[name], rel=1e-3, abs=1e-5)
  assert (folder / 'samples/00000020-seed1.png').exists()


def test_seeds_and_calls_go_together_and_resume(once, tmp_path):
  many, _ = once(seeds=2, steps_per_call=10)
  close(many, once(seeds=2)[0])
  trained(config_of(seeds=2, steps_per_call=10, num_steps=10), tmp_path / 'resumed')
  close(many, trained(config_of(seeds=2, steps_per_call=10), tmp_path / 'resumed'), rtol=1e-6)


def test_a_member_goes_on_as_an_ordinary_run(once, tmp_path, capsys):
  trained(config_of(seeds=2, num_steps=10), tmp_path / 'many')
  take_out(Workdir(tmp_path / 'many'), 1, str(tmp_path / 'own'))
  assert 'seed 1, step 10' in capsys.readouterr().out
  close(trained(config_of(seed=1), tmp_path / 'own'), once(seed=1)[0])


def test_a_seed_that_is_lost_is_named_and_the_others_are_trained_and_saved(
  toy, tmp_path, monkeypatch, capsys
):
  def poisoned(run, state):
    return state.replace(params=jax.tree.map(lambda x: x.at[1].set(np.nan), state.params))

  monkeypatch.setattr(train.start, 'begin', poisoned)
  toy.seeds, toy.num_steps, toy.nonfinite_patience, toy.checkpoint_every_steps = 2, 4, 2, 2
  with pytest.raises(Diverged, match=r'of seed 1 are not finite; .* checkpoint of step 4: take'):
    train.train(toy, Workdir(tmp_path))
  assert capsys.readouterr().err.count('seed 1: parameters are not finite any more') == 1
  run = experiment.build(toy)
  with Checkpoints(tmp_path / 'checkpoints', read_only=True) as checkpoints:
    kept, lost = members.each(run, checkpoints.restore(run.abstract_state()))
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(kept.params))
  assert not any(np.isfinite(x).all() for x in jax.tree.leaves(lost.params))


def test_seeds_that_would_have_data_of_their_own_do_not_train_together():
  with pytest.raises(UserError, match=r'seeds=2: data.labels_per_class=3 leaves labels to other'):
    members.check(config_of(**{'seeds': 2, 'data.labels_per_class': 3}), 1, False)


def test_members_are_shared_by_the_devices_and_the_number_must_fit():
  with pytest.raises(UserError, match='seeds=3 cannot be shared by 2 devices: make it a multiple of 2'):
    members.check(config_of(seeds=3), 2, False)


def test_using_a_run_of_several_seeds_says_how_to_take_one_out(tmp_path):
  from decoupled_gan.run import inference

  workdir = Workdir(tmp_path)
  workdir.create()
  workdir.save_config(config_of(seeds=2))
  with pytest.raises(UserError, match=r'holds 2 seeds, 0, 1: take one out by --mode=export --form'):
    inference.open_run(workdir)
  for number, message in ((2, '--member=2: .* has members 0 to 1'), (0, '--output=<folder> is missing')):
    with pytest.raises(UserError, match=message):
      take_out(workdir, number, '')


# Batches of what is in memory.


def test_batches_in_memory_are_a_function_of_the_step_and_come_once_an_epoch():
  config = config_of(batch_size=24)
  dataset = data.load(config, experiment.build(config).method.batch)
  stream = data.train_batches(dataset, config)
  whole = [next(stream).x for _ in range(6)]
  together = data.take(data.train_batches(dataset, config, 2), 4).x
  np.testing.assert_array_equal(together, np.stack(whole[2:]))
  parts = [next(data.train_batches(dataset, config, 3, i, 2)).x for i in range(2)]
  np.testing.assert_array_equal(np.concatenate(parts), whole[3])


def test_digits_in_memory_have_their_labels_and_numbers_and_every_epoch_an_order_of_its_own():
  from configs import gan

  config = gan.get_config('labelled_digits')
  config.batch_size, config.data.index = 1438, True
  dataset = data.load(config, experiment.build(config).method.batch)
  first, second = data.take(data.train_batches(dataset, config), 2).index
  assert sorted(first) == sorted(second) == list(range(1438))
  assert (first != second).any()
  batch = next(data.train_batches(dataset, config))
  np.testing.assert_array_equal(batch.labels, dataset.train.labels[batch.index])
  np.testing.assert_array_equal(batch.x[5], dataset.train.x[batch.index[5]])
