"""Local and gs:// paths: real gcsfs and tensorstore, with an emulator of Google Cloud Storage."""

import importlib.util
import json
import logging
import os
import urllib.request
import warnings
from pathlib import Path

import gcs
import jax
import numpy as np
import pytest
from PIL import Image
from test_train import signal_at_batch, weights

from decoupled_gan.data import results
from decoupled_gan.errors import RunError, UserError
from decoupled_gan.machine import paths
from decoupled_gan.modes import evaluate, train, translate
from decoupled_gan.modes.generate import draw
from decoupled_gan.run.workdir import Workdir


@pytest.fixture(scope='module')
def bucket():
  """gs://bucket of an emulator, for this module."""
  with gcs.emulator() as environment, pytest.MonkeyPatch.context() as patch:
    for name, value in environment.items():
      patch.setenv(name, value)
    yield f'gs://{gcs.BUCKET}'


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
  """Without orbax and google telling that there are no credentials."""
  monkeypatch.setattr(logging.root, 'level', logging.ERROR)


def lines(path):
  """metrics.jsonl without the times."""
  rows = map(json.loads, path.read_text().splitlines())
  return [{k: v for k, v in row.items() if not k.startswith('time/')} for row in rows]


def names(folder):
  return sorted(path.name for path in folder.iterdir())


# get.


