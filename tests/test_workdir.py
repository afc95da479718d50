"""A run's folder: its config, and which other config it takes up."""

import json
import os
import re

import pytest
from ml_collections import ConfigDict

from configs import nice
from decoupled_gan.errors import UserError
from decoupled_gan.run.workdir import Workdir, differences, flatten


@pytest.fixture
def workdir(tmp_path):
  """A created folder that holds NICE-GAN's config."""
  workdir = Workdir(tmp_path / 'runs' / 'cats')
  workdir.create()
  workdir.save_config(nice.get_config())
  return workdir


def test_all_parts_of_a_run_lie_in_its_folder(tmp_path):
  workdir = Workdir(tmp_path)
  parts = (workdir.config_file, workdir.checkpoints, workdir.samples, workdir.metrics_file)
  assert [part.relative_to(tmp_path).as_posix() for part in parts] == [
    'config.json', 'checkpoints', 'samples', 'metrics.jsonl',
  ]  # fmt: skip


def test_a_relative_folder_stays_where_it_was_when_the_process_goes_elsewhere(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  workdir = Workdir('run')
  monkeypatch.chdir('/')
  assert workdir.path == tmp_path / 'run'


def test_create_makes_the_folder_with_its_parents_and_leaves_nothing_in_it(tmp_path):
  workdir = Workdir(tmp_path / 'a' / 'b')
  for _ in range(2):
    workdir.create()
    assert list(workdir.path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_with_the_reason(tmp_path):
  (tmp_path / 'file').write_text('')
  path = tmp_path / 'file' / 'run'
  with pytest.raises(
    UserError,
    match=rf'--workdir={re.escape(str(path))} cannot be written \(Not a directory\): name another',
  ):
    Workdir(path).create()


def test_a_file_in_the_folders_place_is_told(tmp_path):
  (tmp_path / 'run').write_text('')
  with pytest.raises(UserError, match=r'--workdir=.*run cannot be written \(File exists\)'):
    Workdir(tmp_path / 'run').create()


def test_a_folder_whose_name_is_no_utf_8_is_told_before_training(tmp_path):
  path = tmp_path / os.fsdecode(b'donn\xe9es')
  with pytest.raises(UserError, match=r'is no UTF-8 .*checkpoints cannot lie there: rename the folder'):
    Workdir(path).create()
  assert not path.exists()


# The config.


def test_a_config_comes_back_from_json_as_it_was(workdir):
  config = nice.get_config('coupled,no_c2')
  config.frozen = ('teacher',)
  other = Workdir(workdir.path / 'other')
  other.create()
  other.save_config(config)
  back = other.load_config()
  assert differences(config, back) == {}
  assert flatten(back) == flatten(config)
  assert back.routes.to_dict() == config.routes.to_dict()
  assert back.num_steps == 300_000
  assert back.optimizer.decay_start_step == 150_000


def test_the_config_file_is_plain_sorted_json(workdir):
  text = workdir.config_file.read_text()
  values = json.loads(text)
  assert list(values) == sorted(values)
  assert values['model']['heads'] == ['local', 'middle', 'global']
  assert text.endswith('}\n')


def test_writing_the_config_leaves_no_temporary_file(workdir):
  assert [path.name for path in workdir.path.iterdir()] == ['config.json']


def test_a_folder_without_a_run_is_told_how_to_train_one(tmp_path):
  with pytest.raises(
    UserError,
    match=rf'--workdir={re.escape(str(tmp_path))} holds no run \(there is no config\.json in it\): '
    rf'train one with `python main\.py --config=.* --workdir={re.escape(str(tmp_path))}`',
  ):
    Workdir(tmp_path).load_config()


# '3' fails with AttributeError: JSON that is no object.
@pytest.mark.parametrize('text', ['{"seed": 0,', '', '3'])
def test_a_damaged_config_is_told_by_name(text, tmp_path):
  (tmp_path / 'config.json').write_text(text)
  with pytest.raises(UserError, match=r'config\.json is damaged'):
    Workdir(tmp_path).load_config()


def test_a_config_that_cannot_be_read_is_told_with_the_reason(tmp_path):
  (tmp_path / 'config.json').mkdir()
  with pytest.raises(UserError, match=r'config\.json cannot be read \(Is a directory\)'):
    Workdir(tmp_path).load_config()


# changes.


def test_saving_the_same_config_again_changes_nothing(workdir):
  before = workdir.config_file.read_bytes()
  assert workdir.changes(nice.get_config()) == {}
  workdir.save_config(nice.get_config())
  assert workdir.config_file.read_bytes() == before


@pytest.mark.parametrize(
  ('field', 'value', 'old'),
  [
    ('num_steps', 10, 300_000),
    ('seed', 1, 0),
    ('batch_size', 8, 1),
    ('image_size', 128, 256),
    ('compute_dtype', 'bfloat16', 'float32'),
    ('data.source', 'folder', ''),
    ('optimizer.learning_rate', 2e-4, 1e-4),
    ('routes.translate.cycle.generator', 5.0, 10.0),
  ],
)
def test_fields_that_do_not_shape_the_networks_may_change_and_are_reported(field, value, old, workdir):
  config = nice.get_config()
  config.update_from_flattened_dict({field: value})
  changes = workdir.changes(config)
  assert changes[field] == (old, value)
  workdir.save_config(config)
  assert flatten(workdir.load_config())[field] == value


@pytest.mark.parametrize(
  ('field', 'value', 'old'),
  [
    ('method', 'edgan', 'nice'),
    ('image_channels', 1, 3),
    ('model.width', 32, 64),
    ('model.full', True, False),
    ('model.heads', ('middle', 'global'), ['local', 'middle', 'global']),
  ],
)
def test_fields_that_shape_the_networks_are_refused_and_the_run_is_left_as_it_was(
  field, value, old, workdir
):
  before = workdir.config_file.read_bytes()
  config = nice.get_config()
  config.seed = 7  # allowed, and not told
  config.update_from_flattened_dict({field: value})
  new = list(value) if isinstance(value, tuple) else value
  with pytest.raises(UserError) as caught:
    workdir.changes(config)
  assert str(caught.value) == (
    f'--workdir={workdir.path} holds a run of another architecture: {field} is {old!r} there and '
    f'{new!r} here. Use another --workdir, or the fields it was trained with.'
  )
  assert workdir.config_file.read_bytes() == before


def test_all_shaping_fields_that_changed_are_listed(workdir):
  config = nice.get_config('star')
  config.model.width = 32
  with pytest.raises(
    UserError, match=r'model\.blocks is 6 there and 4 here, model\.width is 64 there and 32 here\.'
  ):
    workdir.changes(config)


def test_a_model_field_that_one_side_lacks_is_another_architecture(workdir):
  config = nice.get_config()
  config.model.layers = 3
  with pytest.raises(UserError, match=r'model\.layers is None there and 3 here'):
    workdir.changes(config)


# flatten and differences.


def test_flatten_names_leaves_by_their_path_and_makes_tuples_lists():
  config = ConfigDict({'a': 1, 'b': {'c': (1, 2), 'd': {'e': 'x'}}})
  assert flatten(config) == {'a': 1, 'b.c': [1, 2], 'b.d.e': 'x'}


def test_differences_tell_both_values_and_none_for_a_missing_field():
  old = ConfigDict({'a': 1, 'b': {'c': 2}, 'gone': 0})
  new = ConfigDict({'a': 1, 'b': {'c': 3}, 'new': (4,)})
  assert differences(old, new) == {'b.c': (2, 3), 'gone': (0, None), 'new': (None, [4])}


def test_a_tuple_and_a_list_of_the_same_are_no_difference():
  assert differences(ConfigDict({'a': (1, 2)}), ConfigDict({'a': [1, 2]})) == {}
