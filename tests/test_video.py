"""Films: every frame at its time, sound kept, and nothing half-written."""

import fractions
import sys

import av
import numpy as np
import pytest

from decoupled_gan.data import video
from decoupled_gan.errors import RunError, UserError
from decoupled_gan.modes import train
from decoupled_gan.modes.translate import film as mode
from decoupled_gan.run.workdir import Workdir

COUNT = 21
RATE = fractions.Fraction(30000, 1001)


def film(path, size=(49, 34), times=None, sound=True, codec='libx264'):
  """A film of COUNT frames whose brightness rises, at odd sizes; with a tone."""
  width, height = size[0] // 2 * 2, size[1] // 2 * 2
  with av.open(str(path), 'w') as out:
    pictures = out.add_stream(codec, rate=RATE)
    pictures.width, pictures.height, pictures.pix_fmt = width, height, 'yuv420p'
    tone = out.add_stream('aac', rate=44100, layout='mono') if sound else None
    if times:
      pictures.codec_context.time_base = fractions.Fraction(1, 1000)
    for i in range(COUNT):
      frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 10 * i, np.uint8), format='rgb24')
      if times:
        frame.pts, frame.time_base = times[i], fractions.Fraction(1, 1000)
      out.mux(pictures.encode(frame))
    if tone:
      wave = (0.3 * np.sin(np.arange(int(44100 * COUNT / RATE)) / 20)).astype(np.float32)
      for start in range(0, len(wave), 1024):
        frame = av.AudioFrame.from_ndarray(
          wave[None, start : start + 1024], format='fltp', layout='mono'
        )
        frame.sample_rate, frame.pts = 44100, start
        out.mux(tone.encode(frame))
      out.mux(tone.encode(None))
    out.mux(pictures.encode(None))
  return path


def looked_at(path):
  """(times of the frames in seconds, mean brightness of each, bytes of the sound packets)."""
  with av.open(str(path)) as opened:
    frames = [(f.time, f.to_ndarray(format='rgb24').mean()) for f in opened.decode(video=0)]
  sound = []
  with av.open(str(path)) as opened:
    if opened.streams.audio:
      sound = [bytes(packet) for packet in opened.demux(audio=0) if packet.dts is not None]
  times, levels = zip(*frames, strict=True)
  return np.array(times), np.array(levels), sound


def inverted(frames):
  return [255 - frame for frame in frames]


def test_frames_keep_their_times_and_the_sound_its_packets(tmp_path):
  source = film(tmp_path / 'in.mp4')
  told = video.translate(source, tmp_path / 'out.mp4', inverted, 'libx264')
  times, levels, sound = looked_at(source)
  new_times, new_levels, new_sound = looked_at(tmp_path / 'out.mp4')
  assert (told.frames, told.copied, told.damaged) == (COUNT, ['audio'], [])
  np.testing.assert_allclose(new_times, times, atol=1e-6)
  np.testing.assert_allclose(new_levels, 255 - levels, atol=4)
  assert new_sound == sound
  assert sound
  assert sorted(path.name for path in tmp_path.iterdir()) == ['in.mp4', 'out.mp4']


def test_a_variable_rate_stays(tmp_path):
  times = np.cumsum([0, *([40, 40, 120] * 7)])[:COUNT].tolist()
  source = film(tmp_path / 'in.mkv', times=times, sound=False)
  video.translate(source, tmp_path / 'out.mkv', inverted, 'libx264')
  np.testing.assert_allclose(looked_at(tmp_path / 'out.mkv')[0] * 1000, times, atol=1.5)


def test_sizes_become_even_and_the_source_stands_on_the_left(tmp_path):
  source = film(tmp_path / 'in.mp4', sound=False)
  odd = lambda frames: [255 - frame[:33, :47] for frame in frames]  # noqa: E731
  video.translate(source, tmp_path / 'odd.mp4', odd, 'libx264')
  video.translate(source, tmp_path / 'both.mp4', inverted, 'libx264', compare=True)
  with av.open(str(tmp_path / 'odd.mp4')) as opened:
    assert (opened.streams.video[0].width, opened.streams.video[0].height) == (48, 34)
  with av.open(str(tmp_path / 'both.mp4')) as opened:
    frame = next(opened.decode(video=0)).to_ndarray(format='rgb24')
  assert frame.shape == (34, 96, 3)
  assert frame[:, :46].mean() < 20
  assert frame[:, 50:].mean() > 235


@pytest.mark.parametrize('codec', ['libx264', 'ffv1'])
def test_a_codec_is_what_was_asked_for(tmp_path, codec):
  source = film(tmp_path / 'in.mkv', sound=False)
  video.translate(source, tmp_path / 'out.mkv', inverted, codec)
  with av.open(str(tmp_path / 'out.mkv')) as opened:
    assert opened.streams.video[0].codec_context.name in (
      codec,
      codec.removeprefix('libx').replace('26', 'h26'),
    )


