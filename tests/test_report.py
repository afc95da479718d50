"""What a run tells: its metrics after a resume, its sample grids, its progress lines."""

import errno
import io
import json
import re
import sys
import time

import numpy as np
import pytest
from PIL import Image

from decoupled_gan.core.types import Pair
from decoupled_gan.errors import RunError, UserError
from decoupled_gan.run.metrics_file import Metrics
from decoupled_gan.run.pictures import HEAT, cloud, grid, heat_to_uint8, save_image
from decoupled_gan.run.progress import Progress

# metrics.jsonl.


def lines(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path):
  """Metrics of steps 10, 20 and 30."""
  path = tmp_path / 'metrics.jsonl'
  metrics = Metrics(path, 0)
  for step in (10, 20, 30):
    metrics.write(step, {'translate/cycle': step / 7})
  metrics.close()
  return path


def test_a_disk_that_gets_full_is_one_sentence_and_closing_adds_none(tmp_path):
  class Full(io.StringIO):
    def flush(self):
      raise OSError(errno.ENOSPC, 'No space left on device')

    close = flush

  metrics = Metrics(tmp_path / 'metrics.jsonl', 0)
  metrics._file.close()
  metrics._file = Full()
  with pytest.raises(RunError, match=r'metrics.jsonl could not be written \(No space'), metrics:
    metrics.write(1, {'translate/cycle': 1.0})


def test_a_line_is_one_object_with_the_step_first_and_full_precision(path):
  assert path.read_text().splitlines()[0] == '{"step": 10, "translate/cycle": 1.4285714285714286}'
  assert [line['step'] for line in lines(path)] == [10, 20, 30]


def test_a_line_is_on_disk_as_soon_as_it_is_written(tmp_path):
  metrics = Metrics(tmp_path / 'metrics.jsonl', 0)
  metrics.write(1, {'x': 1.0})
  assert lines(tmp_path / 'metrics.jsonl') == [{'step': 1, 'x': 1.0}]
  metrics.close()


def test_tensorboard_events_lie_beside_the_metrics(path):
  assert list(path.parent.glob('events.out.tfevents.*'))


@pytest.mark.parametrize(('start', 'kept'), [(30, 3), (20, 2), (25, 2), (10, 1), (0, 0), (99, 3)])
def test_resuming_forgets_the_lines_after_the_checkpoint(start, kept, path):
  metrics = Metrics(path, start)
  metrics.write(start + 10, {'x': 0.0})
  metrics.close()
  assert [line['step'] for line in lines(path)] == [*[10, 20, 30][:kept], start + 10]


@pytest.mark.parametrize('half', ['{"step": 40, "trans', '{"step": 4', '{', '{"step": 40, "x": 1}'])
def test_resuming_forgets_a_last_line_that_was_half_written(half, path):
  with path.open('a') as file:
    file.write(half)
  metrics = Metrics(path, 40)
  metrics.write(50, {'x': 0.0})
  metrics.close()
  assert [line['step'] for line in lines(path)] == [10, 20, 30, 50]


def test_an_untouched_file_is_not_rewritten(path):
  before = path.stat().st_mtime_ns, path.read_bytes()
  Metrics(path, 30).close()
  assert (path.stat().st_mtime_ns, path.read_bytes()) == before


@pytest.mark.parametrize('damage', ['{"step": 2', '[]', '{"x": 1.0}'])
def test_a_damaged_line_is_told_by_number_and_text(path, damage):
  text = path.read_text().splitlines()
  path.write_text('\n'.join([text[0], damage, *text[2:]]) + '\n')
  message = f'^line 2 of {re.escape(str(path))} is damaged: .*Mend or remove that line'
  with pytest.raises(UserError, match=message):
    Metrics(path, 30)


def test_losses_that_are_not_finite_can_be_written_and_read(tmp_path):
  metrics = Metrics(tmp_path / 'metrics.jsonl', 0)
  metrics.write(1, {'x': float('nan'), 'y': float('inf')})
  metrics.close()
  Metrics(tmp_path / 'metrics.jsonl', 1).close()
  (line,) = lines(tmp_path / 'metrics.jsonl')
  assert np.isnan(line['x'])
  assert np.isinf(line['y'])


# Heat maps.


def test_heat_runs_from_black_to_white_by_each_maps_own_range():
  maps = np.array([[[0.0, 1.0]], [[-50.0, 950.0]]], np.float32)
  images = heat_to_uint8(np.repeat(maps, 2, 1), (2, 2))
  assert images.shape == (2, 2, 2, 3)
  np.testing.assert_array_equal(images[0], images[1])
  assert images[0, 0, 0].tolist() == [0, 0, 0]
  assert images[0, 0, 1].tolist() == [255, 255, 255]


