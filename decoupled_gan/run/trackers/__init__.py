"""Where a run's numbers and sample grids are shown beside metrics.jsonl: config.trackers.

A tracker is an onlooker. What it does wrong is told once, it is dropped, and training goes on;
metrics.jsonl is always written, and is the truth. A run keeps its id in run.json, by which a tracker
goes on with the same line when the run does. A new tracker is a class (protocol.py) and a line in
TRACKERS.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from decoupled_gan.errors import UserError, listing, need
from decoupled_gan.run.trackers.mlflow_run import MLflow
from decoupled_gan.run.trackers.protocol import Places, Tracker, Value
from decoupled_gan.run.trackers.tensorboard import TensorBoard
from decoupled_gan.run.trackers.wandb_run import WeightsAndBiases

__all__ = ['TRACKERS', 'Following', 'Places', 'Tracker', 'Trackers', 'check']


@dataclass(frozen=True)
class Following:
  """Who looks on at which run.

  Attributes:
    names: of TRACKERS.
    config, run_id, resume: as of Tracker.start.
  """

  names: Sequence[str] = ('tensorboard',)
  config: Mapping[str, Value] = field(default_factory=dict)
  run_id: str = ''
  resume: bool = False


TRACKERS: dict[str, tuple[Callable[[Places], Tracker], str]] = {
  'tensorboard': (TensorBoard, 'tensorboardX'),
  'wandb': (WeightsAndBiases, 'wandb'),
  'mlflow': (MLflow, 'mlflow'),
}
"""Word of config.trackers -> how it is made, the package that it needs."""


def check(names: Sequence[str]):
  """Raises UserError for a tracker that there is not, or whose package is not installed."""
  if unknown := [name for name in names if name not in TRACKERS]:
    raise UserError(
      f'trackers={tuple(names)}: there is no {listing(unknown)}; there are {listing(TRACKERS)}, and () '
      'for none.'
    )
  for name in names:
    need(f'trackers={tuple(names)}: {name}', TRACKERS[name][1], name)


class Trackers:
  """Those of a run. No method raises."""

  def __init__(self, following: Following, places: Places):
    made = {name: TRACKERS[name][0](places) for name in following.names}
    self._trackers: dict[str, Tracker] = made
    self._each('start', following.config, following.run_id, following.resume)

  def scalars(self, step: int, values: Mapping[str, float]):
    self._each('scalars', step, values)

  def image(self, step: int, name: str, image: np.ndarray):
    self._each('image', step, name, image)

  def close(self):
    self._each('close')
    self._trackers = {}

  def _each(self, method: str, *arguments):
    for name, tracker in list(self._trackers.items()):
      try:
        getattr(tracker, method)(*arguments)
      except Exception as error:
        del self._trackers[name]
        logging.getLogger(__name__).warning(
          'the tracker %s is dropped (%s: %s); training goes on, and metrics.jsonl has all numbers',
          name, method, str(error) or type(error).__name__,
        )  # fmt: skip
