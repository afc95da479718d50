"""Distances to the ground truth, against scikit-image's."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics import paired


def pair(channels=3, size=(24, 31)):
  """Three images, the last ones of which differ more and more from the first ones."""
  rng = np.random.default_rng(0)
  truth = rng.integers(0, 256, (3, *size, channels), dtype=np.uint8)
  noise = rng.normal(0, [[[[4]]], [[[20]]], [[[60]]]], truth.shape)
  return np.clip(truth + noise, 0, 255).astype(np.uint8), truth


@pytest.mark.parametrize('channels', [1, 3])
def test_ssim_is_scikit_images(channels):
  images, truth = pair(channels)
  options = {'gaussian_weights': True, 'use_sample_covariance': False, 'sigma': 1.5}
  expected = [
    structural_similarity(x, y, data_range=255, channel_axis=-1, **options)
    for x, y in zip(images, truth, strict=True)
  ]
  np.testing.assert_allclose(paired.ssim(images, truth), np.mean(expected), atol=1e-6)


def test_psnr_is_scikit_images_image_by_image():
  images, truth = pair()
  both = zip(images, truth, strict=True)
  expected = [peak_signal_noise_ratio(y, x, data_range=255) for x, y in both]
  np.testing.assert_allclose(paired.psnr(images, truth), np.mean(expected), rtol=1e-6)


def test_an_image_equals_itself():
  _, truth = pair()
  assert paired.mae(truth, truth) == 0
  assert paired.ssim(truth, truth) == pytest.approx(1)
  assert paired.psnr(truth, truth) == pytest.approx(100)


def test_mae_is_on_a_scale_of_one():
  black, white = np.zeros((2, 12, 12, 3), np.uint8), np.full((2, 12, 12, 3), 255, np.uint8)
  assert paired.mae(black, white) == 1


def test_images_smaller_than_the_window_are_told():
  images, truth = pair(size=(8, 24))
  with pytest.raises(UserError, match='at least 11 x 11 px; these have 8 x 24'):
    paired.ssim(images, truth)
