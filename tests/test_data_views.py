"""Single images from folders and built-in sets; datasets cropped and mirrored."""

import numpy as np
import pytest
from PIL import Image
from test_data import make_config

from decoupled_gan import data
from decoupled_gan.core.types import Aligned, Examples, present
from decoupled_gan.data.transforms import center_crop
from decoupled_gan.data.views import cropped, mirrored
from decoupled_gan.errors import UserError


@pytest.fixture
def folder(tmp_path):
  """Five images 20 px wide and 12 high, in folders of two depths; image i is i at its left half."""
  (tmp_path / 'deep' / 'er').mkdir(parents=True)
  for i in range(5):
    pixels = np.full((12, 20, 3), 200, np.uint8)
    pixels[:, :10] = 10 * i
    Image.fromarray(pixels).save(tmp_path / ('deep/er' if i % 2 else '.') / f'{i}.png')
  return tmp_path


def plain(source, **fields):
  return data.load(make_config(**{'data.source': source, **fields}), Examples)


def test_a_folder_of_any_depth_is_a_set_of_single_images(folder):
  dataset = plain('folder', **{'data.path': str(folder)})
  names = ['0.png', '2.png', '4.png', 'deep/er/1.png', 'deep/er/3.png']
  assert sorted(dataset.train.x.names) == names
  assert 'the samples show training images' in dataset.describe()


def test_a_folder_without_images_is_told_with_what_is_there(tmp_path):
  (tmp_path / 'notes.txt').write_text('')
  with pytest.raises(UserError, match=r'no images below .*found notes.txt; images end in \.jpg'):
    plain('folder', **{'data.path': str(tmp_path)})


def test_a_missing_folder_is_told(tmp_path):
  with pytest.raises(UserError, match=r'needs data.path: a folder that holds the images'):
    plain('folder')
  with pytest.raises(UserError, match=r'is not a folder.*give the folder that holds the images'):
    plain('folder', **{'data.path': str(tmp_path / 'none')})


def test_mirrored_images_double_the_set_and_come_in_batches(folder):
  dataset = plain('folder', **{'data.path': str(folder), 'data.mirror': True})
  images = dataset.train.x
  assert len(images) == len(images.names) == 10
  for i in range(5):
    np.testing.assert_array_equal(images[i + 5], images[i][:, ::-1])
  assert len(dataset.test.x) == 5
  assert 'half of the training images are mirror images' in dataset.describe()
  config = make_config(batch_size=10)
  iterator = data.train_batches(dataset, config)
  batch = next(iterator).x
  iterator.close()
  lefts = sorted(int(x[0, 0, 0]) for x in batch)
  assert lefts == [0, 10, 20, 30, 40, 200, 200, 200, 200, 200]


def test_images_are_cropped_to_their_middle_before_they_are_resized(folder):
  dataset = plain('folder', **{'data.path': str(folder), 'data.center_crop': True})
  assert dataset.train.x[0].shape == dataset.test.x[0].shape == (12, 12, 3)
  assert (dataset.train.x[1][:, :6] < 200).all()
  assert (dataset.train.x[1][:, 6:] == 200).all()


@pytest.mark.parametrize('shape', [(4, 7, 3), (7, 4, 1), (5, 5, 3)])
def test_a_centre_crop_is_the_largest_square_in_the_middle(shape):
  image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
  side = min(shape[:2])
  top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
  np.testing.assert_array_equal(
    center_crop(image), image[top : top + side, left : left + side]
  )


@pytest.mark.parametrize('kind', [Aligned, Examples])
def test_fields_of_an_example_are_changed_together_and_labels_stay(kind):
  config = make_config(attributes={'age': ('young', 'old')})
  dataset = data.load(config, kind)
  doubled = mirrored(cropped(dataset))
  fields = zip(present(dataset.train).values(), present(doubled.train).values(), strict=True)
  for before, after in fields:
    flip = before[3] if isinstance(before, np.ndarray) else before[3][:, ::-1]
    np.testing.assert_array_equal(after[3 + len(before)], flip)
    np.testing.assert_array_equal(after[3], before[3])


@pytest.mark.parametrize(
  'fields', [{'class_counts': (1, 2)}, {'held_out': 1}, {'labels_per_class': 1}, {'labelled_repeats': 2}]
)
def test_what_goes_by_classes_is_told_where_images_of_two_domains_have_none(fields):
  config = make_config(source='fake')
  config.data.update(fields)
  with pytest.raises(UserError, match=rf'data.{next(iter(fields))}'):
    data.load(config)


def test_an_index_beyond_the_end_is_none():
  dataset = mirrored(data.load(make_config(), Examples))
  with pytest.raises(IndexError):
    dataset.train.x[128]


# Built-in sets.


def test_terrain_tiles_of_one_map_are_those_of_both_domains():
  dataset = plain('terrain')
  assert (len(dataset.train.x), len(dataset.test.x)) == (2181, 279)
  pairs = data.load(make_config(**{'data.source': 'terrain'}))
  assert set(dataset.train.x.names) == {*pairs.train.a.names, *pairs.train.b.names}
  np.testing.assert_array_equal(dataset.train.x[0], pairs.train.a[0])


def test_emoji_of_one_style_are_single_images():
  dataset = plain('emoji', **{'data.a': 'openmoji'})
  pairs = data.load(make_config(**{'data.source': 'emoji'}))
  np.testing.assert_array_equal(dataset.train.x[7], pairs.train.b[7])


@pytest.mark.parametrize(('source', 'names'), [('terrain', 'satellite, relief'), ('emoji', 'twemoji')])
def test_an_unknown_rendering_is_told(source, names):
  with pytest.raises(UserError, match=f"data.a='map' is not a domain of .*{source}.*: it has {names}"):
    plain(source, **{'data.a': 'map'})
