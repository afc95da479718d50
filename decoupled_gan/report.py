"""What a run tells: metrics.jsonl, TensorBoard events, sample grids, a progress bar."""

import contextlib
import io
import json
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich import progress as bars

from decoupled_gan import paths
from decoupled_gan.errors import UserError
from decoupled_gan.images import to_uint8


class Metrics:
  """metrics.jsonl (one JSON object a line, full float precision) and TensorBoard events.

  On resuming at `start_step`, lines of later steps, written by a run that was killed, are removed:
  the file reads as if the run had never stopped. In a remote folder both are written locally and
  copied there: once a minute, and by `flush` and `close`.
  """

  def __init__(self, path: Path, start_step: int):
    self._mirror = paths.Mirror(path.parent) if paths.is_remote(path) else None
    self._path = self._mirror.fetch(path.name) if self._mirror else path
    self._forget_after(start_step)
    self._file = self._path.open('a', encoding='utf-8')
    self._events, self._close_events = _event_writer(self._path.parent)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()

  def write(self, step: int, scalars: Mapping[str, float]):
    """One line; `scalars` are '<phase>/<loss>' and 'time/...' (seconds, images per second)."""
    self._file.write(json.dumps({'step': step, **scalars}) + '\n')
    self._file.flush()
    self._events(step, scalars)
    if self._mirror:
      self._mirror.copy(now=False)

  def flush(self):
    """Until all that was written lies in the run's folder. Call it before a checkpoint is saved."""
    if self._mirror:
      self._mirror.copy()

  def close(self):
    self._file.close()
    self._close_events()
    if self._mirror:
      self._mirror.close()

  def _forget_after(self, step: int):
    if not self._path.exists():
      return
    lines = self._path.read_text(encoding='utf-8').splitlines(keepends=True)
    kept = [line for number, line in enumerate(lines, 1) if self._step(number, line) <= step]
    if len(kept) < len(lines):
      self._path.write_text(''.join(kept), encoding='utf-8')


  def _step(self, number: int, line: str) -> float:
    """The step of a line; infinite for the last one where a kill cut it short."""
    if not line.endswith('\n'):
      return math.inf
    try:
      return json.loads(line)['step']
    except (ValueError, TypeError, KeyError) as error:
      raise UserError(
        f'line {number} of {self._path} is damaged: {line.strip()[:60]!r} is no JSON object with a '
        'step. Mend or remove that line, or move the file away, and run again.'
      ) from error


class Silent:
  """`Metrics` and `Progress` of the processes that do not write the run's files."""

  def __enter__(self):
    return self

  def __exit__(self, *_):
    pass

  def write(self, step: int, scalars: Mapping[str, float]):
    pass

  def flush(self):
    pass

  def advance(self, step: int):
    pass

  def paused(self):
    return contextlib.nullcontext()

  def log(self, step: int, losses: Mapping[str, float]) -> dict[str, float]:
    return {}


def _event_writer(folder: Path):
  """(write(step, scalars), close()) of TensorBoard events: by clu where it imports, or tensorboardX.

  clu needs TensorFlow and tensorboard to be installed, which the core does not.
  """
  try:
    from clu import metric_writers
  except ImportError:
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(folder))

    def write(step, scalars):
      for name, value in scalars.items():
        writer.add_scalar(name, value, step)
      writer.flush()

    return write, writer.close
  writer = metric_writers.SummaryWriter(str(folder))

  def write(step, scalars):
    writer.write_scalars(step, scalars)
    writer.flush()

  return write, writer.close


