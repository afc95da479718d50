"""The train loop, in process, on a method that compiles at once."""

import json
import math
import os
import resource
import signal
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

from decoupled_gan import cli, data
from decoupled_gan.errors import RunError, UserError
from decoupled_gan.modes import train
from decoupled_gan.run import experiment
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir


def run(config, path):
  train.train(config, Workdir(path))


def lines(path):
  """metrics.jsonl without the times, which differ from run to run."""
  rows = map(json.loads, (path / 'metrics.jsonl').read_text().splitlines())
  return [{k: v for k, v in row.items() if not k.startswith('time/')} for row in rows]


def weights(config, path):
  built = experiment.build(config)
  with Checkpoints(Workdir(path).checkpoints, read_only=True) as checkpoints:
    return jax.tree.map(np.asarray, checkpoints.restore(built.abstract_state()))


def test_a_run_leaves_config_metrics_samples_checkpoints_and_events(toy, tmp_path):
  run(toy, tmp_path)
  assert json.loads((tmp_path / 'config.json').read_text())['num_steps'] == 8
  assert [row['step'] for row in lines(tmp_path)] == list(range(1, 9))
  assert set(lines(tmp_path)[0]) == {'step', 'judge/adversarial', 'paint/adversarial', 'paint/match'}
  assert sorted(p.name for p in (tmp_path / 'samples').iterdir()) == ['00000004.png', '00000008.png']
  assert sorted(p.name for p in (tmp_path / 'checkpoints').iterdir()) == ['4', '8']
  assert list(tmp_path.glob('events.out.tfevents.*'))


def test_metrics_have_full_float_precision(toy, tmp_path):
  run(toy, tmp_path)
  values = [row['paint/match'] for row in lines(tmp_path)]
  assert all(np.float32(v) == v for v in values)
  assert len(set(values)) == len(values)


def test_times_stand_under_time(toy, tmp_path):
  run(toy, tmp_path)
  row = json.loads((tmp_path / 'metrics.jsonl').read_text().splitlines()[-1])
  assert row['time/images_per_second'] == pytest.approx(2 / row['time/seconds_per_step'])


def signal_at_batch(monkeypatch, number, batch):
  """A real signal to this process when the pipeline hands out its `batch`-th batch."""
  original = data.train_batches

  def batches(*args):
    for i, pair in enumerate(original(*args)):
      if i == batch:
        os.kill(os.getpid(), number)
      yield pair

  monkeypatch.setattr(data, 'train_batches', batches)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_next_start_goes_on_bit_for_bit(
  toy, tmp_path, monkeypatch, capsys, number
):
  run(toy, tmp_path / 'once')
  with monkeypatch.context() as patch:
    signal_at_batch(patch, number, 5)
    run(toy, tmp_path / 'twice')
  assert f'Stopped by {number.name} after step 5' in capsys.readouterr().out
  assert len(lines(tmp_path / 'twice')) == 5
  run(toy, tmp_path / 'twice')
  assert lines(tmp_path / 'once') == lines(tmp_path / 'twice')
  once, twice = weights(toy, tmp_path / 'once'), weights(toy, tmp_path / 'twice')
  jax.tree.map(np.testing.assert_array_equal, once, twice)
  for name in ('00000004.png', '00000008.png'):
    once, twice = (tmp_path / x / 'samples' / name for x in ('once', 'twice'))
    assert once.read_bytes() == twice.read_bytes()


@pytest.mark.parametrize('batch, code', [(5, 75), (None, 0)])
def test_only_a_run_that_was_stopped_exits_with_the_code_for_it(toy, tmp_path, monkeypatch, batch, code):
  toy.compilation_cache = ''
  given = {'config': toy, 'coordinator': '', 'process_id': None, 'num_processes': None}
  monkeypatch.setattr(cli, 'FLAGS', SimpleNamespace(**given, stop_exit_code=75))
  monkeypatch.setattr(cli, '_workdir', lambda: Workdir(tmp_path))
  if batch:
    signal_at_batch(monkeypatch, signal.SIGTERM, batch)
  try:
    cli.train()
    left = 0
  except SystemExit as exit:
    left = exit.code
  assert left == code


def test_a_finished_run_says_so_and_changes_nothing(toy, tmp_path, capsys):
  run(toy, tmp_path)
  before = lines(tmp_path)
  run(toy, tmp_path)
  assert 'Nothing to do: 8 steps' in capsys.readouterr().out
  assert lines(tmp_path) == before


def test_the_start_up_print_tells_devices_data_groups_routes_and_fields(toy, tmp_path, capsys):
  run(toy, tmp_path)
  out = capsys.readouterr().out
  for told in ('devices   1 x', 'fake', 'group     critic: 4 parameters', 'paint', 'num_steps = 8'):
    assert told in out


def test_changed_fields_are_told_when_a_run_is_resumed(toy, tmp_path, capsys):
  run(toy, tmp_path)
  toy.num_steps = 10
  run(toy, tmp_path)
  assert 'changed   num_steps: 8 -> 10' in capsys.readouterr().out
  assert len(lines(tmp_path)) == 10


def test_losses_that_stay_nan_stop_the_run_by_name_and_keep_the_last_finite_checkpoint(toy, tmp_path):
  run(toy, tmp_path)
  toy.num_steps, toy.nonfinite_patience = 100, 3
  toy.optimizer.learning_rate = math.inf
  with pytest.raises(RunError, match=r"'\w+' of the phase '\w+' was (nan|inf) at step 1\d, .*3 steps"):
    run(toy, tmp_path)
  with Checkpoints(Workdir(tmp_path).checkpoints, read_only=True) as checkpoints:
    assert checkpoints.latest == 8
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(weights(toy, tmp_path).params))


def test_a_full_disk_stops_the_run_with_the_last_checkpoint_intact(toy, tmp_path):
  run(toy, tmp_path)
  toy.num_steps = 16
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
  try:
    with pytest.raises((RunError, OSError)):
      run(toy, tmp_path)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  assert int(weights(toy, tmp_path).step) == 8


def test_a_batch_that_the_devices_do_not_divide_names_the_nearest_that_fit():
  from decoupled_gan.machine.sharding import check_batch_size

  with pytest.raises(UserError, match=r'batch_size=6 .* devices, 4: try 4 or 8'):
    check_batch_size(6, 4)


def test_sample_grids_show_the_truth_where_it_is_known(toy, tmp_path):
  run(toy, tmp_path)
  grid = Image.open(tmp_path / 'samples' / '00000008.png')
  assert grid.width == 3 * (64 + 2)  # input, translation, truth
