"""The distance of two images' Laplacian pyramids (Ling and Okada, CVPR 2006), as GLO uses it.

A level is what a blur takes away; the blurred image, halved by means of 2 x 2 px, has the next level,
and what remains in the end is one too. Lap1 (Bojanowski et al., ICML 2018) sums 2^(2j) |L_j(x - y)|_1
over levels j. Level j has 4^-j as many pixels: in *means* every level weighs 1, and Lap1 is H W C times
that. 2^(2j) and means together, the usual mistake, would ask for the coarsest level alone.
"""

import jax
import jax.numpy as jnp
import numpy as np

from decoupled_gan.core.types import Array
from decoupled_gan.losses import f32

BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).astype(np.float32) / 256
LEVELS = 3  # and the rest


def pyramid(x: Array, levels: int = LEVELS, kernel: np.ndarray = BINOMIAL) -> list[Array]:
  """The levels of images [B, H, W, C], and the rest: halved each time, edges repeated."""
  found = []
  for _ in range(levels):
    blurred = blur(x, kernel)
    found.append(x - blurred)
    batch, height, width, channels = x.shape
    x = blurred.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))
  return [*found, x]


def blur(x: Array, kernel: np.ndarray) -> Array:
  """Images [B, H, W, C], each channel with the kernel [K, K]."""
  edge = len(kernel) // 2
  padded = jnp.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)), mode='edge')
  channels = x.shape[-1]
  shaped = jnp.broadcast_to(jnp.asarray(kernel)[:, :, None, None], (*kernel.shape, 1, channels))
  return jax.lax.conv_general_dilated(
    padded, shaped, (1, 1), 'VALID', dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=channels,
  )  # fmt: skip


def laplacian(x: Array, y: Array, levels: int = LEVELS, kernel: np.ndarray = BINOMIAL) -> Array:
  """The sum over levels of mean |L_j(x) - L_j(y)|; a side of x is divisible by 2^levels."""
  both = zip(pyramid(f32(x), levels, kernel), pyramid(f32(y), levels, kernel), strict=True)
  return sum(jnp.abs(a - b).mean() for a, b in both)
