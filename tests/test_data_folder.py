"""The folder source: what is found, how it is decoded, and every mistake told in a sentence."""

import numpy as np
import pytest
from PIL import Image, features
from test_data import make_config

from decoupled_gan import data
from decoupled_gan.data.decode import decode
from decoupled_gan.errors import UserError

FOLDERS = ('trainA', 'trainB', 'testA', 'testB')


def picture(seed=0, height=24, width=20):
  coarse = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
  return Image.fromarray(coarse).resize((width, height))


@pytest.fixture
def root(tmp_path):
  """A valid data set of 3 images in each of the four folders."""
  for number, folder in enumerate(FOLDERS):
    (tmp_path / folder).mkdir()
    for index in range(3):
      picture(10 * number + index).save(tmp_path / folder / f'{index}.png')
  return tmp_path


def load(root, **fields):
  return data.load(make_config(**{'data.source': 'folder', 'data.path': str(root), **fields}))


def error(root, **fields) -> str:
  with pytest.raises(UserError) as caught:
    load(root, **fields)
  return str(caught.value)


def test_images_of_any_extension_name_and_depth_are_found_in_sorted_order(root):
  (root / 'trainA' / 'deep' / 'er').mkdir(parents=True)
  for name in ['B.JPG', 'c d.jpeg', 'deep/er/ü.bmp', 'deep/x.ppm', 'y.tif', 'y.TIFF', 'z.pgm']:
    picture().save(root / 'trainA' / name)
  if features.check('webp'):
    picture().save(root / 'trainA' / 'w.webp')
  (root / 'trainA' / 'readme.txt').write_text('no image')
  (root / 'trainA' / '._B.jpg').write_bytes(b'what macOS leaves behind')
  images = load(root).train.a
  assert images.names == tuple(sorted(images.names))
  assert len(images) == 3 + 7 + features.check('webp')
  assert 'deep/er/ü.bmp' in images.names
  assert all(images[i].shape == (24, 20, 3) for i in range(len(images)))


def test_symbolic_links_are_followed_but_not_in_circles(root, tmp_path_factory):
  elsewhere = tmp_path_factory.mktemp('elsewhere')
  (root / 'trainA').rename(elsewhere / 'photos')
  (root / 'trainA').symlink_to(elsewhere / 'photos')
  (elsewhere / 'photos' / 'circle').symlink_to(elsewhere / 'photos')
  assert len(load(root).train.a) == 3


@pytest.mark.parametrize('channels', [1, 3])
def test_every_pixel_mode_is_decoded_to_the_asked_channels(tmp_path, channels):
  colour = picture()
  for mode in ['1', 'L', 'LA', 'P', 'RGB', 'RGBA']:
    path = tmp_path / f'{mode}.png'
    colour.convert(mode).save(path)
    image = decode(path, channels, path)
    assert image.shape == (24, 20, channels)
    assert image.dtype == np.uint8
    grey = np.asarray(colour.convert(mode).convert('RGB' if channels == 3 else 'L'))
    np.testing.assert_allclose(image.squeeze().astype(int), grey, atol=1)
  colour.convert('CMYK').save(tmp_path / 'cmyk.jpg')
  assert decode(tmp_path / 'cmyk.jpg', channels, 'x').shape == (24, 20, channels)


def test_transparency_is_composited_on_white(tmp_path):
  clear = Image.new('RGBA', (8, 8), (0, 0, 0, 0))
  clear.save(tmp_path / 'rgba.png')
  palette = Image.new('P', (8, 8), 0)
  palette.save(tmp_path / 'p.png', transparency=0)
  for name in ('rgba.png', 'p.png'):
    assert decode(tmp_path / name, 3, name).min() == 255


@pytest.mark.parametrize('name', ['x.png', 'x.tif', 'x.pgm'])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, name):
  ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
  Image.fromarray(ramp).save(tmp_path / name)
  image = decode(tmp_path / name, 3, name)
  np.testing.assert_allclose(image[..., 0].ravel().astype(int), np.arange(256), atol=1)


def test_exif_orientation_is_applied(tmp_path):
  image = picture(height=24, width=16)
  exif = Image.Exif()
  exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to show
  image.save(tmp_path / 'x.jpg', exif=exif, quality=95)
  shown = decode(tmp_path / 'x.jpg', 3, 'x')
  assert shown.shape == (16, 24, 3)
  upright = np.rot90(np.asarray(image), k=-1).astype(int)
  assert abs(shown.astype(int) - upright).mean() < 8