def test_a_local_path_becomes_absolute_and_stays_a_plain_path(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert paths.get('run') == tmp_path / 'run'
  assert type(paths.get('run')) is type(Path())
  assert not paths.is_remote(paths.get('run'))


@pytest.mark.parametrize('url', ['gs://bucket/a/run', 'gs://bucket/a/run/'])
def test_a_url_is_not_mangled(url):
  path = paths.get(url)
  assert str(path / 'checkpoints') == 'gs://bucket/a/run/checkpoints'
  assert str(paths.get(path)) == 'gs://bucket/a/run'
  assert paths.is_remote(path)
  assert path.name == 'run'


def test_other_urls_are_refused_by_name():
  with pytest.raises(UserError, match=r's3://b/run: files lie in .* gs://<bucket>/<folder>, not in s3:'):
    Workdir('s3://b/run')


def test_a_url_without_a_bucket_is_told():
  with pytest.raises(UserError, match='gs:// names no bucket'):
    paths.get('gs://')


def test_a_missing_gcsfs_is_told_with_the_extra_that_has_it(monkeypatch):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(UserError, match=r"gs://b/run needs gcsfs, .*pip install 'decoupled_gan\[gcs\]'"):
    Workdir('gs://b/run')


@pytest.mark.parametrize(
  'call',
  [
    lambda url: results.input_images(url, None),
    lambda url: evaluate.evaluate_folders(url, 'fakes', '', '', Path('out')),
  ],
)
def test_images_in_a_bucket_are_refused_with_the_command_that_copies_them(call):
  with pytest.raises(UserError, match=r'disks only.* gcloud storage cp --recursive gs://b/photos \.'):
    call('gs://b/photos')


def test_training_images_in_a_bucket_are_refused_by_the_fields_name(toy, tmp_path):
  toy.data.source, toy.data.path = 'folder', 'gs://b/photos'
  with pytest.raises(UserError, match=r'data\.path=gs://b/photos: .* local disks only'):
    train.train(toy, Workdir(tmp_path))


# Files.


@pytest.fixture(params=['local', 'remote'])
def folder(request, tmp_path):
  """A folder that does not exist yet, on either side."""
  if request.param == 'local':
    return tmp_path / 'new'
  return paths.get(request.getfixturevalue('bucket')) / tmp_path.name


def test_write_makes_folders_replaces_and_leaves_nothing_else(folder):
  file = folder / 'sub' / 'x.txt'
  for text in ('long text', 'é'):
    paths.write(file, text)
    assert file.read_bytes().decode() == text
  assert names(file.parent) == ['x.txt']


def test_append_appends_where_the_store_itself_would_overwrite(folder):
  with warnings.catch_warnings():
    warnings.simplefilter('error')  # gcsfs only warns that it overwrites
    for line in ('a\n', 'b\n'):
      paths.append(folder / 'x.jsonl', line)
  assert (folder / 'x.jsonl').read_text() == 'a\nb\n'


@pytest.mark.parametrize('write', [paths.write, paths.append])
def test_a_name_that_is_no_utf_8_is_written_as_it_is_printed(tmp_path, write):
  write(tmp_path / 'page.html', 'photos: ' + os.fsdecode(b'donn\xe9es'))
  assert (tmp_path / 'page.html').read_text() == r'photos: donn\udce9es'


@pytest.mark.parametrize('name', ['photo.JPG', 'photo.png'])
def test_images_are_written_in_the_format_of_their_ending(folder, name):
  pixels = np.full((8, 8, 3), 200, np.uint8)
  results.write_image(pixels, folder / 'sub' / name)
  with (folder / 'sub' / name).open('rb') as file, Image.open(file) as image:
    assert image.format == {'JPG': 'JPEG', 'png': 'PNG'}[name.partition('.')[2]]
    np.testing.assert_array_equal(np.asarray(image), pixels)


def test_an_animation_is_written_and_its_strip(folder):
  frames = np.zeros((3, 8, 8, 3), np.uint8)
  draw.write_interpolation(frames, folder / 'interpolation.gif', folder / 'interpolation.png')
  assert names(folder) == ['interpolation.gif', 'interpolation.png']


def test_a_mirror_copies_when_it_is_time_and_only_what_changed(bucket, tmp_path):
  remote = paths.get(bucket) / tmp_path.name
  mirror = paths.Mirror(remote, every_seconds=3600)
  (mirror.folder / 'a').write_text('1')
  mirror.copy(now=False)
  assert not (remote / 'a').exists()
  mirror.copy()
  assert (remote / 'a').read_text() == '1'
  (remote / 'a').write_text('other')
  (mirror.folder / 'b').write_text('2')
  mirror.close()
  assert (remote / 'a').read_text() == 'other'
  assert (remote / 'b').read_text() == '2'
  assert not mirror.folder.exists()


def test_a_mirror_that_cannot_copy_says_why(bucket):
  mirror = paths.Mirror(paths.get('gs://no-such-bucket/run'))
  (mirror.folder / 'metrics.jsonl').write_text('1')
  with pytest.raises(RunError, match=r'gs://no-such-bucket/run/metrics\.jsonl could not be written'):
    mirror.copy()


def test_a_bucket_that_there_is_not_is_told_and_not_made(bucket):
  workdir = Workdir('gs://no-such-bucket/run')
  for _ in range(2):
    with pytest.raises(UserError, match=r'gs://no-such-bucket/run cannot be .*must be such a bucket'):
      workdir.create()


def test_a_remote_folder_without_a_run_is_told(bucket):
  with pytest.raises(UserError, match=r'--workdir=gs://bucket/empty holds no run'):
    Workdir('gs://bucket/empty').load_config()


# A run.


def test_a_remote_run_is_stopped_resumed_evaluated_and_used_as_a_local_one_is(
  bucket, toy, tmp_path, monkeypatch, capsys
):
  """Also with an evaluation while it trains: its picture reads the metrics back."""
  toy.evaluate_every_steps = 4
  toy.checkpoints_to_keep = 1  # others are deleted
  toy.evaluation.metrics = ('mae',)
  toy.evaluation.images = 4
  local, remote = Workdir(tmp_path / 'run'), Workdir(f'{bucket}/runs/toy')
  train.train(toy, local)
  with monkeypatch.context() as patch:
    signal_at_batch(patch, 15, 5)
    train.train(toy, remote)
  assert 'Stopped by SIGTERM after step 5; step 5 is saved' in capsys.readouterr().out
  assert len(lines(remote.metrics_file)) == 6  # one of them of the evaluation

  train.train(toy, remote)
  assert 'start     step 5' in capsys.readouterr().out
  assert lines(remote.metrics_file) == lines(local.metrics_file)
  jax.tree.map(np.testing.assert_array_equal, weights(toy, local.path), weights(toy, remote.path))
  for part in ('samples', 'checkpoints'):
    assert names(remote.path / part) == names(local.path / part)
  for image in (*local.samples.iterdir(), local.path / 'evaluations.png'):
    assert (remote.path / image.relative_to(local.path)).read_bytes() == image.read_bytes()
  events = [name for name in names(remote.path) if 'tfevents' in name]
  assert len(events) == 2  # of two starts
  assert not [name for name in names(remote.path) if name.startswith('.')]

  for _ in range(2):
    evaluate.evaluate_run(remote, 'best', 'mae')
  rows = (remote.path / 'evaluations.jsonl').read_text().splitlines()
  assert len(rows) == 2 * len(set(rows)) > 0

  pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
  Image.fromarray(pixels).save(tmp_path / 'photo.png')
  for workdir, output in ((local, str(tmp_path / 'out')), (remote, f'{bucket}/out')):
    translate.translate(workdir, str(tmp_path / 'photo.png'), output, 'a_to_b', 'square', None)
  there = paths.get(f'{bucket}/out') / 'photo.png'
  assert there.read_bytes() == (tmp_path / 'out' / 'photo.png').read_bytes()


def test_lines_up_to_a_checkpoint_outlive_a_kill(bucket, toy, monkeypatch):
  """The process ends without closing anything; the next start has every line of the way."""
  toy.num_steps = 6
  workdir = Workdir(f'{bucket}/runs/killed')

  class Killed(BaseException):
    pass

  def killed(self):
    raise Killed

  with monkeypatch.context() as patch:
    patch.setattr(paths.Mirror, 'close', killed)
    with pytest.raises(Killed):
      train.train(toy, workdir)
  assert [row['step'] for row in lines(workdir.metrics_file)] == [1, 2, 3, 4, 5, 6]
  toy.num_steps = 8
  train.train(toy, workdir)
  assert [row['step'] for row in lines(workdir.metrics_file)] == list(range(1, 9))


def test_what_others_write_is_seen_after_a_folder_was_listed(bucket):
  folder = paths.get(f'{bucket}/shared')
  paths.write(folder / 'mine', '1')
  assert names(folder) == ['mine']
  url = os.environ['STORAGE_EMULATOR_HOST'] + '/upload/storage/v1/b/bucket/o?uploadType=media'
  urllib.request.urlopen(f'{url}&name=shared/theirs', data=b'2').close()  # another host
  assert (folder / 'theirs').exists()
  assert names(folder) == ['mine', 'theirs']


def test_the_environment_asks_epath_for_one_backend(bucket):
  paths.get(bucket)
  assert os.environ['EPATH_USE_TF'] == 'false'
