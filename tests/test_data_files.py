"""Files as they come: archives, values, names, formats, damage; and what each is told as."""

import io
import unicodedata
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from test_data import make_config, take

from decoupled_gan import data
from decoupled_gan.core.types import Aligned, Examples, Pair
from decoupled_gan.data import decode, files
from decoupled_gan.errors import UserError
from decoupled_gan.machine.archive import Archive, Member


def picture(path, level=0, size=(16, 16), **options):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.new('RGB', size, (level,) * 3).save(path, **options)


def load(path, kind=Pair, source='folder', **fields):
  return data.load(make_config(**{'data.source': source, 'data.path': str(path)} | fields), kind)


def levels(images):
  return [int(images[i].mean()) for i in range(len(images))]


# Pairs are joined by name.


@pytest.mark.parametrize(
  ('a', 'b'),
  [
    (['p.jpg', 'p.left.jpg'], ['p.png', 'p.left.png']),
    (['x/p.PNG', 'x/p-2.PNG', 'x.png'], ['x/p.bmp', 'x/p-2.bmp', 'x.bmp']),
    (
      [unicodedata.normalize('NFC', 'é.png'), 'f.png'],
      [unicodedata.normalize('NFD', 'é.png'), 'f.png'],
    ),
    (['a.png', 'a b.png', 'a.1.tif'], ['a.webp', 'a b.webp', 'a.1.webp']),
  ],
)
def test_files_of_equal_names_are_a_pair_wherever_their_endings_sort_them(tmp_path, a, b):
  for split in ('train', 'test'):
    for i, (one, other) in enumerate(zip(a, b, strict=True)):
      picture(tmp_path / f'{split}A' / one, 20 * i + 10)
      picture(tmp_path / f'{split}B' / other, 20 * i + 11)
  found = load(tmp_path, Aligned)
  for pairs in (found.train, found.test):
    first, second = (np.array(levels(images)) // 20 for images in pairs)
    np.testing.assert_array_equal(first, second)


def test_two_files_of_one_name_in_a_folder_are_no_pair_but_a_question(tmp_path):
  for name in ('trainA/p.jpg', 'trainA/p.png', 'trainB/p.png'):
    picture(tmp_path / name)
  with pytest.raises(UserError, match=r'trainA has both p\.jpg and p\.png: pairs are joined by their'):
    load(tmp_path, Aligned)


# Zips are read in place.


def zipped(folder, target, compression=zipfile.ZIP_STORED, prefix='', separator='/'):
  with zipfile.ZipFile(target, 'w', compression) as archive:
    for path in sorted(folder.rglob('*')):
      if path.is_file():
        name = prefix + str(path.relative_to(folder))
        info = zipfile.ZipInfo(name.replace('/', separator))
        info.compress_type = compression
        archive.writestr(info, path.read_bytes())
  return target


@pytest.fixture
def domains(tmp_path):
  for i in range(4):
    for split in ('trainA', 'trainB', 'testA', 'testB'):
      picture(tmp_path / 'photos' / split / f'{i}.png', 30 * i + ord(split[-1]))
  return tmp_path / 'photos'


@pytest.mark.parametrize('compression', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
@pytest.mark.parametrize('prefix', ['', 'photos/', 'a/b/'])
@pytest.mark.parametrize('separator', ['/', '\\'])
def test_a_zip_is_the_folder_in_it(tmp_path, domains, compression, prefix, separator):
  archive = zipped(domains, tmp_path / 'photos.zip', compression, prefix, separator)
  inside, outside = load(archive), load(domains)
  for found, expected in zip(
    (*inside.train, *inside.test), (*outside.train, *outside.test), strict=True
  ):
    assert found.names == expected.names
    assert levels(found) == levels(expected)
  (batch,) = take(inside, make_config(), 1)
  assert batch.a.dtype == np.uint8


def test_a_zip_is_read_by_many_threads_at_random(tmp_path):
  for i in range(50):
    picture(tmp_path / 'in' / f'{i:02d}.png', 5 * i)
  images = load(zipped(tmp_path / 'in', tmp_path / 'x.zip', zipfile.ZIP_DEFLATED), Examples).train.x
  order = np.random.default_rng(0).integers(0, 50, 2000)
  with ThreadPoolExecutor(16) as pool:
    found = list(pool.map(lambda i: int(images[int(i)].mean()), order))
  assert found == [5 * i for i in order]


def test_what_macos_adds_to_a_zip_is_left_out(tmp_path):
  picture(tmp_path / 'in' / 'a.png')
  archive = zipped(tmp_path / 'in', tmp_path / 'x.zip')
  with zipfile.ZipFile(archive, 'a') as file:
    file.writestr('__MACOSX/._a.png', b'nothing')
    file.writestr('.hidden/b.png', b'nothing')
  assert load(archive, Examples).train.x.names == ('a.png',)


def encrypted(path):
  """A zip whose directory says that its member is."""
  content = bytearray(zipped(path.parent / 'in', path).read_bytes())
  content[content.index(b'PK\x01\x02') + 8] |= 1
  path.write_bytes(content)


@pytest.mark.parametrize(
  ('make', 'told'),
  [
    (lambda path: path.write_bytes(b'no zip'), 'cannot be read as a zip file'),
    (lambda path: path.write_bytes(b''), 'cannot be read as a zip file'),
    (encrypted, 'is encrypted: make one without a password'),
  ],
)
def test_a_zip_that_cannot_be_read_is_told(tmp_path, make, told):
  picture(tmp_path / 'in' / 'a.png')
  make(tmp_path / 'x.zip')
  with pytest.raises(UserError, match=told):
    load(tmp_path / 'x.zip', Examples)


def test_a_damaged_member_of_a_zip_is_named_when_its_turn_comes(tmp_path):
  pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
  (tmp_path / 'in').mkdir()
  Image.fromarray(pixels).save(tmp_path / 'in' / 'a.png')
  archive = zipped(tmp_path / 'in', tmp_path / 'x.zip')
  content = bytearray(archive.read_bytes())
  content[150_000:150_064] = bytes(64)  # beyond what is looked at before
  archive.write_bytes(content)
  images = load(archive, Examples).train.x
  with pytest.raises(UserError, match=r'x\.zip/a\.png.*damaged in the archive'):
    images[0]


def test_a_header_that_is_longer_than_the_first_look_is_read_whole(tmp_path):
  text = PngImagePlugin.PngInfo()
  text.add_text('note', 'x' * 200_000)
  picture(tmp_path / 'in' / 'a.png', 7, pnginfo=text)
  assert levels(load(zipped(tmp_path / 'in', tmp_path / 'x.zip'), Examples).train.x) == [7]


def test_a_member_behaves_as_a_path_does(tmp_path, domains):
  root = Member(Archive(zipped(domains, tmp_path / 'x.zip')))
  assert [path.name for path in root.iterdir()] == ['testA', 'testB', 'trainA', 'trainB']
  assert (root / 'trainA').is_dir()
  assert (root / 'trainA/../trainB/0.png').is_file()
  assert not (root / '.hidden').is_file()
  assert not (root / '../x.zip').is_file()
  assert str(root / 'trainA/0.png') == f'{tmp_path}/x.zip/trainA/0.png'


# A split that is asked for.


@pytest.mark.parametrize(('train', 'test'), [('train', 'test'), ('Train', 'TEST'), ('train', 'val')])
def test_plain_images_in_train_and_test_are_for_training_and_testing(tmp_path, train, test):
  for i in range(6):
    picture(tmp_path / (test if i > 3 else train) / 'x' / f'{i}.png', i)
  picture(tmp_path / 'elsewhere.png', 9)
  found = load(tmp_path, Examples)
  assert (levels(found.train.x), levels(found.test.x)) == ([0, 1, 2, 3], [4, 5])
  assert f'not used: 1 images outside of train and {test.lower()}' in found.describe()


# Values and depth.


def ramp(largest, path, dtype=np.uint16):
  path.parent.mkdir(parents=True, exist_ok=True)
  values = np.linspace(0, largest, 64 * 64).round().astype(dtype).reshape(64, 64)
  Image.fromarray(values).save(path)


@pytest.mark.parametrize('name', ['a.png', 'a.tif'])
@pytest.mark.parametrize('bits', [10, 12, 14])
def test_values_that_fill_a_part_of_16_bits_are_told_and_a_range_gives_all_levels(tmp_path, name, bits):
  largest = 2**bits - 16
  ramp(largest, tmp_path / name)
  found = load(tmp_path, Examples, image_channels=1)
  share = 100 * largest / 65535
  assert (
    f'the largest value of 1 16-bit images is {largest}: they fill {share:.0f} % of the range; say '
    f'data.range=0,{2**bits - 1}'
  ) in found.describe()
  fields = {'image_channels': 1, 'data.range': (0, largest)}
  image = load(tmp_path, Examples, **fields).train.x[0]
  assert len(np.unique(image)) == 256
  assert 'range' not in load(tmp_path, Examples, **fields).describe()


def png_of_16_bit_colour(path, values):
  """Pillow writes none."""
  height, width, _ = values.shape
  rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in values)

  def chunk(kind, content):
    check = zlib.crc32(kind + content).to_bytes(4, 'big')
    return len(content).to_bytes(4, 'big') + kind + content + check

  header = width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + bytes([16, 2, 0, 0, 0])
  parts = chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')
  path.write_bytes(b'\x89PNG\r\n\x1a\n' + parts)


def test_16_bit_colour_and_dim_8_bit_pictures_are_told_too(tmp_path):
  (tmp_path / 'deep').mkdir()
  png_of_16_bit_colour(tmp_path / 'deep/a.png', np.full((16, 16, 3), 4080))
  assert 'the largest value of 1 16-bit images is 3855' in load(tmp_path / 'deep', Examples).describe()
  found = load(tmp_path / 'deep', Examples, **{'data.range': (0, 4080)}).train.x[0]
  assert found.min() > 235  # of the upper 8 bits
  picture(tmp_path / 'dim/a.png', 15)
  assert 'they fill 6 % of the range; say data.range=0,15' in load(tmp_path / 'dim', Examples).describe()
  assert levels(load(tmp_path / 'dim', Examples, **{'data.range': (0, 15)}).train.x) == [255]
  picture(tmp_path / 'bright/a.png', 200)
  assert 'range' not in load(tmp_path / 'bright', Examples).describe()


def test_floats_and_values_below_zero_are_read_with_a_range(tmp_path):
  """A CT image has -1024 (air) to 3071."""
  values = np.linspace(-1024, 3071, 256).reshape(16, 16)
  Image.fromarray(values.astype(np.float32)).save(tmp_path / 'float.tif')
  with pytest.raises(UserError, match=r'floating-point pixels: give their range, data\.range=low,high'):
    load(tmp_path, Examples)
  fields = {'data.range': (-1024, 3071), 'image_channels': 1}
  image = load(tmp_path, Examples, **fields).train.x[0]
  assert (image.min(), image.max(), len(np.unique(image))) == (0, 255, 256)
  (tmp_path / 'float.tif').unlink()
  Image.fromarray(values.astype(np.int32)).save(tmp_path / 'int.tif')
  told = load(tmp_path, Examples).describe()
  assert 'lie between -1024 and 3071, and those below 0 become black: say data.range=-1024,3071' in told


@pytest.mark.parametrize('values', [(1,), (2, 1), (0, 1, 2), (0, 'x'), (0, float('nan'))])
def test_a_range_that_is_none_is_told(tmp_path, values):
  picture(tmp_path / 'a.png')
  config = make_config(**{'data.source': 'folder', 'data.path': str(tmp_path)})
  with config.ignore_type():
    config.data.range = values
  with pytest.raises(UserError, match='is no range: the values that become black and white'):
    data.load(config, Examples)


def test_a_range_is_refused_where_nothing_reads_it():
  with pytest.raises(UserError, match=r"data\.source='fake' makes its own pictures"):
    load('', Examples, 'fake', **{'data.range': (0, 4095)})


@pytest.mark.parametrize(
  ('kind', 'source'), [(Pair, 'fake'), (Aligned, 'terrain'), (Examples, 'digits')]
)
def test_a_path_is_refused_where_nothing_reads_it(tmp_path, kind, source):
  with pytest.raises(UserError, match=rf"data\.path=.* is not read by data\.source='{source}'.*folder"):
    load(tmp_path, kind, source)


# Limits of libraries, damage, other formats.


def test_a_large_picture_is_read_without_a_warning_and_a_huge_one_is_told(tmp_path, monkeypatch):
  Image.new('1', (14000, 14000)).save(tmp_path / 'scan.png')
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    assert decode.look(tmp_path / 'scan.png').problem == ''
  monkeypatch.setattr(decode, 'MEGAPIXELS', 150)
  problem = decode.look(tmp_path / 'scan.png').problem
  assert problem == '196 megapixels, more than the 150 that are read: make it smaller'
  with pytest.raises(UserError, match=r'has 196 megapixels, more than the 150 that are read$'):
    decode.decode(tmp_path / 'scan.png', 1, 'scan.png')


def test_a_file_that_has_gone_is_not_called_damaged(tmp_path):
  picture(tmp_path / 'a.png')
  images = load(tmp_path, Examples).train.x
  (tmp_path / 'a.png').unlink()
  with pytest.raises(UserError, match=r"a\.png' is not there any more"):
    images[0]


def test_other_pictures_are_left_out_and_counted_once(tmp_path):
  picture(tmp_path / 'trainA/a.png')
  picture(tmp_path / 'trainB/a.png')
  for name in ('trainA/x.heic', 'trainA/y.avif', 'trainB/z.HEIC', 'trainB/film.mp4', 'trainB/notes.txt'):
    (tmp_path / name).write_bytes(b'1')
  told = [line for line in load(tmp_path).describe().splitlines() if 'left out' in line]
  assert len(told) == 1
  assert told[0].endswith(': 2 .heic, 1 .avif, 1 .mp4')


@pytest.mark.parametrize('name', ['a.webp', 'a.tif', 'a.png'])
def test_of_an_animation_the_first_frame_is_used_and_that_is_told(tmp_path, name):
  frames = [Image.new('RGB', (16, 16), (level,) * 3) for level in (200, 100)]
  frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
  found = load(tmp_path, Examples)
  assert f'only the first frame is used of {tmp_path / name}' in found.describe()
  assert abs(levels(found.train.x)[0] - 200) < 3


def test_a_photo_with_a_second_picture_in_it_is_no_animation(tmp_path):
  """A phone's MPO: the second one is for depth."""
  frames = [Image.new('RGB', (16, 16), (level,) * 3) for level in (200, 100)]
  frames[0].save(tmp_path / 'a.jpg', format='MPO', save_all=True, append_images=frames[1:])
  assert 'frame' not in load(tmp_path, Examples).describe()


def test_a_set_of_thousands_is_looked_at_and_its_values_in_a_few(tmp_path, monkeypatch):
  seen = []
  monkeypatch.setattr(files, 'values_of', lambda path: seen.append(path) or (0, 255, 255))
  content = io.BytesIO()
  Image.new('RGB', (16, 16)).save(content, 'PNG')
  for i in range(100):
    (tmp_path / f'{i}.png').write_bytes(content.getvalue())
  load(tmp_path, Examples)
  assert len(seen) == files.SAMPLE