def test_flicker_is_the_change_of_the_results_over_that_of_the_source(tmp_path):
  source = film(tmp_path / 'in.mp4', sound=False)
  told = video.translate(source, tmp_path / 'out.mkv', inverted, 'ffv1')
  assert told.flicker == pytest.approx(1, abs=0.02)
  halved = video.translate(
    source, tmp_path / 'half.mkv', lambda frames: [f // 2 for f in frames], 'ffv1'
  )
  assert halved.flicker == pytest.approx(0.5, abs=0.05)


def test_a_stop_leaves_a_film_that_plays_to_where_it_came(tmp_path):
  asked = iter([False, True])
  told = video.translate(
    film(tmp_path / 'in.mp4'), tmp_path / 'out.mp4', inverted, 'libx264', stop=lambda: next(asked)
  )
  assert told.stopped
  assert told.frames == len(looked_at(tmp_path / 'out.mp4')[0]) == 2 * video.BATCH


def test_a_failure_leaves_nothing_behind(tmp_path):
  source = film(tmp_path / 'in.mp4')
  with pytest.raises(ZeroDivisionError):
    video.translate(source, tmp_path / 'out.mp4', lambda frames: 1 / 0, 'libx264')
  assert [path.name for path in tmp_path.iterdir()] == ['in.mp4']


def test_damaged_frames_are_left_out_and_their_times_told(tmp_path):
  content = bytearray(film(tmp_path / 'in.avi', sound=False, codec='mpeg4').read_bytes())
  with av.open(str(tmp_path / 'in.avi')) as opened:
    packets = [(p.pos, p.size) for p in opened.demux(video=0) if p.size]
  start, size = packets[0]
  content[start : start + size + 8] = bytes(size + 8)
  (tmp_path / 'hurt.avi').write_bytes(content)
  with video.silent():
    told = video.translate(tmp_path / 'hurt.avi', tmp_path / 'out.mp4', inverted, 'libx264')
  assert told.frames < COUNT or told.damaged
  assert len(looked_at(tmp_path / 'out.mp4')[0]) == told.frames


def test_what_is_no_film_is_told(tmp_path, monkeypatch):
  from PIL import Image

  (tmp_path / 'text.mp4').write_text('no film')
  Image.new('RGB', (8, 8)).save(tmp_path / 'picture.png')
  (tmp_path / 'picture.png').rename(tmp_path / 'picture.mp4')
  with av.open(str(tmp_path / 'sound.mkv'), 'w') as out:
    stream = out.add_stream('aac', rate=44100, layout='mono')
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format='fltp', layout='mono')
    frame.sample_rate = 44100
    out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
  for name, sentence in {
    'text.mp4': 'is no film that can be read',
    'picture.mp4': 'is a picture, not a film',
    'sound.mkv': 'has no pictures: there is audio',
    'nowhere.mp4': 'is no film that can be read',
  }.items():
    with pytest.raises(UserError, match=sentence), video.silent():
      video.translate(tmp_path / name, tmp_path / 'out.mp4', inverted, 'libx264')
  with pytest.raises(RunError, match='could not be written'), video.silent():
    video.translate(film(tmp_path / 'in.mp4'), tmp_path / 'no' / 'out.mp4', inverted, 'libx264')
  monkeypatch.setitem(sys.modules, 'av', None)
  with pytest.raises(
    UserError, match=r"needs av, which is not installed: pip install 'decoupled_gan\[vid"
  ):
    video.translate(tmp_path / 'in.mp4', tmp_path / 'out.mp4', inverted, 'libx264')


def test_sound_that_a_container_does_not_take_is_told(tmp_path):
  with pytest.raises(UserError, match=r'.webm does not take the audio .* ends in .mkv'), video.silent():
    video.translate(film(tmp_path / 'in.mp4'), tmp_path / 'out.webm', inverted, 'libvpx-vp9')


def test_a_codec_goes_by_the_ending_and_unknown_ones_are_told():
  assert (video.codec_of('', 'x.webm'), video.codec_of('', 'x.mp4')) == ('libvpx-vp9', 'libx264')
  with pytest.raises(UserError, match='--codec=gif is unknown; there are libx264'):
    video.codec_of('gif', 'x.mp4')


@pytest.fixture
def run(toy, tmp_path):
  toy.num_steps = 4
  train.train(toy, Workdir(tmp_path / 'run'))
  return Workdir(tmp_path / 'run')


def test_the_mode_translates_a_film_and_tells_about_it(run, tmp_path, capsys):
  source = film(tmp_path / 'in.mp4')
  capsys.readouterr()
  for resize, size in (('square', (16, 16)), ('keep', (48, 34))):
    mode.translate_film(run, str(source), str(tmp_path / f'{resize}.mp4'), 'a_to_b', resize, None)
    told = capsys.readouterr().out
    assert f'{COUNT} frames translated a_to_b at step 4' in told
    assert 'audio kept; flicker' in told
    with av.open(str(tmp_path / f'{resize}.mp4')) as opened:
      assert (opened.streams.video[0].width, opened.streams.video[0].height) == size


@pytest.mark.parametrize(
  ('output', 'sentence'),
  [
    ('', r'--output=<file>.mp4 is missing'),
    ('in.mp4', 'is the input, which would be overwritten'),
    ('x.png', 'a film ends in one of .mp4'),
  ],
)
def test_mistakes_of_the_mode_are_told(run, tmp_path, monkeypatch, output, sentence):
  film(tmp_path / 'in.mp4')
  monkeypatch.chdir(tmp_path)
  with pytest.raises(UserError, match=sentence):
    mode.translate_film(run, 'in.mp4', output, 'a_to_b', 'square', None)
  with pytest.raises(UserError, match='there is no such film'):
    mode.translate_film(run, 'nowhere.mp4', 'x.mp4', 'a_to_b', 'square', None)
