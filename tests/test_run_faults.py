"""What goes wrong while a run trains: what is saved, and told, and what config.json says then."""

import json
import math
import os
import signal
import threading

import numpy as np
import pytest
from PIL import Image
from test_train import lines, signal_at_batch, weights

from decoupled_gan import data
from decoupled_gan.core.types import Pair
from decoupled_gan.errors import RunError, UserError
from decoupled_gan.machine import lock
from decoupled_gan.modes import train
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.watch import Interruption
from decoupled_gan.run.workdir import Workdir


def run(config, path):
  return train.train(config, Workdir(path))


def latest(path):
  with Checkpoints(Workdir(path).checkpoints, read_only=True) as checkpoints:
    return checkpoints.latest


def recorded(path, field='seed'):
  return json.loads((path / 'config.json').read_text())[field]


# config.json says what the checkpoints beside it were trained with.


def test_a_command_that_trains_nothing_leaves_the_record_byte_for_byte(toy, tmp_path, capsys):
  run(toy, tmp_path)
  before = {p: p.read_bytes() for p in tmp_path.rglob('*') if p.is_file() and 'tfevents' not in p.name}
  toy.seed, toy.data.limit = 7, 3
  assert run(toy, tmp_path)
  assert 'Nothing to do' in capsys.readouterr().out
  assert {p: p.read_bytes() for p in before} == before
  toy.num_steps, toy.evaluate_every_steps, toy.evaluation.best_metric = 16, 8, 'nonsense'
  with pytest.raises(UserError, match='nonsense'):  # told by the evaluator, after the data were read
    run(toy, tmp_path)
  assert {p: p.read_bytes() for p in before} == before


def test_a_run_that_goes_on_records_its_fields_with_its_first_checkpoint(toy, tmp_path, monkeypatch):
  run(toy, tmp_path)
  toy.num_steps, toy.seed = 16, 7

  def dies(*_):
    raise RunError('no picture')

  with monkeypatch.context() as patch:
    patch.setattr(Checkpoints, 'save', dies)
    with pytest.raises(RunError, match='no picture'):
      run(toy, tmp_path)
  assert (recorded(tmp_path), latest(tmp_path)) == (0, 8)
  run(toy, tmp_path)
  assert (recorded(tmp_path), latest(tmp_path)) == (7, 16)


def test_a_start_without_a_checkpoint_holds_nothing_and_may_become_another_run(toy, tmp_path, capsys):
  workdir = Workdir(tmp_path)
  workdir.create()
  other = toy.copy_and_resolve_references()
  other.model.width, other.image_channels = 5, 1
  workdir.save_config(other)
  (tmp_path / 'metrics.jsonl').write_text('{"step": 3, "judge/adversarial": 1}\n')
  run(toy, tmp_path)
  assert 'changed   image_channels: 1 -> 3' in capsys.readouterr().out
  assert recorded(tmp_path, 'image_channels') == 3
  assert [row['step'] for row in lines(tmp_path)] == [*range(1, 9)]
  other.image_channels = 3
  with pytest.raises(UserError, match=r'another architecture: model\.width is None there and 5 here'):
    run(other, tmp_path)


# One writer.


def test_a_second_run_in_a_workdir_is_refused_and_touches_nothing(toy, tmp_path):
  run(toy, tmp_path)
  before = {p: p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()}
  toy.num_steps = 16
  told = pytest.raises(UserError, match=r'--workdir=.* is in use by another process')
  with lock.only_writer(tmp_path, '--workdir'), told:
    run(toy, tmp_path)
  assert {p: p.read_bytes() for p in before} == before
  run(toy, tmp_path)
  assert not (tmp_path / lock.NAME).exists()


# Signals.


@pytest.mark.parametrize('name', ['SIGHUP', 'SIGXCPU', 'SIGUSR1', 'SIGUSR2'])
def test_every_signal_that_politely_ends_a_process_saves(toy, tmp_path, monkeypatch, capsys, name):
  signal_at_batch(monkeypatch, getattr(signal, name), 5)
  assert not run(toy, tmp_path)
  step = latest(tmp_path)
  assert 3 <= step < 8
  assert f'Stopped by {name} after step {step}; step {step} is saved' in capsys.readouterr().out


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch):
  """As nohup has it."""
  before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
  try:
    with Interruption() as interruption:
      os.kill(os.getpid(), signal.SIGHUP)
      assert not interruption.requested
      os.kill(os.getpid(), signal.SIGTERM)
      assert interruption.requested == signal.SIGTERM
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
  finally:
    signal.signal(signal.SIGHUP, before)


# An image breaks on the way.


@pytest.fixture
def photos(toy, tmp_path):
  """The toy on files; returns a function that breaks one in a way that header and ending do not show."""
  rng = np.random.default_rng(0)
  for folder in ('trainA', 'trainB'):
    (tmp_path / 'data' / folder).mkdir(parents=True)
    for i in range(16):
      pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
      Image.fromarray(pixels).save(tmp_path / 'data' / folder / f'{i:02d}.png')
  toy.data.source, toy.data.path, toy.sample_every_steps = 'folder', str(tmp_path / 'data'), 100
  toy.sample_count, toy.data.augment = 1, False

  def damage(name):
    path = tmp_path / 'data' / name
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + bytes(64) + whole[half + 64 :])
    return lambda: path.write_bytes(whole)

  return damage


