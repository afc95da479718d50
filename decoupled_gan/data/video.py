"""Films: frames through a function of images, time stamps, sound and subtitles kept.

By PyAV, which has ffmpeg's libraries inside: frames keep the source's time stamps (variable rates stay),
what is not a picture is copied packet by packet. What is written has a temporary name until it is whole;
one that a signal stops ends with the frame that was reached, playable.
"""

import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from decoupled_gan.errors import RunError, UserError, listing, need

ENDINGS = ('.mp4', '.mov', '.mkv', '.webm', '.avi')
CODECS = {'libx264': 'yuv420p', 'libx265': 'yuv420p', 'libvpx-vp9': 'yuv420p', 'ffv1': 'bgr0'}
"""Encoder -> the pixels that it takes; ffv1 loses nothing."""
OPTIONS = {'libx264': {'crf': '18'}, 'libx265': {'crf': '20'}, 'libvpx-vp9': {'crf': '24', 'b': '0'}}
BATCH = 8


@dataclass
class Told:
  """What became of a film.

  Attributes:
    damaged: when in seconds frames could not be decoded.
    copied: kinds of the other streams, 'audio', 'subtitle'.
    stopped: whether it ends before its source does.
  """

  frames: int = 0
  damaged: list[float] = field(default_factory=list)
  copied: list[str] = field(default_factory=list)
  stopped: bool = False
  changes: list[tuple[float, float]] = field(default_factory=list)

  @property
  def flicker(self) -> float:
    """Mean absolute change from frame to frame of the results, over that of the source; 1: as steady."""
    given, made = (sum(x) for x in zip(*self.changes, strict=True)) if self.changes else (0.0, 0.0)
    return made / given if given else float('nan')


def is_video(path: str) -> bool:
  """Whether a name is a film's, by its ending: PyAV opens a PNG as a film, too."""
  return path.lower().endswith(ENDINGS)


def codec_of(asked: str, output: str) -> str:
  """The encoder: the asked one, or what the container of `output` is for."""
  codec = asked or ('libvpx-vp9' if output.lower().endswith('.webm') else 'libx264')
  if codec not in CODECS:
    raise UserError(f'--codec={codec} is unknown; there are {listing(CODECS)}.')
  return codec


def translate(
  source: Path,
  target: Path,
  function: Callable[[list[np.ndarray]], Sequence[np.ndarray]],
  codec: str,
  compare: bool = False,
  progress: Callable[[Iterator, int], Iterator] = lambda frames, count: frames,
  stop: Callable[[], bool] = lambda: False,
) -> Told:
  """Writes the film `target`: `source` with its frames through `function`.

  Args:
    function: frames uint8 [H, W, 3] -> as many frames uint8, all of one size.
    compare: whether the source's frames stand on the left.
    progress: (frames, how many there seem to be, 0 if unknown) -> the same, shown.
    stop: whether to end with the next batch.

  Raises:
    UserError: PyAV is missing; the source is no film, or one without pictures; its sound cannot lie in
      the target's container.
    RunError: the target could not be written.
  """
  av, told = _av(), Told()
  temporary = target.with_name(f'.{uuid.uuid4().hex[:12]}{target.suffix}')
  try:
    with _opened(av, source) as given, av.open(str(temporary), 'w') as made:
      pictures = given.streams.video[0]
      others = _copied(given, made, target, told)
      held, packets = [], given.demux(pictures, *others)
      frames = progress(_frames(av, packets, pictures, others, held, told), pictures.frames)
      for _ in _encoded(av, frames, made, pictures, function, codec, compare, stop, told):
        for packet in held:  # not before the pictures' stream is there: the header names all
          made.mux(packet)
        held.clear()
    temporary.replace(target)
  except (OSError, av.FFmpegError) as error:
    raise RunError(f'{target} could not be written ({error}).') from error
  finally:
    temporary.unlink(missing_ok=True)
  return told


def _av():
  need('a film', 'av', 'video')
  import av

  return av


