"""metrics.jsonl: the numbers of a run; and who else is shown them."""

import contextlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from decoupled_gan.errors import UserError
from decoupled_gan.machine import paths
from decoupled_gan.run.trackers import Following, Places, Trackers

TENSORBOARD = Following()
SCORES = 'evaluate/'
"""What names of scores begin with: evaluate/<task>/<metric>, of runs side by side with #<seed>."""


class Metrics:
  """metrics.jsonl (one JSON object a line, full float precision), and trackers, see trackers.py.

  On resuming at `start_step`, lines of later steps, written by a run that was killed, are removed:
  the file reads as if the run had never stopped. In a remote folder it and TensorBoard's events are
  written locally and copied there: once a minute, and by `flush` and `close`.
  """

  def __init__(self, path: Path, start_step: int, following: Following = TENSORBOARD):
    self._mirror = paths.Mirror(path.parent) if paths.is_remote(path) else None
    self._path = self._mirror.fetch(path.name) if self._mirror else path
    with paths.telling(path):
      self._forget_after(start_step)
      self._file = self._path.open('a', encoding='utf-8')
    folder = self._path.parent
    self._trackers = Trackers(following, Places(folder, None if self._mirror else folder))

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()

  def write(self, step: int, scalars: Mapping[str, float]):
    """One line; `scalars` are '<phase>/<loss>' and 'time/...' (seconds, images per second)."""
    with paths.telling(self._path):
      self._file.write(json.dumps({'step': step, **scalars}) + '\n')
      self._file.flush()
    self._trackers.scalars(step, scalars)
    if self._mirror:
      self._mirror.copy(now=False)

  def image(self, step: int, name: str, picture: Image.Image):
    """Shows trackers a sample grid."""
    self._trackers.image(step, name, np.asarray(picture))

  def flush(self):
    """Until all that was written lies in the run's folder. Call it before a checkpoint is saved."""
    if self._mirror:
      self._mirror.copy()

  def close(self):
    with contextlib.suppress(OSError):  # what cannot be written was told by `write`
      self._file.close()
    self._trackers.close()
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