def test_a_constant_heat_map_is_black_and_no_nan():
  for value in (0.0, 3.7, -1e6):
    with np.errstate(all='raise'):
      image = heat_to_uint8(np.full((1, 3, 3), value, np.float32), (6, 6))
    assert image.shape == (1, 6, 6, 3)
    assert image.max() == 0


def test_heat_grows_lighter_with_every_stop():
  lightness = HEAT @ [0.299, 0.587, 0.114]
  assert (np.diff(lightness) > 0).all()


# Grids.


def flat(a, b, size=64, count=1, channels=3):
  """A pair of one-coloured uint8 images."""
  shape = (count, size, size, channels)
  return Pair(np.full(shape, a, np.uint8), np.full(shape, b, np.uint8))


def centre(picture, row, column, size=64, header=18, margin=2):
  cell = size + margin
  return picture.getpixel((column * cell + size // 2, header + row * cell + size // 2))


def test_a_grid_has_a_row_for_each_image_and_a_column_for_each_name():
  picture = grid({'input': flat(0, 0, count=3), 'translation': flat(0, 0, count=3)})
  assert picture.size == ((64 + 2) * 2, 18 + (64 + 2) * 6)
  assert picture.mode == 'RGB'


def test_columns_keep_their_order_and_domain_a_comes_above_domain_b():
  picture = grid({'z_first': flat(10, 20), 'a_second': flat(30, 40), 'm_third': flat(50, 60)})
  seen = [[centre(picture, row, column)[0] for column in range(3)] for row in range(2)]
  assert seen == [[10, 30, 50], [20, 40, 60]]


def test_images_of_one_domain_keep_their_order():
  a = np.stack([np.full((64, 64, 3), level, np.uint8) for level in (1, 2, 3)])
  picture = grid({'input': Pair(a, a + 100)})
  assert [centre(picture, row, 0)[0] for row in range(6)] == [1, 2, 3, 101, 102, 103]


def test_float_images_are_shown_as_their_levels():
  images = Pair(np.full((1, 64, 64, 3), -1.0), np.full((1, 64, 64, 3), 0.2, np.float32))
  picture = grid({'input': images})
  assert centre(picture, 0, 0) == (0, 0, 0)
  assert centre(picture, 1, 0) == (153, 153, 153)


def test_grey_images_are_shown_grey_beside_coloured_ones():
  red = np.full((1, 64, 64, 3), (200, 0, 0), np.uint8)
  picture = grid({'grey': flat(90, 91, channels=1), 'colour': Pair(red, red)})
  assert centre(picture, 0, 0) == (90, 90, 90)
  assert centre(picture, 1, 0) == (91, 91, 91)
  assert centre(picture, 0, 1) == (200, 0, 0)


def test_small_images_are_enlarged_in_whole_pixels_until_their_name_fits():
  a = np.zeros((1, 16, 16, 3), np.uint8)
  a[0, 0, 0] = 255
  picture = np.asarray(grid({'input': Pair(a, a)}))
  assert picture.shape == (18 + 2 * (64 + 2), 64 + 2, 3)
  first = picture[18 : 18 + 64, :64]
  assert first[:4, :4].min() == 255
  assert first[4:].max() == first[:, 4:].max() == 0


def test_heat_is_shown_at_the_images_size_wherever_its_column_is():
  heat = Pair(*[np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8)] * 2)
  for columns in ({'heat': heat, 'input': flat(0, 0)}, {'input': flat(0, 0), 'heat': heat}):
    assert grid(columns).size == (2 * 66, 18 + 2 * 66)


def test_rectangles_keep_their_sides_and_heat_takes_them():
  images = np.zeros((1, 16, 32, 3), np.uint8)
  images[:, 8:] = 255
  picture = np.asarray(grid({'input': images, 'heat': np.array([[[0.0, 1.0]] * 2])}))
  assert picture.shape == (18 + 32 + 2, 2 * (64 + 2), 3)
  assert picture[18 : 18 + 16, :64].max() == 0
  assert picture[18 + 16 : 18 + 32, :64].min() == 255
  heat = picture[18 : 18 + 32, 66 : 66 + 64].astype(int).sum(-1)
  assert heat[:, 0].max() == 0 and heat[:, -1].min() > 600


def test_points_are_one_image_where_they_lie_and_single_ones_are_seen():
  points = np.concatenate([np.tile([[1.0, 1.0]], (100, 1)), [[-1.0, -1.0]]])
  image = cloud(points, 1.25)[0]
  assert image.shape == (256, 256, 3)
  upper_right, lower_left, middle = image[26, 230], image[230, 26], image[128, 128]
  assert upper_right.sum() > lower_left.sum() > middle.sum() == 0
  assert grid({'real': points, 'generated': points}).width > 2 * 256


def test_points_on_a_line_are_a_histogram():
  image = cloud(np.array([[0.5]] * 4 + [[-0.5]] * 2), 1.0)[0].sum(-1) > 0
  heights = image.sum(0)
  assert set(heights.tolist()) == {0, 128, 256}
  assert heights[192] == 256 and heights[64] == 128


def test_a_constant_heat_map_in_a_grid_is_black():
  heat = Pair(np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 4), np.float32))
  assert centre(grid({'input': flat(9, 9), 'heat': heat}), 0, 1) == (0, 0, 0)


