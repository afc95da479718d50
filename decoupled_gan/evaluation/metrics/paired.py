"""Distances between images and their ground truth, and baselines that a translator must beat."""

import numpy as np
from scipy.ndimage import gaussian_filter

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics.registry import PAIRS, metric

WINDOW = 11  # px: SSIM's Gaussian has a standard deviation of 1.5 px and ends 5 px from its centre


def mae(images: np.ndarray, truth: np.ndarray) -> float:
  """Mean absolute error of uint8 images [N, H, W, C], on a scale of 0 to 1."""
  return float(each_mae(images, truth).mean())


def psnr(images: np.ndarray, truth: np.ndarray) -> float:
  """Peak signal-to-noise ratio in dB, the mean over images of each one's own."""
  return float(each_psnr(images, truth).mean())


def ssim(images: np.ndarray, truth: np.ndarray) -> float:
  """Structural similarity of uint8 images [N, H, W, C], at most 1; the mean over images and channels.

  Wang et al., IEEE TIP 2004: an 11 x 11 Gaussian window of standard deviation 1.5, K1 = 0.01,
  K2 = 0.03, biased (co)variances, where the window lies wholly inside the image.

  Raises:
    UserError: images smaller than the window.
  """
  return float(each_ssim(images, truth).mean())


@metric(PAIRS, 'lower', name='mae')
def each_mae(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
  """`mae` of each image, [N]."""
  return np.abs(_unit(images) - _unit(truth)).mean((1, 2, 3))


@metric(PAIRS, 'higher', name='psnr')
def each_psnr(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
  """`psnr` of each image, [N]."""
  error = np.square(_unit(images) - _unit(truth)).mean((1, 2, 3))
  return -10 * np.log10(np.maximum(error, 1e-10))


@metric(PAIRS, 'higher', name='ssim')
def each_ssim(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
  """`ssim` of each image, [N]."""
  if min(images.shape[1:3]) < WINDOW:
    size = ' x '.join(map(str, images.shape[1:3]))
    raise UserError(f'ssim needs images of at least {WINDOW} x {WINDOW} px; these have {size}.')
  both = zip(images, truth, strict=True)
  return np.array([_ssim_map(_unit(x), _unit(y)).mean() for x, y in both])


def _ssim_map(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  """The similarity at each pixel of one image [H, W, C] in [0, 1] -> [H - 10, W - 10, C]."""
  inside = WINDOW // 2

  def mean(z):
    blurred = gaussian_filter(z.astype(np.float64), 1.5, radius=inside, axes=(0, 1))
    return blurred[inside:-inside, inside:-inside]

  c1, c2 = 0.01**2, 0.03**2
  mx, my = mean(x), mean(y)
  spread = mean(x * x) - mx**2 + mean(y * y) - my**2
  together = mean(x * y) - mx * my
  return (2 * mx * my + c1) * (2 * together + c2) / ((mx**2 + my**2 + c1) * (spread + c2))


def matched(images: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
  """The baseline without learning: each channel of `images` with the target's mean and variance.

  Args:
    images: what to translate, uint8 [N, H, W, C].
    source: training images of its domain; their channels' means and variances are taken off.
    target: training images of the other domain; theirs are put on.
  """
  axes = (0, 1, 2)
  source, target = _unit(source), _unit(target)
  scale = target.std(axes) / np.maximum(source.std(axes), 1e-6)
  moved = (_unit(images) - source.mean(axes)) * scale + target.mean(axes)
  return np.rint(np.clip(moved, 0, 1) * 255).astype(np.uint8)


def _unit(images: np.ndarray) -> np.ndarray:
  return images.astype(np.float32) / 255
