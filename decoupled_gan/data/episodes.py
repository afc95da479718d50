"""Examples in the order of episodes: few-shot learning's batches of a few classes.

An episode has `ways` classes, drawn without replacement, and `shots` + `queries` examples of each, class
after class; episode i is a function of (seed, i). The examples of a class are drawn without replacement.
"""

import functools
from collections.abc import Sequence

import numpy as np

from decoupled_gan.errors import UserError

ENDLESS = 2**60  # examples


class Episodes:
  """Rows [i] of an endless sequence of episodes.

  Args:
    rows: random access to examples.
    labels: int [N], of the rows.
    settings: config.data.episode.
    seed: of the draws.

  Raises UserError if there are too few classes, or too few examples of one.
  """

  def __init__(self, rows: Sequence, labels: np.ndarray, settings, seed: int):
    self._rows, self._seed = rows, seed
    self._ways, self._size = settings.ways, settings.shots + settings.queries
    self._classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    fewest = min(map(len, self._classes))
    if self._ways > len(self._classes) or self._size > fewest:
      raise UserError(
        f'data.episode: {self._ways} classes with {settings.shots} + {settings.queries} examples each '
        f'are asked for, and there are {len(self._classes)} classes, the smallest with {fewest}.'
      )
    self._indices = functools.lru_cache(maxsize=8)(self._draw)

  def __len__(self) -> int:
    return ENDLESS

  def __getitem__(self, index: int):
    episode, place = divmod(index, self._ways * self._size)
    return self._rows[self._indices(episode)[place]]

  def _draw(self, episode: int) -> np.ndarray:
    rng = np.random.default_rng([self._seed, episode])
    classes = rng.choice(len(self._classes), self._ways, replace=False)
    return np.concatenate([rng.choice(self._classes[c], self._size, replace=False) for c in classes])
