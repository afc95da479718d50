"""The tfds source, on a tiny dataset that is really prepared and read, without TensorFlow."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from test_data import make_config

from decoupled_gan import data
from decoupled_gan.core.types import Examples
from decoupled_gan.data.sources import tfds as tfds_source
from decoupled_gan.errors import UserError, installed

tfds = pytest.importorskip('tensorflow_datasets')
COUNTS = {'trainA': 5, 'trainB': 3, 'testA': 2, 'testB': 2}
no_tensorflow = pytest.mark.skipif(installed('tensorflow'), reason='TensorFlow is installed')


class _Tiny(tfds.core.GeneratorBasedBuilder):
  """Image i of the split number s is filled with 10 s + i."""

  VERSION = tfds.core.Version('1.0.0')
  SPLITS = COUNTS
  KEY = 'image'

  def _info(self):
    image = tfds.features.Image(shape=(None, None, 3))
    return tfds.core.DatasetInfo(
      builder=self, features=tfds.features.FeaturesDict({self.KEY: image})
    )

  def _split_generators(self, dl_manager):
    return {split: self._examples(10 * n, split) for n, split in enumerate(self.SPLITS)}

  def _generate_examples(self):
    raise NotImplementedError

  def _examples(self, first, split):
    folder = pathlib.Path(self.data_dir_root)
    for index in range(self.SPLITS[split]):
      path = folder / f'{split}{index}.png'
      Image.fromarray(np.full((9 + index, 12, 3), first + index, np.uint8)).save(path)
      yield index, {self.KEY: path}


class TinyDomains(_Tiny):
  """Four splits."""


class TinyUntested(_Tiny):
  """Training splits only."""

  SPLITS = {'trainA': 2, 'trainB': 2}


class TinyLabelled(_Tiny):
  """The splits of most datasets."""

  SPLITS = {'train': 2, 'test': 1}


class TinyClasses(TinyLabelled):
  """With a feature of classes: example i is a dog where i is even."""

  SPLITS = {'train': 3, 'test': 2}

  def _info(self):
    features = {
      self.KEY: tfds.features.Image(shape=(None, None, 3)),
      'label': tfds.features.ClassLabel(names=['cat', 'dog']),
    }
    return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

  def _examples(self, first, split):
    for index, example in super()._examples(first, split):
      yield index, example | {'label': 'cat' if index % 2 else 'dog'}


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tfds')
  for builder in (TinyDomains, TinyUntested, TinyLabelled, TinyClasses):
    builder(data_dir=folder, file_format='array_record').download_and_prepare()
  return folder


def load(name, data_dir='', **fields):
  source = {'data.source': f'tfds:{name}', 'data.path': str(data_dir)}
  return data.load(make_config(**source, **fields))


def error(name, data_dir='') -> str:
  with pytest.raises(UserError) as caught:
    load(name, data_dir)
  return str(caught.value)


def test_prepared_dataset_is_read_by_name_with_random_access(data_dir):
  dataset = load('tiny_domains', data_dir)
  splits = zip(COUNTS, (*dataset.train, *dataset.test), strict=True)
  for number, (split, images) in enumerate(splits):
    assert len(images) == len(images.names) == COUNTS[split]
    values = {int(images[i][0, 0, 0]) for i in range(len(images))}
    assert values == set(range(10 * number, 10 * number + COUNTS[split]))
    assert images[1].shape[1:] == (12, 3)
  assert 'A 5 train, 2 test; B 3 train, 2 test' in dataset.describe()


def test_batches_come_from_tfds_as_from_any_source(data_dir):
  fields = {'data.source': 'tfds:tiny_domains', 'data.path': str(data_dir)}
  config = make_config(image_channels=1, **{'data.augment': True, **fields})
  iterator = data.train_batches(data.load(config), config)
  batch = next(iterator)
  iterator.close()
  assert batch.a.shape == batch.b.shape == (4, 8, 8, 1)
  assert set(batch.a.ravel()) <= set(range(5))
  assert set(batch.b.ravel()) <= set(range(10, 13))


def test_without_test_splits_training_images_stand_in(data_dir):
  dataset = load('tiny_untested', data_dir)
  assert len(dataset.test.a) == 2
  assert 'no split testA: trainA stands in' in dataset.describe()


def test_splits_that_are_not_two_domains_are_listed(data_dir):
  assert 'has the splits test, train, but two unpaired domains' in error('tiny_labelled', data_dir)


def test_the_splits_train_and_test_make_single_images(data_dir):
  config = make_config(**{'data.source': 'tfds:tiny_labelled', 'data.path': str(data_dir)})
  dataset = data.load(config, Examples)
  assert [len(dataset.train.x), len(dataset.test.x)] == [2, 1]
  assert dataset.train.x[0].shape[1:] == (12, 3)


def test_no_split_train_is_told_where_single_images_are_wanted(data_dir):
  config = make_config(**{'data.source': 'tfds:tiny_domains', 'data.path': str(data_dir)})
  with pytest.raises(UserError, match='its images are taken from the split train'):
    data.load(config, Examples)


def labelled(data_dir, attributes):
  fields = {'data.source': 'tfds:tiny_classes', 'data.path': str(data_dir), 'attributes': attributes}
  return data.load(make_config(**fields), Examples)


@pytest.mark.parametrize(
  ('values', 'dog'), [(('cat', 'dog'), 1), (('dog', 'cat'), 0), (('0', '1'), 1), (('1', '0'), 0)]
)
def test_classes_are_labels_by_the_names_or_numbers_of_the_attributes_values(data_dir, values, dog):
  dataset = labelled(data_dir, {'label': values})
  for split, first, count in ((dataset.train, 0, 3), (dataset.test, 10, 2)):
    assert split.labels.shape == (count, 1)
    for i, (label,) in enumerate(split.labels):
      even = (int(split.x[i][0, 0, 0]) - first) % 2 == 0
      assert label == (dog if even else 1 - dog)


@pytest.mark.parametrize(
  ('attributes', 'message'),
  [
    ({'kind': ('cat', 'dog')}, r'attributes.kind: tfds:tiny_classes has no classes .* it has label'),
    ({'label': ('cat', 'bird')}, r'has the classes cat, dog; name them all, or their numbers 0 to 1'),
    ({'label': ('cat',)}, 'name them all'),
  ],
)
def test_attributes_that_are_not_its_classes_are_told(data_dir, attributes, message):
  with pytest.raises(UserError, match=message):
    labelled(data_dir, attributes)


def test_missing_name_gets_an_example():
  with pytest.raises(UserError, match=r"needs a dataset's name .* tfds:cycle_gan/horse2zebra"):
    data.load(make_config(**{'data.source': 'tfds'}))


def test_unknown_dataset_gets_the_nearest_names_proposed(tmp_path):
  assert 'did you mean cycle_gan' in error('cyclegan', tmp_path)


def test_unknown_config_gets_the_configs_listed(tmp_path):
  message = error('cycle_gan/horse2zebr', tmp_path)
  assert 'cycle_gan has the configs apple2orange' in message
  assert 'horse2zebra' in message


@no_tensorflow
def test_real_dataset_that_is_not_prepared_asks_for_tensorflow(tmp_path):
  message = error('cycle_gan/horse2zebra', tmp_path)
  assert f'is not prepared in {str(tmp_path)!r}'[:-1] in message
  assert "TensorFlow: pip install 'decoupled_gan[tf]'" in message


def test_failed_download_is_told_with_the_folder_for_archives(tmp_path, monkeypatch):
  def fail(self, **options):
    raise ConnectionError('no route to host\nand a page of details')

  monkeypatch.setattr(tfds_source, 'installed', lambda package: True)
  monkeypatch.setattr(tfds.core.DatasetBuilder, 'download_and_prepare', fail)
  message = error('cycle_gan/horse2zebra', tmp_path)
  assert 'could not be prepared (no route to host)' in message
  assert str(tmp_path / 'downloads' / 'manual') in message


def test_files_without_random_access_are_told(data_dir, monkeypatch):
  def fail(self, *args, **options):
    raise NotImplementedError('Random access data source for file format TFRECORD')

  monkeypatch.setattr(TinyDomains, 'as_data_source', fail)
  assert 'in a format without random access' in error('tiny_domains', data_dir)


def test_prepared_dataset_is_read_by_a_program_that_does_not_know_its_builder(data_dir):
  script = (
    'import sys; sys.path[:0] = sys.argv[1:3]\n'
    'from test_data import make_config\n'
    'from decoupled_gan import data\n'
    "source = {'data.source': 'tfds:tiny_domains', 'data.path': sys.argv[3]}\n"
    'print(len(data.load(make_config(**source)).train.a))\n'
  )
  folders = [pathlib.Path(__file__).parent, pathlib.Path(data.__file__).parents[2], data_dir]
  command = [sys.executable, '-c', script, *map(str, folders)]
  ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
  assert ran.stdout.split()[-1] == '5'