def test_an_image_that_breaks_ends_the_run_with_what_was_done_saved(toy, photos, tmp_path):
  run(toy, tmp_path / 'whole')
  mend = photos('trainB/07.png')
  with pytest.raises(
    RunError, match=r'07\.png.*The run stops after step (\d); step \1 is saved'
  ) as told:
    run(toy, tmp_path / 'broken')
  assert f'after step {latest(tmp_path / "broken")};' in str(told.value)
  mend()
  run(toy, tmp_path / 'broken')
  for one, other in zip(
    *[[x.tobytes() for x in weights(toy, tmp_path / name).params['maker'].values()]
      for name in ('whole', 'broken')], strict=True,
  ):  # fmt: skip
    assert one == other
  assert lines(tmp_path / 'whole') == lines(tmp_path / 'broken')


def test_an_image_that_goes_away_is_told_as_that(toy, photos, tmp_path, monkeypatch):
  original = data.load

  def load(*args):
    found = original(*args)
    (tmp_path / 'data/trainA/09.png').unlink()
    return found

  monkeypatch.setattr(data, 'load', load)
  with pytest.raises(
    RunError, match=r'09\.png. is not there any more\. The run stops after step \d; step'
  ):
    run(toy, tmp_path / 'run')
  assert latest(tmp_path / 'run') is not None


def test_an_image_behind_the_last_step_does_not_matter(toy, photos, tmp_path):
  """Batches are made ahead of the step, but not beyond the last one."""
  toy.num_steps, toy.checkpoint_every_steps = 2, 2
  config = toy.copy_and_resolve_references()
  first = [np.asarray(x).tobytes() for b in take_names(config, 2) for x in b]
  unused = next(i for i in range(16) if image_bytes(tmp_path, i) not in first)
  photos(f'trainA/{unused:02d}.png')
  assert run(toy, tmp_path / 'run')


def take_names(config, count):
  batches = data.train_batches(data.load(config, Pair), config)
  return [next(batches).a for _ in range(count)]


def image_bytes(tmp_path, i):
  from decoupled_gan.data.transforms import resize

  return resize(np.asarray(Image.open(tmp_path / 'data/trainA' / f'{i:02d}.png')), 16).tobytes()


def test_a_picture_that_cannot_be_written_ends_the_run_with_what_was_done_saved(
  toy, tmp_path, monkeypatch
):
  def full(*_):
    raise RunError('samples/4.png could not be written (No space left on device).')

  monkeypatch.setattr('decoupled_gan.run.sampler.save_image', full)
  told = r'No space left on device\)\. The run stops after step 4; step 4 is saved, and the same command'
  with pytest.raises(RunError, match=told):
    run(toy, tmp_path)
  assert latest(tmp_path) == 4


def test_an_evaluation_that_fails_ends_the_run_with_what_was_done_saved(toy, tmp_path, monkeypatch):
  def fails(*_):
    raise UserError('the image x cannot be decoded')

  toy.evaluate_every_steps, toy.evaluation.metrics, toy.evaluation.images = 4, ('mae',), 2
  monkeypatch.setattr('decoupled_gan.evaluation.evaluator.Evaluator.evaluate', fails)
  with pytest.raises(RunError, match=r'cannot be decoded\. The run stops after step 4; step 4 is saved'):
    run(toy, tmp_path)


# Losses that are not finite: messages tell what is.


def test_before_the_first_checkpoint_nothing_is_said_to_be_kept(toy, tmp_path):
  toy.num_steps, toy.nonfinite_patience, toy.checkpoint_every_steps = 50, 3, 50
  toy.optimizer.learning_rate = math.inf
  with pytest.raises(RunError, match=r'There is no checkpoint yet; try a smaller learning rate\.'):
    run(toy, tmp_path)


def test_a_run_whose_last_state_is_not_finite_is_not_called_done(toy, tmp_path):
  run(toy, tmp_path)
  toy.num_steps, toy.optimizer.learning_rate = 12, math.inf
  with pytest.raises(RunError, match=r'last steps were not finite\. The checkpoint of step 8 is kept'):
    run(toy, tmp_path)
  assert latest(tmp_path) == 8


@pytest.mark.parametrize('name', ['metrics.jsonl', 'samples', 'checkpoints'])
def test_a_file_in_the_place_of_a_folder_or_the_reverse_is_one_sentence(toy, tmp_path, name):
  if name == 'metrics.jsonl':
    (tmp_path / name).mkdir()
  else:
    (tmp_path / name).write_text('')
  with pytest.raises((RunError, UserError)):
    run(toy, tmp_path)


@pytest.mark.parametrize('damage', ['truncate', 'remove', 'scramble'])
def test_a_damaged_checkpoint_is_told_with_the_ones_that_there_are(toy, tmp_path, damage):
  run(toy, tmp_path)
  for path in (tmp_path / 'checkpoints/8').rglob('*'):
    if path.is_file() and path.name != 'commit_success.txt':
      content = path.read_bytes()
      if damage == 'remove':
        path.unlink()
      else:
        path.write_bytes(content[: len(content) // 2] if damage == 'truncate' else b'x' * len(content))
  toy.num_steps = 16
  with pytest.raises(UserError, match=r'step 8 in .* cannot be read \(.*\); there are those of \[4\]'):
    run(toy, tmp_path)


def test_threads_end_with_the_run(toy, tmp_path):
  run(toy, tmp_path)
  assert not [t for t in threading.enumerate() if 'beat' in t.name]
