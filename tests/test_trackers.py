"""Trackers: what they are shown, that a run goes on with its line, and that none of them stops a run."""

import json
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from decoupled_gan import defaults
from decoupled_gan.errors import UserError
from decoupled_gan.modes import train
from decoupled_gan.run import trackers
from decoupled_gan.run.metrics_file import Metrics
from decoupled_gan.run.trackers import Following
from decoupled_gan.run.workdir import Workdir

PICTURE = Image.fromarray(np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3))


class Wandb:
  """Stands in for wandb: what it is told, by run."""

  def __init__(self, logged_in=False):
    self.runs, self.finished, self._in = {}, 0, logged_in

  def login(self, prompt):
    assert prompt is False  # nobody is asked for a key in the middle of a cluster
    return self._in

  def init(self, **options):
    self.options = options
    logged = self.runs.setdefault(options['id'], [])

    def finish():
      self.finished += 1

    return SimpleNamespace(log=logged.append, finish=finish, define_metric=self.define_metric)

  def define_metric(self, name, step_metric):
    self.steps_are = {name: step_metric}

  @staticmethod
  def Image(array):
    return 'picture', array.shape


class Client:
  """Stands in for mlflow.MlflowClient, whose runs outlive it."""

  runs: dict

  def __init__(self, uri):
    self.uri = uri
    type(self).last = self

  def get_experiment_by_name(self, name):
    return SimpleNamespace(experiment_id='1') if self.runs else None

  def create_experiment(self, name, artifacts):
    self.artifacts = artifacts
    return '1'

  def search_runs(self, experiments, condition):
    return [run for run in self.runs.values() if f"= '{run.tag}'" in condition]

  def create_run(self, experiment, tags, run_name):
    (tag,) = tags.values()
    info = SimpleNamespace(run_id=f'r{len(self.runs)}')
    self.runs[info.run_id] = run = SimpleNamespace(info=info, tag=tag, params={}, lines=[], status='')
    return run

  def log_param(self, run, key, value):
    assert key not in self.runs[run].params  # MLflow lets nobody change one
    self.runs[run].params[key] = value

  def log_batch(self, run, metrics):
    for key, value, _, step in metrics:
      assert '#' not in key
      self.runs[run].lines.append((step, key, value))

  def log_image(self, run, image, key, step):
    self.runs[run].lines.append((step, key, image.shape))

  def update_run(self, run, status):
    self.runs[run].status = status

  def set_terminated(self, run):
    self.runs[run].status = 'FINISHED'


@pytest.fixture
def wandb(monkeypatch):
  monkeypatch.delenv('WANDB_MODE', raising=False)
  monkeypatch.setitem(sys.modules, 'wandb', stand_in := Wandb())
  return stand_in


@pytest.fixture
def mlflow(monkeypatch):
  monkeypatch.delenv('MLFLOW_TRACKING_URI', raising=False)
  client = type('Own', (Client,), {'runs': {}})
  entities = SimpleNamespace(Metric=lambda *parts: parts)
  monkeypatch.setitem(sys.modules, 'mlflow', SimpleNamespace(MlflowClient=client, entities=entities))
  return client


def events(folder):
  """[(step, tag, kind)] of TensorBoard's files."""
  from tensorboardX.proto.event_pb2 import Event

  found = []
  for path in sorted(folder.glob('events.out.tfevents.*')):
    content, at = path.read_bytes(), 0
    while at < len(content):
      (length,) = struct.unpack_from('<Q', content, at)
      event = Event.FromString(content[at + 12 : at + 12 + length])
      found += [(event.step, v.tag, v.WhichOneof('value')) for v in event.summary.value]
      at += 16 + length
  return found


