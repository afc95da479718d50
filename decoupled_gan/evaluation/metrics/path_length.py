"""PPL: how far images move by a small step in the latents (Karras et al., CVPR 2019, section 4.1).

  ppl        z, a step of 1e-4 on the line to another z, images at 64 px   torch-fidelity: metric_ppl.py
  ppl2_wend  w, the same in the generator's own codes, images as they are, larger than 256 px at 256
             (Karras et al., CVPR 2020; what StyleGAN2's tables have)

Of each step LPIPS with VGG16 / (1e-4)^2; those below the 1st percentile and above the 99th do not count,
and the mean of the others is the number. Both steps begin at an end of the line. Of methods whose codes
are the latents themselves the two differ by the images' size alone.

*Where we differ*: torch-fidelity makes 8-bit images of what a generator gives, which a step of 1e-4
seldom changes; here they are compared as they come, as in StyleGAN's code. A generator's noise is the
same at both ends and for all steps; there it is drawn anew for each batch. Pairs of latents are ours.
"""

import functools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from decoupled_gan.core.types import Array
from decoupled_gan.evaluation.metrics.registry import PATHS, Estimate, mean_of, metric
from decoupled_gan.machine import sharding
from decoupled_gan.pretrained import lpips

EPSILON = 1e-4
SMALL, LARGE = 64, 256  # px
LOWER, HIGHER = 1, 99  # percentiles


@metric(PATHS, 'lower', lpips.VGG.name)
def ppl(walk, count: int, rng) -> Estimate:
  return of_lengths(lengths(walk(count, 'z'), lambda x: resized(x, SMALL)))


@metric(PATHS, 'lower', lpips.VGG.name)
def ppl2_wend(walk, count: int, rng) -> Estimate:
  return of_lengths(lengths(walk(count, 'w'), lambda x: resized(x, LARGE) if x.shape[1] > LARGE else x))


def lengths(
  steps: Iterator[tuple[np.ndarray, np.ndarray]], prepare: Callable[[Array], Array]
) -> np.ndarray:
  """The length of each step, [N], of images at both ends, in [-1, 1], some at a time."""
  weights = lpips.load(trunk=lpips.VGG)

  @sharding.jit
  @sharding.exact
  def apart(weights, x, y):
    return lpips.distance(weights, prepare(x), prepare(y), lpips.VGG) / EPSILON**2

  found, size = [], 0
  for x, y in steps:
    size = size or len(x)
    missing = size - len(x)  # the last ones are filled up: one program
    x, y = (np.concatenate([z, np.repeat(z[-1:], missing, 0)]) for z in (x, y))
    found.append(np.asarray(apart(weights, x, y))[: size - missing])
  return np.concatenate(found)


def of_lengths(found: np.ndarray) -> Estimate:
  """The mean of those between the percentiles, both of which are lengths that were found."""
  low = np.percentile(found, LOWER, method='lower')
  high = np.percentile(found, HIGHER, method='higher')
  return mean_of(found[(low <= found) & (found <= high)])


def resized(x: Array, size: int) -> Array:
  """Images [N, H, W, C] as squares: means over areas where they are larger, else bilinear."""
  if min(x.shape[1:3]) <= size:  # torch's interpolate(align_corners=False)
    return jax.image.resize(x, (len(x), size, size, x.shape[-1]), 'linear', antialias=False)
  rows, columns = (_areas(old, size) for old in x.shape[1:3])
  return jnp.einsum('ih,nhwc,jw->nijc', rows, x, columns, precision='highest')


@functools.cache
def _areas(old: int, new: int) -> np.ndarray:
  """[new, old]: each a mean over the pixels that its part of the edge touches (torch's 'area')."""
  found = np.zeros((new, old), np.float32)
  for i in range(new):
    start, stop = i * old // new, -(-(i + 1) * old // new)
    found[i, start:stop] = 1 / (stop - start)
  return found
