"""Few programs for many sizes: which sizes of images are to share one, and which size that one has."""

from collections import Counter
from collections.abc import Iterable, Mapping

Size = tuple[int, int]
LARGE = 64  # distinct sizes that are compared pair by pair; more are rounded up first


def shared(sizes: Iterable[Size], most: int) -> Mapping[Size, Size]:
  """{size: the size of the program that serves it}, both sides not smaller; `most` programs at most.

  Each size has its own where there are few. Otherwise those two programs are made one, again and again,
  that then waste the fewest pixels over all images. A program is as small as the images that it serves
  allow.

  Args:
    sizes: of all images, with repetitions.
  """
  counts = Counter(sizes)
  groups = {size: [size] for size in counts}
  step = 1
  while len(groups) > max(LARGE, most):
    step *= 2
    rounded: dict[Size, list[Size]] = {}
    for size in counts:
      rounded.setdefault(tuple(-(-x // step) * step for x in size), []).append(size)
    groups = {_cover(members): members for members in rounded.values()}
  while len(groups) > most:
    pairs = ((a, b) for a in groups for b in groups if a < b)
    a, b = min(pairs, key=lambda pair: (_waste(groups, counts, *pair), pair))
    members = groups.pop(a) + groups.pop(b)
    cover = _cover(members)
    groups[cover] = members + groups.get(cover, [])
  return {size: program for program, members in groups.items() for size in members}


def _cover(sizes: Iterable[Size]) -> Size:
  return tuple(map(max, zip(*sizes, strict=True)))


def _waste(groups: Mapping[Size, list[Size]], counts: Counter, a: Size, b: Size) -> int:
  """Pixels that images of the programs a and b take more in one program for both."""
  height, width = _cover((a, b))
  return sum(
    (height * width - x[0] * x[1]) * sum(counts[size] for size in groups[x]) for x in (a, b)
  )
