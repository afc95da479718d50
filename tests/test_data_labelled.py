"""Examples images and pairs from disk: tables, UTKFace's names, halves, and what can be wrong."""

import numpy as np
import pytest
from PIL import Image
from test_data import make_config, take

from decoupled_gan import data
from decoupled_gan.core.types import Aligned, Examples
from decoupled_gan.data.sources import labelled
from decoupled_gan.data.transforms import stretch
from decoupled_gan.errors import UserError

ATTRIBUTES = {'glasses': ('no', 'yes'), 'hair': ('black', 'blond', 'red')}


def picture(path, level=0, size=(16, 16)):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.new('RGB', size, (level, level, level)).save(path)


@pytest.fixture
def table(tmp_path):
  """Eight labelled images; image i is of level i. Returns a function that writes the table anew."""
  for i in range(8):
    picture(tmp_path / ('test' if i > 5 else 'train') / f'{i}.png', i)

  def write(*lines, header='file,hair,glasses,mood'):
    (tmp_path / 'attributes.csv').write_text('\n'.join([header, *lines]) + '\n')

  rows = ['black,no', '1,yes', 'red,0', 'red,1', 'black,no', 'black,yes', '2,yes', 'blond,no']
  write(*[f'{"test" if i > 5 else "train"}/{i}.png,{row},gay' for i, row in enumerate(rows)])
  return write


def load(path, kind=Examples, source='folder', **fields):
  fields = {'attributes': ATTRIBUTES, 'data.source': source, 'data.path': str(path), **fields}
  return data.load(make_config(**fields), kind)


def test_labels_are_numbers_in_sorted_order_of_attributes_and_stay_with_images(tmp_path, table):
  dataset = load(tmp_path)
  np.testing.assert_array_equal(dataset.train.labels, [[0, 0], [1, 1], [0, 2], [1, 2], [0, 0], [1, 0]])
  np.testing.assert_array_equal(dataset.test.labels, [[1, 2], [0, 1]])
  assert 'hair: black 3, blond 1, red 2' in dataset.describe()
  for batch in take(dataset, make_config(), 4):
    levels = batch.x[:, 0, 0, 0]
    np.testing.assert_array_equal(batch.labels, dataset.train.labels[levels])


def test_an_attribute_without_a_column_is_told_with_those_there_are(tmp_path, table):
  with pytest.raises(UserError, match="no attribute 'hat'; its columns are file, hair, glasses, mood"):
    load(tmp_path, attributes={'hat': ('no', 'yes')})


@pytest.mark.parametrize('value', ['green', '3', '', '-1'])
def test_a_label_outside_its_range_is_told_with_its_line(tmp_path, table, value):
  table(f'train/0.png,{value},no,gay')
  message = f"line 2: hair='{value}' is out of range: its values are black, blond, red, .* 0 to 2"
  with pytest.raises(UserError, match=message):
    load(tmp_path)


def test_a_value_that_no_training_image_has_is_told(tmp_path, table):
  table('train/0.png,black,no,', 'train/1.png,red,yes,', 'test/6.png,blond,no,')
  with pytest.raises(UserError, match='no training image has hair=blond'):
    load(tmp_path)


def test_files_that_are_not_there_and_a_missing_table_are_told(tmp_path, table):
  table('train/0.png,black,no,', 'train/x.png,red,yes,')
  with pytest.raises(UserError, match=r'names files that are not there: train/x.png'):
    load(tmp_path)
  (tmp_path / 'attributes.csv').unlink()
  with pytest.raises(UserError, match='it has to list the images'):
    load(tmp_path)


def test_without_a_test_folder_one_image_in_ten_is_for_testing():
  names = [f'{i:05d}.png' for i in range(2000)]
  assert sum(map(labelled.one_in_ten, names)) == pytest.approx(200, abs=40)
  assert labelled.one_in_ten('a/x.png') == labelled.one_in_ten('b/x.png')


FACES = {'age': ('0-5', '6-20', '21+'), 'gender': ('male', 'female')}


def faces(tmp_path, *extra):
  for age in (0, 5, 6, 20, 21, 99):
    for gender in (0, 1):
      picture(tmp_path / f'{age}_{gender}_2_20170116174525125.jpg.chip.jpg', age)
  for name in extra:
    picture(tmp_path / name)
  return tmp_path


def test_utkface_names_are_read_as_ranges_of_age_and_gender(tmp_path):
  dataset = load(faces(tmp_path), source='utkface', attributes=FACES)
  seen = {}
  for images, labels, _ in (dataset.train, dataset.test):
    seen |= {name.split('_2_')[0]: tuple(row) for name, row in zip(images.names, labels, strict=True)}
  assert seen['5_0'] == (0, 0)
  assert seen['6_1'] == (1, 1)
  assert seen['20_0'] == (1, 0)
  assert seen['99_1'] == (2, 1)


