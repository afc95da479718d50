"""Distances between images and their ground truth, and baselines that a translator must beat."""

import numpy as np


def mae(images: np.ndarray, truth: np.ndarray) -> float:
  """Mean absolute error of uint8 images [N, H, W, C], on a scale of 0 to 1."""
  return float(np.abs(_unit(images) - _unit(truth)).mean())


def psnr(images: np.ndarray, truth: np.ndarray) -> float:
  """Peak signal-to-noise ratio in dB, the mean over images of each one's own."""
  error = np.square(_unit(images) - _unit(truth)).mean((1, 2, 3))
  return float((-10 * np.log10(np.maximum(error, 1e-10))).mean())


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