def lines(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


def test_tensorboard_is_shown_numbers_and_sample_grids(tmp_path):
  with Metrics(tmp_path / 'metrics.jsonl', 0) as metrics:
    metrics.write(10, {'paint/match': 0.5})
    metrics.image(10, 'samples', PICTURE)
  assert events(tmp_path) == [(10, 'paint/match', 'simple_value'), (10, 'samples', 'image')]


def test_none_is_shown_anything_where_none_is_named(tmp_path):
  with Metrics(tmp_path / 'metrics.jsonl', 0, Following(())) as metrics:
    metrics.write(10, {'x': 0.5})
  assert [path.name for path in tmp_path.iterdir()] == ['metrics.jsonl']


def test_wandb_is_shown_steps_as_a_column_of_their_own(tmp_path, wandb):
  following = Following(('wandb',), {'seed': 3}, 'abc', resume=True)
  with Metrics(tmp_path / 'metrics.jsonl', 0, following) as metrics:
    metrics.write(10, {'x': 0.5})
    metrics.image(10, 'samples', PICTURE)
  assert wandb.runs == {'abc': [{'step': 10, 'x': 0.5}, {'step': 10, 'samples': ('picture', (4, 6, 3))}]}
  assert wandb.steps_are == {'*': 'step'} and wandb.finished == 1
  options = wandb.options
  assert (options['resume'], options['config'], options['dir']) == ('allow', {'seed': 3}, tmp_path)
  assert (options['project'], options['name']) == ('decoupled_gan', tmp_path.name)


@pytest.mark.parametrize(('logged_in', 'mode'), [(True, None), (False, 'offline')])
def test_wandb_is_offline_unless_somebody_is_logged_in(tmp_path, monkeypatch, wandb, logged_in, mode):
  wandb._in = logged_in
  Metrics(tmp_path / 'metrics.jsonl', 0, Following(('wandb',))).close()
  assert wandb.options['mode'] == mode
  monkeypatch.setenv('WANDB_MODE', 'disabled')
  Metrics(tmp_path / 'metrics.jsonl', 0, Following(('wandb',))).close()
  assert wandb.options['mode'] is None  # wandb reads it itself


def test_mlflow_keeps_its_runs_in_the_workdir_and_goes_on_with_one(tmp_path, mlflow):
  for begin, resume in ((0, False), (10, True)):
    following = Following(('mlflow',), {'seed': 3}, 'abc', resume)
    with Metrics(tmp_path / 'metrics.jsonl', begin, following) as metrics:
      metrics.write(begin + 10, {'x#1': 0.5})
  metrics = Metrics(tmp_path / 'metrics.jsonl', 0, Following(('mlflow',), {}, 'other'))
  metrics.image(1, 'samples', PICTURE)
  metrics.close()
  one, other = mlflow.runs.values()
  assert (one.params, one.lines) == ({'seed': 3}, [(10, 'x:1', 0.5), (20, 'x:1', 0.5)])
  assert other.lines == [(1, 'samples', (4, 6, 3))]
  assert one.status == other.status == 'FINISHED'
  assert mlflow.last.uri == f'sqlite:///{tmp_path}/mlflow.db'


def test_a_run_goes_on_under_its_id_and_one_that_begins_again_has_another(
  toy, tmp_path, wandb, mlflow
):
  toy.trackers = ('tensorboard', 'wandb', 'mlflow')
  for steps in (4, 8):
    toy.num_steps = steps
    train.train(toy, Workdir(tmp_path))
  first, second = json.loads((tmp_path / 'run.json').read_text())
  assert first['run_id'] == second['run_id']
  ((run_id, logged),) = wandb.runs.items()
  assert run_id == first['run_id']
  assert [x['step'] for x in logged if 'paint/match' in x] == list(range(1, 9))
  assert [x['step'] for x in logged if 'samples' in x] == [4, 8]
  assert wandb.options['config']['optimizer.learning_rate'] == toy.optimizer.learning_rate
  (run,) = mlflow.runs.values()
  assert [step for step, key, _ in run.lines if key == 'paint/match'] == list(range(1, 9))
  assert [step for step, tag, kind in events(tmp_path) if kind == 'image'] == [4, 8]
  for checkpoint in (tmp_path / 'checkpoints').iterdir():
    checkpoint.rename(tmp_path / f'moved{checkpoint.name}')
  toy.num_steps = 4
  train.train(toy, Workdir(tmp_path))
  assert json.loads((tmp_path / 'run.json').read_text())[-1]['run_id'] != run_id


def test_two_starts_within_a_second_write_two_files_of_events(tmp_path):
  for step in range(1, 6):
    with Metrics(tmp_path / 'metrics.jsonl', step - 1) as metrics:
      metrics.image(step, 'samples', Image.new('RGB', (2, 2)))
  assert sorted(step for step, _, kind in events(tmp_path) if kind == 'image') == [1, 2, 3, 4, 5]


@pytest.mark.parametrize('method', ['start', 'scalars', 'image', 'close'])
def test_a_tracker_that_fails_is_told_once_and_dropped(tmp_path, monkeypatch, caplog, method):
  class Broken:
    def __init__(self, places):
      pass

    def __getattr__(self, name):
      calls.append(name)
      return broken if name == method else lambda *_: None

  def broken(*_):
    raise ConnectionError('no route to host')

  calls = []
  monkeypatch.setitem(trackers.TRACKERS, 'broken', (Broken, 'json'))
  with Metrics(tmp_path / 'metrics.jsonl', 0, Following(('broken', 'tensorboard'))) as metrics:
    for step in (1, 2):
      metrics.write(step, {'x': 0.5})
      metrics.image(step, 'samples', PICTURE)
  (told,) = caplog.messages
  assert told.startswith(f'the tracker broken is dropped ({method}: no route to host); training goes on')
  assert calls.count(method) == 1 and calls[-1] == method
  assert [line['step'] for line in lines(tmp_path / 'metrics.jsonl')] == [1, 2]
  assert len(events(tmp_path)) == 4


def test_mlflow_without_a_server_is_dropped_where_the_workdir_is_no_folder(caplog, mlflow, tmp_path):
  places = trackers.Places(tmp_path, None)
  trackers.Trackers(Following(('mlflow',)), places)
  assert 'it needs a server: set MLFLOW_TRACKING_URI' in caplog.text


def test_trackers_that_there_are_not_or_that_lack_their_package_are_told(monkeypatch):
  with pytest.raises(UserError, match=r"'comet'.*there is no comet; there are tensorboard, wandb, mlfl"):
    trackers.check(('tensorboard', 'comet'))
  for name in ('wandb', 'mlflow'):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=rf"{name} needs {name}, .*'decoupled_gan\[{name}\]'"):
      trackers.check((name,))


def test_a_run_with_a_tracker_that_there_is_not_ends_before_it_begins(toy, tmp_path):
  toy.trackers = ('comet',)
  with pytest.raises(UserError, match='there is no comet'):
    train.train(toy, Workdir(tmp_path))
  assert not (tmp_path / 'config.json').exists()


def test_runs_of_before_have_tensorboard():
  old = defaults.get_config().copy_and_resolve_references()
  del old['trackers']
  assert defaults.complete(old).trackers == ('tensorboard',)