def _opened(av, source: Path):
  try:
    given = av.open(str(source))
  except (OSError, av.FFmpegError) as error:
    raise UserError(f'{source} is no film that can be read ({error}).') from None
  if given.streams.video and given.format.name.endswith('_pipe'):  # of a picture that is called so
    given.close()
    raise UserError(f'{source} is a picture, not a film ({given.format.name}): give it its own ending.')
  if not given.streams.video:
    kinds = listing([stream.type for stream in given.streams])
    given.close()
    raise UserError(f'{source} has no pictures: there is {kinds} in it.')
  return given


def _copied(given, made, target: Path, told: Told) -> dict:
  """{stream of the source: its copy} of sound and subtitles."""
  found = {}
  for stream in given.streams:
    if stream.type not in ('audio', 'subtitle'):
      continue
    try:
      found[stream] = made.add_stream_from_template(stream)
    except (ValueError, OSError) as error:
      raise UserError(
        f'{target.suffix} does not take the {stream.type} of the source ({stream.codec_context.name}; '
        f'{error}): name an output that ends in .mkv.'
      ) from None
    told.copied.append(stream.type)
  return found


def _frames(av, packets, pictures, others: dict, held: list, told: Told) -> Iterator:
  """The decoded frames in order; packets of other streams are added to `held` on the way."""
  for packet in packets:
    if packet.stream in others:
      if packet.dts is not None:
        packet.stream = others[packet.stream]
        held.append(packet)
      continue
    try:
      yield from packet.decode()
    except av.InvalidDataError:
      told.damaged.append(float((packet.pts or 0) * pictures.time_base))


def _encoded(av, frames, made, pictures, function, codec, compare, stop, told: Told) -> Iterator[None]:
  """Frames through the function, in batches, into a stream of `made`; a pause after each batch."""
  stream, before = None, None
  for batch in _batches(frames, stop, told):
    arrays = [_upright(frame) for frame in batch]
    results = list(function(arrays))
    for frame, source, result in zip(batch, arrays, results, strict=True):
      if before is not None:
        pairs = zip(before, (source, result), strict=True)
        told.changes.append(tuple(_change(*pair) for pair in pairs))
      before = source, result
      shown = _even(_beside(source, result) if compare else result)
      if stream is None:
        stream = made.add_stream(codec, rate=pictures.average_rate or 25)
        stream.height, stream.width = shown.shape[:2]
        stream.pix_fmt, stream.options = CODECS[codec], OPTIONS.get(codec, {})
        stream.codec_context.time_base = frame.time_base
      out = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format='rgb24')
      out.pts, out.time_base = frame.pts, frame.time_base
      made.mux(stream.encode(out))
      told.frames += 1
    yield
  if stream is None:
    raise UserError('the film has no frame that can be decoded.')
  made.mux(stream.encode(None))
  yield


def _batches(frames, stop, told: Told) -> Iterator[list]:
  batch = []
  for frame in frames:
    batch.append(frame)
    if len(batch) == BATCH:
      yield batch
      batch = []
      if stop():
        told.stopped = True
        return
  if batch:
    yield batch


def _upright(frame) -> np.ndarray:
  """uint8 [H, W, 3], turned as the film's metadata ask."""
  return np.rot90(frame.to_ndarray(format='rgb24'), round(getattr(frame, 'rotation', 0) / 90))


def _even(image: np.ndarray) -> np.ndarray:
  """With a last row or column more where there is an odd number: encoders halve colours."""
  height, width = image.shape[:2]
  return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), 'edge')


def _beside(source: np.ndarray, result: np.ndarray) -> np.ndarray:
  """Two images side by side, the left one at the height of the right one."""
  from PIL import Image

  height = result.shape[0]
  width = max(1, round(source.shape[1] * height / source.shape[0]))
  left = np.asarray(Image.fromarray(np.ascontiguousarray(source)).resize((width, height)))
  return np.concatenate([left, np.broadcast_to(result, (*result.shape[:2], 3))], 1)


def _change(before: np.ndarray, after: np.ndarray) -> float:
  if before.shape != after.shape:
    return 0.0
  return float(np.abs(after.astype(np.int16) - before).mean())


@contextlib.contextmanager
def silent():
  """ffmpeg's own messages off: what matters is told by our errors."""
  av = _av()
  before = av.logging.get_level()
  av.logging.set_level(av.logging.PANIC)
  try:
    yield
  finally:
    av.logging.set_level(before)