def test_each_columns_name_is_written_above_it():
  picture = np.asarray(grid({'input': flat(0, 0), 'x': flat(0, 0)}))
  header = picture[:18]
  assert header[:, :66].min() < 128
  assert header[:, 66:].min() < 128


def test_a_saved_picture_is_read_back_and_leaves_no_temporary_file(tmp_path):
  path = tmp_path / 'samples' / '00000010.png'
  picture = grid({'input': flat(10, 20)})
  for _ in range(2):
    save_image(picture, path)
  np.testing.assert_array_equal(np.asarray(Image.open(path)), np.asarray(picture))
  assert [p.name for p in path.parent.iterdir()] == ['00000010.png']


# Progress.


def test_without_a_terminal_progress_is_one_plain_line_per_log_interval(capsys):
  with Progress(100, 200, batch_size=4) as progress:
    for step in range(101, 111):
      progress.advance(step)
    progress.log(110, {'translate/cycle': 0.123456})
  err = capsys.readouterr().err
  assert err.count('\n') == 1
  assert err.startswith('step 110/200  ')
  assert 'steps/s' in err
  assert 'left  translate/cycle 0.1235' in err


def test_times_are_of_the_steps_since_the_last_log(monkeypatch, capsys):
  clock = iter([0.0, 5.0, 25.0])
  monkeypatch.setattr('decoupled_gan.run.progress.time.perf_counter', lambda: next(clock))
  with Progress(100, 1000, batch_size=4) as progress:
    first, second = progress.log(110, {}), progress.log(120, {})
  assert first == {'time/seconds_per_step': 0.5, 'time/images_per_second': 8}
  assert second == {'time/seconds_per_step': 2, 'time/images_per_second': 2}
  err = capsys.readouterr().err.splitlines()
  assert err[0].startswith('step 110/1000  2.00 steps/s  0:07:25 left')  # 890 / 2 s
  assert err[1].startswith('step 120/1000  0.50 steps/s  0:29:20 left')


def test_on_a_terminal_progress_is_a_bar_with_rate_and_losses(monkeypatch, capsys):
  monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
  with Progress(0, 10, batch_size=1) as progress:
    progress.advance(4)
    progress.log(5, {'translate/cycle': 0.25})
  err = capsys.readouterr().err
  assert '5/10' in err
  assert 'steps/s' in err
  assert 'translate/cycle 0.25' in err


@pytest.mark.parametrize('columns', [60, 80, 120, 200])
def test_steps_and_time_are_whole_in_80_columns_and_losses_are_what_is_cut(monkeypatch, capsys, columns):
  monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
  monkeypatch.setenv('COLUMNS', str(columns))
  monkeypatch.setenv('TERM', 'xterm')
  names = [f'translate/{loss}' for loss in ('adversarial', 'cycle', 'reconstruct', 'identity')]
  with Progress(0, 100_000, batch_size=1) as progress:
    progress.log(3900, dict.fromkeys(names, 1979.6))
  last = re.split(r'[\r\n]', re.sub(r'\x1b\[[0-9;?]*[a-zA-Z]', '', capsys.readouterr().err).strip())[-1]
  assert '3900/100000' in last
  assert re.search(r'\d:\d\d:\d\d|-:--:--', last)
  assert 'steps/s' in last
  assert len(last) <= columns


def test_what_is_done_in_a_pause_is_no_training_time():
  with Progress(0, 10, 2) as progress:
    with progress.paused():
      time.sleep(0.3)
    assert progress.log(1, {})['time/seconds_per_step'] < 0.2
