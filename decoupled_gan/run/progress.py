"""What a run tells on the terminal while it trains."""

import contextlib
import sys
import time
from collections.abc import Mapping

from rich import progress as bars


class Silent:
  """`Metrics` and `Progress` of the processes that do not write the run's files."""

  def __enter__(self):
    return self

  def __exit__(self, *_):
    pass

  def write(self, step: int, scalars: Mapping[str, float]):
    pass

  def image(self, step: int, name: str, picture):
    pass

  def flush(self):
    pass

  def advance(self, step: int):
    pass

  def paused(self):
    return contextlib.nullcontext()

  def log(self, step: int, losses: Mapping[str, float]) -> dict[str, float]:
    return {}


class Progress:
  """A bar with rate, time left and losses; without a terminal one plain line per log interval."""

  def __init__(self, start_step: int, num_steps: int, batch_size: int):
    self._last = (start_step, time.perf_counter())
    self._num_steps, self._batch_size = num_steps, batch_size
    self._bar = None
    if sys.stderr.isatty():
      from rich.console import Console

      # a log that keeps every picture of the bar grows by 100 bytes a second, not by 1,000
      self._bar = bars.Progress(
        *_columns(), console=Console(stderr=True), speed_estimate_period=300, refresh_per_second=1,
        expand=True,
      )  # fmt: skip
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


def _columns() -> list:
  """Of the bar: steps, rate and time left are whole in 80 columns; losses get the rest of the line."""
  from rich.table import Column

  def whole():
    return Column(no_wrap=True, overflow='fold')

  return [
    bars.BarColumn(10, table_column=Column(width=10)),
    bars.MofNCompleteColumn(table_column=whole()),
    bars.TextColumn('{task.fields[rate]}', table_column=whole()),
    bars.TimeRemainingColumn(table_column=whole()),
    bars.TextColumn(
      '{task.fields[losses]}', table_column=Column(no_wrap=True, overflow='ellipsis', ratio=1)
    ),
  ]


def _duration(seconds: float) -> str:
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return f'{hours}:{minutes:02d}:{seconds:02d}'
