"""The sliced Wasserstein distance between images' patches (Karras et al., ICLR 2018, section 5).

128 patches of 7 x 7 from each image on each level of a Laplacian pyramid down to 16 px, each channel
normalised over all patches of its set; the mean distance of their sorted projections on 512 random
directions, averaged over levels, times 1000. It needs no feature network.
"""

import numpy as np
from scipy.ndimage import convolve1d

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics.registry import IMAGES, Estimate, metric, within

PATCHES, PATCH, REPEATS, DIRECTIONS, SMALLEST = 128, 7, 4, 128, 16
_KERNEL = np.array([1, 4, 6, 4, 1]) / 16


@metric(IMAGES, 'lower')
def sliced_wasserstein(real: np.ndarray, fake: np.ndarray, rng) -> Estimate:
  """Of uint8 images [N, S, S, C] of equal size; of as many images of each as the smaller set has."""
  if real.shape[1:] != fake.shape[1:]:
    sizes = ' and '.join('x'.join(map(str, x.shape[1:])) for x in (real, fake))
    raise UserError(f'sliced_wasserstein needs images of one size; these have {sizes}.')
  if min(real.shape[1:3]) < SMALLEST:
    raise UserError(f'sliced_wasserstein needs images of at least {SMALLEST} px.')
  count = min(len(real), len(fake))
  chosen = [x[rng.permutation(len(x))[:count]] for x in (real, fake)]
  levels = zip(*(_patches_of_levels(x, rng) for x in chosen), strict=True)
  repeats = 1000 * np.mean([_distances(*level, rng) for level in levels], 0)
  value, error = repeats.mean(), 1.96 * repeats.std(ddof=1) / np.sqrt(REPEATS)
  return within(float(value), float(error), 'directions only', least=0)


def _patches_of_levels(images: np.ndarray, rng) -> list[np.ndarray]:
  """Normalised patches [N * 128, 7 * 7 * C] of each level, the largest first."""
  images, levels = images.astype(np.float32), []
  while True:
    height, width = images.shape[1:3]
    last = height % 2 or width % 2 or min(height, width) < 2 * SMALLEST
    smaller = None if last else _blurred(images)[:, ::2, ::2]
    levels.append(_patches(images if last else images - _enlarged(smaller), rng))
    if last:
      return levels
    images = smaller


def _patches(images: np.ndarray, rng) -> np.ndarray:
  count, height, width, channels = images.shape
  y, x = (rng.integers(0, n - PATCH + 1, (count, PATCHES)) for n in (height, width))
  rows, columns = (p[..., None] + np.arange(PATCH) for p in (y, x))
  number = np.arange(count).reshape(-1, 1, 1, 1)
  patches = images[number, rows[:, :, :, None], columns[:, :, None, :]]
  patches = patches.reshape(-1, PATCH, PATCH, channels)
  patches = patches - patches.mean((0, 1, 2))
  return (patches / np.maximum(patches.std((0, 1, 2)), 1e-8)).reshape(len(patches), -1)


def _distances(a: np.ndarray, b: np.ndarray, rng) -> np.ndarray:
  """The sliced distance of patches [P, D], once for each of 4 sets of 128 directions."""
  found = []
  for _ in range(REPEATS):
    directions = rng.standard_normal((a.shape[1], DIRECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    sorted_a, sorted_b = (np.sort(x @ directions, 0) for x in (a, b))
    found.append(np.abs(sorted_a - sorted_b).mean())
  return np.array(found)


def _blurred(images: np.ndarray) -> np.ndarray:
  return convolve1d(convolve1d(images, _KERNEL, 1, mode='mirror'), _KERNEL, 2, mode='mirror')


def _enlarged(images: np.ndarray) -> np.ndarray:
  """Twice as large: zeros between the pixels, blurred, times 4."""
  count, height, width, channels = images.shape
  large = np.zeros((count, 2 * height, 2 * width, channels), images.dtype)
  large[:, ::2, ::2] = 4 * images
  return _blurred(large)
