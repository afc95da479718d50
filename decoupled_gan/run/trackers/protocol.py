"""What a tracker is asked for, and where it may write."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

PROJECT = 'decoupled_gan'
"""What runs are grouped under where a service asks."""
Value = str | int | float | bool | list | None


class Tracker(Protocol):
  """What a tracker does; every method may raise whatever it likes."""

  def start(self, config: Mapping[str, Value], run_id: str, resume: bool):
    """`config` is flat, by dotted names; `resume`: the run of this id is known, and goes on."""

  def scalars(self, step: int, values: Mapping[str, float]): ...

  def image(self, step: int, name: str, image: np.ndarray):
    """`image` is uint8 [H, W, 3]."""

  def close(self): ...


@dataclass(frozen=True)
class Places:
  """Where a tracker may write.

  Attributes:
    events: the folder of metrics.jsonl, or its local copy where the workdir is remote: files only.
    local: the workdir, if it is local.
  """

  events: Path
  local: Path | None