def test_a_face_with_an_odd_name_is_left_out_and_told_many_are_an_error(tmp_path):
  dataset = load(faces(tmp_path, '61_3_2017.jpg'), source='utkface', attributes=FACES)
  assert 'left out, for their names: 61_3_2017.jpg' in dataset.describe()
  with pytest.raises(UserError, match=r'3 of 15 images .* not named as UTKFace'):
    load(faces(tmp_path, 'me.jpg', 'you.jpg'), source='utkface', attributes=FACES)


def test_utkface_has_three_attributes(tmp_path):
  with pytest.raises(UserError, match='no attribute hat; it has age, gender, race'):
    load(faces(tmp_path), source='utkface', attributes={'hat': ('no', 'yes')})


def test_an_age_can_be_the_number_itself_and_a_gender_cannot(tmp_path):
  dataset = load(faces(tmp_path), source='utkface', attributes={'age': ()})
  assert dataset.train.labels.dtype == np.float32
  assert {0, 5, 6, 20, 21, 99} == {*dataset.train.labels[:, 0], *dataset.test.labels[:, 0]}
  with pytest.raises(UserError, match=r'attributes.gender=\(\): gender is no quantity in UTKFace'):
    load(faces(tmp_path), source='utkface', attributes={'gender': ()})


# Pairs.


def side_by_side(path, left=10, right=200):
  picture(path, left, (32, 16))
  with Image.open(path) as image:
    image = image.copy()
  image.paste((right,) * 3, (16, 0, 32, 16))
  image.save(path)


@pytest.mark.parametrize('direction', ['a_to_b', 'b_to_a'])
def test_direction_says_which_half_is_the_input(tmp_path, direction):
  side_by_side(tmp_path / 'train' / '0.png')
  side_by_side(tmp_path / 'val' / '0.png')
  dataset = load(tmp_path, Aligned, **{'data.direction': direction})
  expected = [10, 200] if direction == 'a_to_b' else [200, 10]
  assert [half[0].max() for half in dataset.train] == expected
  assert dataset.train.input[0].shape == (16, 16, 3)
  with pytest.raises(UserError, match=r"data.direction='up' is unknown; there are a_to_b and b_to_a"):
    load(tmp_path, Aligned, **{'data.direction': 'up'})


def test_a_pair_file_of_odd_width_is_told(tmp_path):
  picture(tmp_path / 'train' / 'odd.png', size=(33, 16))
  with pytest.raises(UserError, match=r'1 of 1 files have an odd width .*odd.png \(33 px\)'):
    load(tmp_path, Aligned)


def test_no_pairs_are_told(tmp_path):
  with pytest.raises(UserError, match=r'no pairs below .*train'):
    load(tmp_path, Aligned)


def test_two_folders_pair_files_of_equal_names_and_one_alone_is_told(tmp_path):
  for i in range(3):
    picture(tmp_path / 'trainA' / f'{i}.png', i)
    picture(tmp_path / 'trainB' / f'{i}.jpg', 100 + i)
  train = load(tmp_path, Aligned).train
  assert [int(x.mean()) for x in train.target] == [100, 101, 102]
  picture(tmp_path / 'trainB' / 'more.png')
  with pytest.raises(UserError, match=r'1 images in trainA or trainB .* no partner .*: more'):
    load(tmp_path, Aligned)


def test_stretching_uses_the_whole_range_over_all_channels_and_leaves_a_flat_image_black():
  image = np.array([[[10, 20, 30]], [[60, 20, 30]]], np.uint8)
  np.testing.assert_array_equal(stretch(image), [[[0, 51, 102]], [[255, 51, 102]]])
  assert not stretch(np.full((2, 2, 3), 7, np.uint8)).any()


def test_batches_are_stretched_where_the_config_says_so(tmp_path):
  side_by_side(tmp_path / 'train' / '0.png')
  config = make_config(batch_size=1, **{'data.stretch': True, 'data.source': 'folder'})
  dataset = load(tmp_path, Aligned)
  (batch,) = take(dataset, config, 1)
  assert not batch.input.any()


# Built in.


def test_avatars_of_one_seed_differ_in_their_labels_only():
  pytest.importorskip('dicebear')
  from decoupled_gan.data.sources import avatars

  draw = avatars._artist()
  face, bearded, glasses = (draw('x', labels) for labels in ([0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]))
  np.testing.assert_array_equal(draw('x', [0, 0, 0, 0]), face)
  rows = {name: np.flatnonzero((x != face).any((1, 2))) for name, x in
          {'beard': bearded, 'glasses': glasses}.items()}  # fmt: skip
  assert rows['glasses'].max() < 40 < rows['beard'].max() < 64
  assert rows['glasses'].min() > 20


def test_avatars_refuse_values_that_they_do_not_have():
  from decoupled_gan.data.sources import avatars

  config = make_config(attributes={'hair': ('black', 'white')})
  with pytest.raises(UserError, match=r'attributes.hair=.* is not what the avatars have'):
    avatars.load(config)


def test_avatars_name_the_packages_to_install(monkeypatch):
  from decoupled_gan.data.sources import avatars

  monkeypatch.setitem(avatars.PACKAGES, 'dicebear-core', '0.0')
  with pytest.raises(UserError, match=r'pip install dicebear-core==0.0 dicebear-styles==10.6.0'):
    avatars._check_packages()