class Progress:
  """A bar with rate, time left and losses; without a terminal one plain line per log interval."""

  def __init__(self, start_step: int, num_steps: int, batch_size: int):
    self._last = (start_step, time.perf_counter())
    self._num_steps, self._batch_size = num_steps, batch_size
    self._bar = None
    if sys.stderr.isatty():
      columns = ['{task.description}', bars.BarColumn(), bars.MofNCompleteColumn()]
      columns += ['{task.fields[rate]}', bars.TimeRemainingColumn(), '{task.fields[losses]}']
      from rich.console import Console

      self._bar = bars.Progress(*columns, console=Console(stderr=True), speed_estimate_period=300)
      self._task = self._bar.add_task(
        'train', total=num_steps, completed=start_step, rate='', losses=''
      )

  def __enter__(self):
    if self._bar:
      self._bar.start()
    return self

  def __exit__(self, *_):
    if self._bar:
      self._bar.stop()

  def advance(self, step: int):
    """`step` steps are done."""
    if self._bar:
      self._bar.update(self._task, completed=step)

  @contextlib.contextmanager
  def paused(self):
    """What is done within does not count as training time, and may show a bar of its own."""
    before = time.perf_counter()
    if self._bar:
      self._bar.stop()
    yield
    if self._bar:
      self._bar.start()
    step, began = self._last
    self._last = (step, began + time.perf_counter() - before)

  def log(self, step: int, losses: Mapping[str, float]) -> dict[str, float]:
    """Shows the losses; returns the 'time/...' scalars since the last call."""
    now = time.perf_counter()
    steps, seconds = step - self._last[0], now - self._last[1]
    self._last = (step, now)
    per_step = seconds / max(steps, 1)
    shown = ' '.join(f'{name} {value:.4g}' for name, value in losses.items())
    rate = f'{1 / per_step:.2f} steps/s'
    if self._bar:
      self._bar.update(self._task, completed=step, rate=rate, losses=shown)
    else:
      left = _duration(per_step * (self._num_steps - step))
      print(
        f'step {step}/{self._num_steps}  {rate}  {left} left  {shown}', file=sys.stderr, flush=True
      )
    return {
      'time/seconds_per_step': per_step,
      'time/images_per_second': self._batch_size / per_step,
    }


def _duration(seconds: float) -> str:
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return f'{hours}:{minutes:02d}:{seconds:02d}'


HEAT = np.array(  # black, violet, red, orange, yellow, white: rising lightness
  [[0, 0, 0], [74, 16, 108], [187, 55, 84], [249, 142, 9], [252, 255, 164], [255, 255, 255]]
)


def heat_to_uint8(heat: np.ndarray, size: int) -> np.ndarray:
  """Maps [N, h, w] of any range as coloured images [N, size, size, 3]; each by its own range."""
  heat = np.asarray(heat, np.float32)
  low, high = heat.min((1, 2), keepdims=True), heat.max((1, 2), keepdims=True)
  unit = (heat - low) / np.maximum(high - low, 1e-12)  # a constant map is all black, not NaN
  stops = np.linspace(0, 1, len(HEAT))
  coloured = np.stack([np.interp(unit, stops, HEAT[:, c]) for c in range(3)], -1)
  images = [Image.fromarray(x).resize((size, size)) for x in coloured.astype(np.uint8)]
  return np.stack([np.asarray(x) for x in images])


def grid(columns: Mapping[str, Any], header: int = 18, margin: int = 2) -> Image.Image:
  """A picture with one row for each image and one named column for each thing shown of it.

  Args:
    columns: name -> images, uint8 or float in [-1, 1], [N, S, S, C], or heat [N, h, w]; or a
      Pair of them: rows of domain a come first, then rows of domain b.
  """
  columns = {name: jax.tree.leaves(column) for name, column in columns.items()}
  size = next(x.shape[1] for column in columns.values() for x in column if x.ndim == 4)
  scale = max(1, -(-64 // size))  # names need about 64 px
  cell = size * scale + margin
  rows = sum(len(images) for images in next(iter(columns.values())))
  canvas = Image.new('RGB', (cell * len(columns), header + cell * rows), 'white')
  draw = ImageDraw.Draw(canvas)
  font = ImageFont.load_default(min(12, cell // 6))
  for i, (name, column) in enumerate(columns.items()):
    while font.getlength(name) > cell - margin:
      name = name[:-1]
    draw.text((i * cell + 2, 2), name, 'black', font)
    shown = np.concatenate([_visible(images, size) for images in column])
    for row, image in enumerate(shown):
      tile = Image.fromarray(image).resize([size * scale] * 2, Image.Resampling.NEAREST)
      canvas.paste(tile, (i * cell, header + row * cell))
  return canvas


def _visible(images, size: int) -> np.ndarray:
  images = np.asarray(images)
  if images.ndim == 3:
    return heat_to_uint8(images, size)
  images = images if images.dtype == np.uint8 else to_uint8(images)
  return np.broadcast_to(images, (*images.shape[:3], 3))


def save_image(image: Image.Image, path: Path):
  """Writes a PNG so that a reader never sees half of it."""
  buffer = io.BytesIO()
  image.save(buffer, format='PNG')
  paths.write(path, buffer.getvalue())


def save_figure(figure, path: Path):
  """Writes a figure of matplotlib as `save_image` does an image."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png')
  paths.write(path, buffer.getvalue())
