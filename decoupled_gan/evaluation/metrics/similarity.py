"""MS-SSIM: how alike generated images are (Wang et al., 2003; of GANs: Odena et al., ICML 2017).

The mean multiscale structural similarity of all pairs of 64 generated images, over 5 such batches
(Fedus, Rosca et al., ICLR 2018, section 5.3; google/compare_gan: metrics/ms_ssim_score.py and
image_similarity.py). Near 1: one image again and again. What it says depends on the data: compare it
with that of as many real images (--fake=<a folder of them>); Odena et al. take it within a class.

At five scales, each half the one before, luminance l and contrast and structure cs by a Gaussian window
of 11 px, 1.5 its deviation, as in SSIM; of each scale the mean over the image, negative ones 0:

  product over scales 1..4 of cs_j^w_j, times (l cs)_5^w_5, each channel on its own; the channels' mean

Images smaller than the window at some scale have one as large as they are, of the same deviation; odd
sizes are mirrored by a pixel before they are halved. Both as in compare_gan.

*Where we differ*: batches share no image while there are enough (theirs come from a shuffled queue);
fewer than 64 images are one batch.
"""

import numpy as np

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics.registry import IMAGES, Estimate, mean_of, metric

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, DEVIATION = 11, 1.5  # px
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
BATCH, BATCHES = 64, 5


@metric(IMAGES, 'lower')
def ms_ssim(real: np.ndarray, fake: np.ndarray, rng) -> Estimate:
  """The mean over batches, whose spread is the interval; uint8 [N, H, W, C]."""
  if len(fake) < 2:
    raise UserError(f'ms_ssim compares images with each other; there are {len(fake)}.')
  order, size = rng.permutation(len(fake)), min(BATCH, len(fake))
  starts = range(0, min(BATCHES, len(fake) // size) * size, size)
  return mean_of(np.array([among(fake[order[i : i + size]]) for i in starts]))


def among(images: np.ndarray) -> float:
  """The mean of all pairs of different images of [N, H, W, C], 0..255."""
  x, parts = images.astype(np.float32), []
  for scale, weight in enumerate(WEIGHTS):
    x = halved(x) if scale else x
    kernel = window(x.shape[1:3])
    mean, square = blurred(x, kernel), blurred(x * x, kernel)
    rows = [_similar(x, mean, square, i, kernel, whole=scale == len(WEIGHTS) - 1) for i in range(len(x))]
    parts.append(np.maximum(np.stack(rows), 0) ** weight)  # [N, N, C]
  found = np.prod(parts, 0).mean(-1)
  return float(found[~np.eye(len(x), dtype=bool)].mean())


def _similar(x, mean, square, i: int, kernel, whole: bool) -> np.ndarray:
  """cs, or l cs, of image i with each, [N, C]."""
  product = mean * mean[i][None]
  apart = np.square(mean) + np.square(mean[i])[None]
  cs = 2 * (blurred(x * x[i][None], kernel) - product) + C2
  cs = cs / (square + square[i][None] - apart + C2)
  return (cs * (2 * product + C1) / (apart + C1) if whole else cs).mean((1, 2))


def window(size: tuple[int, int]) -> np.ndarray:
  """The Gaussian's weights along an axis, no more than there are pixels."""
  away = np.arange(min(WINDOW, *size)) - (min(WINDOW, *size) - 1) / 2
  weights = np.exp(-np.square(away / DEVIATION) / 2)
  return (weights / weights.sum()).astype(np.float32)


def blurred(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
  """[N, H, W, C] under the window, where it lies wholly inside: [N, H - K + 1, W - K + 1, C]."""
  rows, columns = (n - len(kernel) + 1 for n in x.shape[1:3])
  x = sum(weight * x[:, k : k + rows] for k, weight in enumerate(kernel))
  return sum(weight * x[:, :, k : k + columns] for k, weight in enumerate(kernel))


def halved(x: np.ndarray) -> np.ndarray:
  """Means of 2 x 2 pixels, of [N, H, W, C]."""
  x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)), 'symmetric')
  return x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1).mean((2, 4))