def test_batches_of_files_have_one_size_whatever_theirs_are(root):
  picture(height=80, width=9).save(root / 'trainA' / 'tall.png')
  config = make_config(
    batch_size=8, **{'data.augment': True, 'data.source': 'folder', 'data.path': str(root)}
  )
  iterator = data.train_batches(data.load(config), config)
  assert next(iterator).a.shape == (8, 8, 8, 3)
  iterator.close()


def test_missing_path_is_told_with_what_lies_nearest(root):
  message = error(root / 'nope' / 'deeper')
  assert f"deeper' is not a folder: in {str(root)!r} there are testA/, testB/, trainA/" in message
  assert 'needs data.path' in error('')


@pytest.mark.parametrize('names', [['trainA'], ['trainB'], ['trainA', 'trainB']])
def test_missing_training_folders_are_named_with_what_was_found_instead(root, names):
  for name in names:
    (root / name).rename(root / name.lower())
  message = error(root)
  assert f'no images in {" and ".join(names)} below {str(root)!r}: found ' in message
  assert f'{names[0].lower()}/' in message
  assert 'put the two domains into trainA and trainB' in message


def test_folder_without_images_is_told_with_the_extensions(root):
  for path in (root / 'trainB').iterdir():
    path.rename(path.with_suffix('.gif'))
  assert 'no images in trainB' in error(root)
  assert 'their images must end in .jpg .jpeg .png' in error(root)


def test_archive_that_unpacked_one_level_too_deep_gets_the_right_path_proposed(root):
  (root / 'inner').mkdir()
  for name in FOLDERS:
    (root / name).rename(root / 'inner' / name)
  assert f'did you mean data.path={str(root / "inner")!r}?' in error(root)


@pytest.mark.parametrize('missing', ['testA', 'testB'])
def test_without_a_test_folder_training_images_stand_in_and_describe_says_so(root, missing):
  for path in (root / missing).iterdir():
    path.unlink()
  (root / missing).rmdir()
  dataset = load(root)
  assert (dataset.test.a is dataset.train.a) == (missing == 'testA')
  assert (dataset.test.b is dataset.train.b) == (missing == 'testB')
  assert f'no images in {missing}: those of train{missing[-1]} stand in' in dataset.describe()
  assert not dataset.aligned_test


def damage(path):
  """Cuts a file in the middle."""
  content = path.read_bytes()
  path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize('name', ['x.jpg', 'x.png', 'x.webp', 'x.bmp', 'x.ppm', 'x.tif'])
def test_truncated_file_of_any_format_is_named_before_training(root, name):
  path = root / 'trainB' / name
  picture(height=200, width=200).save(path)
  load(root)
  damage(path)
  assert error(root).startswith(f'1 of 13 images cannot be used, repair or remove them: {path} (')


def test_all_damaged_files_are_named_with_their_reasons_in_one_message(root):
  (root / 'trainA' / 'empty.jpg').touch()
  (root / 'trainB' / 'text.png').write_text('<html>404</html>')
  picture().convert('L').convert('F').save(root / 'testB' / 'float.tif')
  damage(root / 'testA' / '0.png')
  message = error(root)
  assert message.startswith('4 of 15 images')
  for part in [
    'empty.jpg (empty file)',
    'text.png (not an image)',
    'testA/0.png (',
    'float.tif (f',
  ]:
    assert part in message


def test_long_list_of_damaged_files_is_cut_at_a_dozen(root):
  for index in range(20):
    (root / 'trainA' / f'empty{index:02d}.jpg').touch()
  message = error(root)
  assert message.count('.jpg') == 12
  assert message.endswith('and 8 more')


def test_jpeg_with_a_trailer_behind_its_end_is_fine(root):
  path = root / 'trainA' / 'x.jpg'
  picture().save(path)
  path.write_bytes(path.read_bytes() + b'some cameras write things here')
  assert len(load(root).train.a) == 4


def test_image_that_would_be_enlarged_more_than_eight_times_is_named_with_its_size(root):
  assert load(root, image_size=160)  # 20 px, the shorter side, times 8
  message = error(root, image_size=168)
  assert '12 of 12 images have a shorter side below 21 px' in message
  assert 'trainA/0.png (20 px)' in message
  assert 'lower image_size' in message


def test_file_that_breaks_after_the_check_is_named_when_its_turn_comes(root):
  config = make_config(**{'data.source': 'folder', 'data.path': str(root)})
  dataset = data.load(config)
  for path in (root / 'trainB').iterdir():
    damage(path)
  iterator = data.train_batches(dataset, config)
  with pytest.raises(UserError, match=r'trainB/\d.png. cannot be decoded \(.*repair or remove it'):
    next(iterator)
  iterator.close()
