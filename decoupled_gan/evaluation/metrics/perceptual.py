"""Metrics by LPIPS: between images and their truth, and among generated images."""

import functools

import numpy as np

from decoupled_gan.core.images import to_float
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics.registry import IMAGES, PAIRS, Estimate, mean_of, metric
from decoupled_gan.machine import sharding
from decoupled_gan.pretrained import lpips as lpips_network

BATCH = 16  # pairs a call of the metrics


@metric(PAIRS, 'lower', lpips_network.NAME)
def lpips(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
  """LPIPS (AlexNet) between each of uint8 images [N, H, W, C] and its truth -> [N]."""
  weights, found = lpips_network.load(), []
  for start in range(0, len(images), BATCH):
    parts = [x[start : start + BATCH] for x in (images, truth)]
    fill = min(BATCH, len(images)) - len(parts[0])
    parts = [np.concatenate([x, np.repeat(x[-1:], fill, 0)]) for x in parts]
    found.append(np.asarray(_forward()(weights, *parts))[: BATCH - fill])
  return np.concatenate(found)[: len(images)]


@metric(IMAGES, 'higher', lpips_network.NAME)
def lpips_diversity(real: np.ndarray, fake: np.ndarray, rng) -> Estimate:
  """The mean LPIPS (AlexNet) between generated images, uint8 [N, H, W, C], in disjoint random pairs."""
  if len(fake) < 2:
    raise UserError(f'lpips_diversity needs at least 2 images; there are {len(fake)}.')
  order = rng.permutation(len(fake))[: len(fake) // 2 * 2]
  return mean_of(lpips(fake[order[::2]], fake[order[1::2]]))


@functools.cache
def _forward():
  return sharding.jit(
    sharding.exact(lambda weights, x, y: lpips_network.distance(weights, to_float(x), to_float(y)))
  )
