"""Grey triangles on white, whose manifold is known (Lucic et al., NeurIPS 2018, section 6).

As google/compare_gan draws them (colabs/Convex_Polygons_Dataset.ipynb): a vertex in each third of a
circle, turned a little, at three quarters of the image's size, the vertices' mean in its middle; a pixel
is the share of 8 x 8 points around its corner that lie outside.

Two quirks of that code are kept, since its numbers are of them: the angle by which a triangle is turned
is at most 2 pi degrees, not 360; and of the least angle between two vertices, 20 degrees, only the half
is sure. *Where we differ*: 10,000 triangles to train and 2,000 to test, where the paper has 60,000 and
10,000: they are made in seconds, once.
"""

import numpy as np

from decoupled_gan.core.types import Examples
from decoupled_gan.data.dataset import ArrayImages, Dataset
from decoupled_gan.errors import UserError
from decoupled_gan.machine import cache

TRAIN, TEST = 10_000, 2_000
VERTICES, LEAST_ANGLE, SCALE, SIZE, POINTS = 3, 20.0, 0.75, 28, 8


def load(config) -> Dataset:
  """Triangles of 28 px; raises UserError for another size."""
  if config.image_size not in (SIZE, (SIZE, SIZE)):
    raise UserError(f'image_size={config.image_size}: polygons are of {SIZE} px.')
  with cache.cached(f'polygons-{TRAIN + TEST}', 1, lambda: {'images': made(TRAIN + TEST, 0)}) as arrays:
    images = np.round(255 * arrays['images']).astype(np.uint8)[..., None].repeat(3, -1)

  def part(which) -> Examples:
    names = [f'{i:05d}' for i in range(*which.indices(len(images)))]
    return Examples(ArrayImages(images[which], names, config.image_channels, resident=True))

  return Dataset('polygons', part(slice(TRAIN)), part(slice(TRAIN, None)))


def made(count: int, seed: int) -> np.ndarray:
  """float32 [count, 28, 28] in 0..1, as the official code draws them after np.random.seed(seed)."""
  rng = np.random.RandomState(seed)  # the legacy stream is what makes the same triangles
  images = np.stack([_drawn(_vertices(rng.rand(VERTICES), rng.rand())) for _ in range(count)])
  return images[rng.permutation(count)]


def _vertices(offsets: np.ndarray, turn: float) -> np.ndarray:
  """Points [n, 2], rows first, in pixels."""
  segment = 360 / VERTICES
  degrees = segment * np.arange(VERTICES) + LEAST_ANGLE / 2 + offsets * (segment - LEAST_ANGLE / 2)
  angles, theta = np.radians(degrees), np.radians(turn * 2 * np.pi)
  points = (np.stack([np.cos(angles), np.sin(angles)], 1) + 1) / 2
  cos, sin = np.cos(theta), np.sin(theta)
  points = SIZE * SCALE * points @ np.array([[cos, -sin], [sin, cos]])
  return points + (SIZE / 2 - points.mean(0))


def _drawn(vertices: np.ndarray) -> np.ndarray:
  """The share of outside points around each pixel's corner, [28, 28]: points -4..3 from it, at 1/8 px.

  Beyond the image all is outside. The vertices go round one way, so that inside is on one side of all.
  """
  grid = np.arange(SIZE * POINTS)
  corners = vertices * POINTS
  inside = np.ones((len(grid), len(grid)), bool)
  for a, b in zip(corners, np.roll(corners, -1, 0), strict=True):
    along = b - a
    inside &= (along[0] * (grid - a[1]))[None] > (along[1] * (grid - a[0]))[:, None]
  outside = np.pad(~inside, POINTS // 2, constant_values=True).astype(np.float32)
  before = 1  # an even window reaches one point less far back than forth
  tiles = outside[before : before + SIZE * POINTS, before : before + SIZE * POINTS]
  return tiles.reshape(SIZE, POINTS, SIZE, POINTS).mean((1, 3))
