"""Checkpoints: what is written comes back bit for bit, and a failed write spoils nothing."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from ml_collections import ConfigDict

from decoupled_gan import defaults
from decoupled_gan.core.optim import make_optimizer
from decoupled_gan.core.state import TrainState
from decoupled_gan.errors import UserError
from decoupled_gan.run.checkpoint import Checkpoints

CONFIG = ConfigDict({'seed': 5, 'model': {'heads': ('local', 'global')}})


def optimizer(name='adam'):
  settings = defaults.get_config().copy_and_resolve_references().optimizer
  settings.update(dict(name=name, learning_rate=0.1, b1=0.5, b2=0.9, weight_decay=0.1))
  return make_optimizer(settings, 10)


def make_state(step=3, size=4, name='adam', seed=0):
  """A state of odd values: NaN, infinities, a negative zero and a denormal among them."""
  rng = np.random.default_rng(seed)
  odd = [np.nan, np.inf, -np.inf, -0.0, 1e-42]

  def array(*shape):
    return jnp.asarray(np.append(rng.normal(size=shape).ravel(), odd), jnp.float32)

  params = {
    'critic': {'a': {'kernel': array(size)}, 'b': {'kernel': array(size)}},
    'maker': {'kernel': array(size, 2), 'gamma': jnp.float32(rng.normal())},
  }
  opt = {group: optimizer(name).init(params[group]) for group in params}
  opt = jax.tree.map(lambda x: x + 7 if x.dtype == jnp.int32 else x + rng.normal(), opt)
  return TrainState(
    step=jnp.int32(step),
    params=params,
    stats={'spectral': {'u': array(2)}, 'calls': {'count': jnp.int32(2**31 - 1)}},
    opt=opt,
    copies={'maker': {'kernel': array(size, 2).astype(jnp.bfloat16), 'gamma': jnp.float32(1)}},
  )


def abstract(state):
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state)


def same_bits(x, y):
  assert jax.tree.structure(x) == jax.tree.structure(y)
  for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True):
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A folder with checkpoints of steps 3 and 6; not to be changed."""
  folder = tmp_path_factory.mktemp('run') / 'checkpoints'
  with Checkpoints(folder, keep=2) as checkpoints:
    checkpoints.save(3, make_state(3, seed=3), CONFIG)
    checkpoints.save(6, make_state(6, seed=6), CONFIG)
  return folder


# The identity.


def test_restoring_is_the_identity_bit_for_bit_whatever_the_values(folder):
  with Checkpoints(folder, read_only=True) as checkpoints:
    restored = checkpoints.restore(abstract(make_state()))
  same_bits(restored, make_state(6, seed=6))


def test_optimizer_states_come_back_as_the_tuples_they_were(folder):
  with Checkpoints(folder, read_only=True) as checkpoints:
    restored = checkpoints.restore(abstract(make_state()))
  for state in restored.opt.values():
    assert type(state) is tuple
    assert [type(part) for part in state] == [
      optax.EmptyState, optax.ScaleByAdamState, optax.EmptyState,
    ]  # fmt: skip
    assert state[1].count == 7
    assert state[1].count.dtype == jnp.int32


def test_a_restored_state_goes_on_exactly_like_the_one_that_was_saved(folder):
  with Checkpoints(folder, read_only=True) as checkpoints:
    restored = checkpoints.restore(abstract(make_state()))
  updates = []
  for state in (make_state(6, seed=6), restored):
    gradient = jax.tree.map(jnp.ones_like, state.params['maker'])
    updates.append(
      optimizer().update(gradient, state.opt['maker'], state.params['maker'], step=state.step)
    )
  same_bits(*updates)


def test_an_older_step_can_be_chosen(folder):
  with Checkpoints(folder, read_only=True) as checkpoints:
    assert checkpoints.latest == 6
    same_bits(checkpoints.restore(abstract(make_state()), 3), make_state(3, seed=3))


def test_the_step_comes_back_as_the_counter_of_the_run(folder):
  with Checkpoints(folder, read_only=True) as checkpoints:
    step = checkpoints.restore(abstract(make_state())).step
  assert step == 6
  assert step.dtype == jnp.int32


