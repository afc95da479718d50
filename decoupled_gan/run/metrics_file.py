"""metrics.jsonl and TensorBoard events: the numbers of a run."""

import contextlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

from decoupled_gan.errors import UserError
from decoupled_gan.machine import paths

SCORES = 'evaluate/'
"""What names of scores begin with: evaluate/<task>/<metric>, of runs side by side with #<seed>."""


class Metrics:
  """metrics.jsonl (one JSON object a line, full float precision) and TensorBoard events.

  On resuming at `start_step`, lines of later steps, written by a run that was killed, are removed:
  the file reads as if the run had never stopped. In a remote folder both are written locally and
  copied there: once a minute, and by `flush` and `close`.
  """

  def __init__(self, path: Path, start_step: int):
    self._mirror = paths.Mirror(path.parent) if paths.is_remote(path) else None
    self._path = self._mirror.fetch(path.name) if self._mirror else path
    with paths.telling(path):
      self._forget_after(start_step)
      self._file = self._path.open('a', encoding='utf-8')
    self._events, self._close_events = _event_writer(self._path.parent)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()

  def write(self, step: int, scalars: Mapping[str, float]):
    """One line; `scalars` are '<phase>/<loss>' and 'time/...' (seconds, images per second)."""
    with paths.telling(self._path):
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
    with contextlib.suppress(OSError):  # what cannot be written was told by `write`
      self._file.close()
    with contextlib.suppress(OSError):
      self._close_events()
    if self._mirror:
      self._mirror.close()

  def _forget_after(self, step: int):
    if not self._path.exists():
      return
    lines = self._path.read_text(encoding='utf-8').splitlines(keepends=True)
    kept = [line for number, line in enumerate(lines, 1) if self._step(number, line) <= step]
    if len(kept) < len(lines):
      paths.write(self._path, ''.join(kept))

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
