"""Examples in the order of episodes: few-shot learning's batches of a few classes.

An episode has `ways` classes, drawn without replacement, and `shots` + `queries` examples of each, class
after class; episode i is a function of (seed, i). The examples of a class are drawn without replacement.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decoupled_gan.errors import UserError

ENDLESS = 2**60  # examples


class Episodes:
  """Which example stands at each place of an endless sequence of episodes.

  Args:
    labels: int [N], of the examples.
    settings: config.data.episode.
    seed: of the draws.

  Raises UserError if there are too few classes, or too few examples of one.
  """

  def __init__(self, labels: np.ndarray, settings, seed: int):
    self._seed, self._ways, self._size = seed, settings.ways, settings.shots + settings.queries
    self._classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    fewest = min(map(len, self._classes))
    if self._ways > len(self._classes) or self._size > fewest:
      raise UserError(
        f'data.episode: {self._ways} classes with {settings.shots} + {settings.queries} examples each '
        f'are asked for, and there are {len(self._classes)} classes, the smallest with {fewest}.'
      )
    self._drawn = functools.lru_cache(maxsize=8)(self._draw)

  def __getitem__(self, place: int) -> int:
    episode, within = divmod(place, self._ways * self._size)
    return int(self._drawn(episode)[within])

  def at(self, places: np.ndarray) -> np.ndarray:
    """The examples at `places`, an array of any shape."""
    return np.array([self[int(place)] for place in places.flat]).reshape(places.shape)

  def _draw(self, episode: int) -> np.ndarray:
    rng = np.random.default_rng([self._seed, episode])
    classes = rng.choice(len(self._classes), self._ways, replace=False)
    return np.concatenate([rng.choice(self._classes[c], self._size, replace=False) for c in classes])


@dataclass(frozen=True, eq=False)
class InEpisodes:
  """Rows in the order of episodes."""

  rows: Sequence
  episodes: Episodes

  def __len__(self) -> int:
    return ENDLESS

  def __getitem__(self, place: int):
    return self.rows[self.episodes[place]]