def test_networks_alone_come_back_without_the_optimizers(folder):
  expected = make_state(6, seed=6)
  with Checkpoints(folder, read_only=True) as checkpoints:
    restored = checkpoints.restore_networks(abstract(make_state()))
    older = checkpoints.restore_networks(abstract(make_state()), 3)
  for part in ('step', 'params', 'stats', 'copies'):
    same_bits(getattr(restored, part), getattr(expected, part))
  same_bits(older.params, make_state(3, seed=3).params)
  assert all(isinstance(x, jax.ShapeDtypeStruct) for x in jax.tree.leaves(restored.opt))


def test_networks_come_back_whatever_the_optimizer_was(folder):
  with Checkpoints(folder, read_only=True) as checkpoints:
    restored = checkpoints.restore_networks(abstract(make_state(name='sgd')))
  same_bits(restored.params, make_state(6, seed=6).params)


def test_restored_arrays_have_the_shardings_that_were_asked_for(folder):
  with Checkpoints(folder, read_only=True) as checkpoints:
    restored = checkpoints.restore(abstract(make_state()))
  wanted = jax.tree.leaves(abstract(make_state()).params)
  for x, want in zip(jax.tree.leaves(restored.params), wanted, strict=True):
    assert x.sharding == want.sharding


def test_states_without_averages_or_statistics_or_moments_come_back_too(tmp_path):
  state = make_state(name='sgd').replace(copies={}, stats={})
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(3, state, CONFIG)
    checkpoints.wait()
    same_bits(checkpoints.restore(abstract(state)), state)


def test_a_checkpoint_holds_config_data_position_and_versions(folder):
  meta = json.loads((folder / '6' / 'meta' / 'metadata').read_text())
  assert json.loads(meta['config']) == {'seed': 5, 'model': {'heads': ['local', 'global']}}
  assert meta['data'] == {'seed': 5, 'step': 6}
  assert set(meta['versions']) == {'decoupled_gan', 'jax'}


# Writing.


def test_a_save_takes_the_values_of_its_moment_although_it_writes_later(tmp_path):
  state = make_state()
  before = jax.tree.map(np.array, state)
  overwrite = jax.jit(lambda s: jax.tree.map(lambda x: x * 0, s), donate_argnums=0)
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(3, state, CONFIG)
    jax.block_until_ready(overwrite(state))  # the next step reuses the buffers
  with Checkpoints(tmp_path, read_only=True) as checkpoints:
    same_bits(checkpoints.restore(abstract(make_state())), before)


@pytest.mark.parametrize('keep', [1, 2])
def test_the_latest_few_are_kept(keep, tmp_path):
  with Checkpoints(tmp_path, keep) as checkpoints:
    for step in (1, 2, 3):
      checkpoints.save(step, make_state(step), CONFIG)
  with Checkpoints(tmp_path, read_only=True) as checkpoints:
    assert checkpoints.latest == 3
  assert sorted(path.name for path in tmp_path.iterdir()) == ['2', '3'][-keep:]


def test_saving_a_step_that_is_saved_changes_nothing(tmp_path):
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(3, make_state(), CONFIG)
    checkpoints.wait()
    checkpoints.save(3, make_state(seed=1), CONFIG)
    checkpoints.wait()
    same_bits(checkpoints.restore(abstract(make_state())), make_state())


def test_a_half_written_checkpoint_is_not_the_latest_and_is_removed_by_the_next_save(tmp_path):
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(3, make_state(), CONFIG)
  half = tmp_path / '4.orbax-checkpoint-tmp'
  (half / 'networks').mkdir(parents=True)
  with Checkpoints(tmp_path, read_only=True) as checkpoints:
    assert checkpoints.latest == 3
  assert half.exists(), 'a reader leaves alone what another process may be writing'
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.latest == 3
    checkpoints.save(4, make_state(4), CONFIG)
  assert [path.name for path in tmp_path.iterdir()] == ['4']


# Messages.


