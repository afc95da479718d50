"""What many runs tell: the expected best of n, medians with intervals, ranks.

A run that diverged has the worst value there is, infinity: it counts in medians, ranks and the expected
best, because a method that fails now and then is not as good as its successes.
"""

import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from scipy import stats

RESAMPLES = 2000


def expected_best(values: Sequence[float], n: int, better: str = 'lower') -> float:
  """The mean of the best of n of the N values, over all choices of n: exact, without any drawing.

  sum_i x_(i) C(N - i, n - 1) / C(N, n) of values sorted from the best on. Values that the best of n can
  never be do not count, whatever they are. Raises ValueError unless 1 <= n <= N.
  """
  if not 1 <= n <= len(values):
    raise ValueError(f'the best of {n} of {len(values)}')
  ordered = sorted(values, reverse=better == 'higher')
  ways = [math.comb(len(values) - i, n - 1) for i in range(1, len(values) + 1)]
  total = sum(x * way for x, way in zip(ordered, ways, strict=True) if way)
  return float(total) / math.comb(len(values), n)


def median_interval(values: Sequence[float], resamples: int = RESAMPLES) -> tuple[float, float, float]:
  """(median, low, high): 95 % by the percentile bootstrap, always with the same resamples."""
  values = np.asarray(values, float)
  which = np.random.default_rng(0).integers(len(values), size=(resamples, len(values)))
  medians = [_median(row) for row in values[which]]
  low, high = np.percentile(medians, [2.5, 97.5], method='nearest')  # infinities have no differences
  return _median(values), float(low), float(high)


def _median(values: np.ndarray) -> float:
  """Of an even number with infinities too."""
  ordered = np.sort(values)
  below, above = ordered[(len(values) - 1) // 2], ordered[len(values) // 2]
  return float(below if below == above else (below + above) / 2)


def mean_ranks(
  blocks: Sequence[Mapping[Hashable, float]], better: str = 'lower'
) -> dict[Hashable, float]:
  """{group: its mean rank over the blocks}; ties share the mean of their ranks. Rank 1 is the best.

  Args:
    blocks: {group: value} of each block; a group that lacks a value in some block has no rank.
  """
  shared = set.intersection(*map(set, blocks)) if blocks else set()
  groups = [group for group in (blocks[0] if blocks else ()) if group in shared]
  sign = -1 if better == 'higher' else 1
  ranks = [stats.rankdata([sign * block[group] for group in groups]) for block in blocks]
  return {group: float(np.mean([row[i] for row in ranks])) for i, group in enumerate(groups)}


def worst(better: str) -> float:
  """The value of a run that diverged."""
  return math.inf if better == 'lower' else -math.inf