def test_a_folder_without_checkpoints_is_told_what_to_do(tmp_path):
  with Checkpoints(tmp_path / 'new') as checkpoints:
    assert checkpoints.latest is None
    for restore in (checkpoints.restore, checkpoints.restore_networks):
      with pytest.raises(
        UserError,
        match=rf'{re.escape(str(tmp_path / "new"))} has no complete checkpoint yet: train until '
        r'.*checkpoint_every_steps',
      ):
        restore(abstract(make_state()))


def test_a_missing_folder_can_be_asked_for_reading_and_is_told_alike(tmp_path):
  with (
    Checkpoints(tmp_path / 'none', read_only=True) as checkpoints,
    pytest.raises(UserError, match='has no complete checkpoint yet'),
  ):
    checkpoints.restore(abstract(make_state()))
  assert not (tmp_path / 'none').exists()


def test_a_step_that_was_not_saved_is_told_the_steps_there_are(folder):
  with Checkpoints(folder, read_only=True) as checkpoints:
    for restore in (checkpoints.restore, checkpoints.restore_networks):
      with pytest.raises(UserError, match=r'has no checkpoint of step 4; it has \[3, 6\]\.'):
        restore(abstract(make_state()), 4)


FULL_DISK = """
import resource, sys
from pathlib import Path
from test_checkpoint import CONFIG, make_state
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.errors import RunError

folder, limit, saved = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
try:
  with Checkpoints(folder) as checkpoints:
    for step in range(1, saved + 1):
      checkpoints.save(step, make_state(step, size=1000, seed=step), CONFIG)
    checkpoints.wait()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    checkpoints.save(saved + 1, make_state(saved + 1, size=1000), CONFIG)
except RunError as error:
  print(error)
  sys.exit(1)
"""


def fill_disk(folder, limit, saved):
  """What a process prints whose files, after `saved` saves, may not grow past `limit` bytes."""
  here = Path(__file__).parent
  script = f'import sys; sys.path[:0] = [{str(here)!r}, {str(here.parent)!r}]\n{FULL_DISK}'
  done = subprocess.run(
    [sys.executable, '-c', script, str(folder), str(limit), str(saved)],
    capture_output=True,
    text=True,
    timeout=120,
    check=False,
  )
  assert done.returncode == 1, done.stderr[-3000:]
  return done.stdout.strip()


@pytest.mark.parametrize('limit', [0, 2000])
def test_a_save_that_cannot_be_written_is_told_and_leaves_the_last_good_one(limit, tmp_path):
  """At limit 0 nothing can be written, at 2000 bytes the arrays cannot."""
  assert re.fullmatch(
    rf'A checkpoint could not be written to {re.escape(str(tmp_path))} \(.*\); the checkpoint of '
    r'step 1 is intact\. Run the same command again to go on from there\.',
    fill_disk(tmp_path, limit, saved=1),
  )
  expected = make_state(1, size=1000, seed=1)
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.latest == 1
    same_bits(checkpoints.restore(abstract(expected)), expected)
    checkpoints.save(2, make_state(2, size=1000, seed=2), CONFIG)  # there is room again
  assert [path.name for path in tmp_path.iterdir()] == ['2']


@pytest.mark.parametrize('limit', [0, 2000])
def test_a_save_that_cannot_be_written_tells_the_cause(limit, tmp_path):
  told = fill_disk(tmp_path, limit, saved=0)
  assert 'there is none yet' in told
  assert 'File too large' in told


@pytest.mark.parametrize(
  'asked',
  [
    lambda: make_state(name='sgd'),
    lambda: make_state().replace(copies={}),
    lambda: make_state(size=9),
  ],
  ids=['optimizer', 'averages', 'sizes'],
)
def test_a_checkpoint_of_another_state_is_told_in_a_sentence(asked, folder):
  """A run is resumed with another optimizer, with averages it did not have, at another image size."""
  with (
    Checkpoints(folder, read_only=True) as checkpoints,
    pytest.raises(UserError, match=rf'{re.escape(str(folder))}.*step 6.*image_size'),
  ):
    checkpoints.restore(abstract(asked()))
