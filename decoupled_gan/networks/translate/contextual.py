"""Patches of maps, and contextual attention: a map rebuilt from patches of itself.

Contextual attention: Yu et al., CVPR 2018, section 4.1, as the official code of Yu et al., ICCV 2019,
has it. What is missing is made of patches of what is there: each place is compared with the 3x3 patches
of the map at half its size, and gets a mixture of the 4x4 patches of the map itself."""

import jax
import jax.numpy as jnp
from jax import lax

from decoupled_gan.core.types import Array
from decoupled_gan.layers.conv_ops import same_pads

LEAST_NORM = 1e-4  # of a patch, where patches are brought to length 1
SHARPNESS = 10.0  # of the softmax
REDUCTION = 2  # of the maps that are compared


def patches(x: Array, size: int, stride: int = 1) -> Array:
  """x [B, H, W, C] with zeros around it -> its windows [B, ceil(H/s), ceil(W/s), size, size, C]."""
  pads = [same_pads(n, size, stride) for n in x.shape[1:3]]
  height, width = (-(-n // stride) for n in x.shape[1:3])
  x = jnp.pad(x, ((0, 0), *pads, (0, 0)))

  def window(i, j):
    ends = i + (height - 1) * stride + 1, j + (width - 1) * stride + 1
    return x[:, i : ends[0] : stride, j : ends[1] : stride]

  rows = [jnp.stack([window(i, j) for j in range(size)], 3) for i in range(size)]
  return jnp.stack(rows, 3)


def pasted(windows: Array, stride: int) -> Array:
  """The transpose of `patches`: windows [B, h, w, size, size, C], added up -> [B, s h, s w, C]."""
  _, height, width, size = windows.shape[:4]
  total = 0
  for i in range(size):
    for j in range(size):
      spread = [(0, 0, 0)] + [(at, size - 1 - at, stride - 1) for at in (i, j)] + [(0, 0, 0)]
      total = total + lax.pad(windows[:, :, :, i, j], jnp.zeros((), windows.dtype), spread)
  top, left = (same_pads(stride * n, size, stride)[0] for n in (height, width))
  return total[:, top : top + stride * height, left : left + stride * width]


def nearest(x: Array, factor: int) -> Array:
  """x [B, H, W, C], `factor` times smaller, by the nearest pixel, corners on corners as in TensorFlow 1.

  Row i of n is row round(i (H - 1) / (n - 1)): of 8 rows, halved, 0, 2, 5 and 7.
  """
  for axis in (1, 2):
    size = x.shape[axis]
    scale = (size - 1) / max(size // factor - 1, 1)
    rows = [int(i * scale + 0.5) for i in range(size // factor)]
    x = jnp.take(x, jnp.array(rows), axis)
  return x


def fused(scores: Array) -> Array:
  """scores [B, h, w, h, w] of place and patch, each plus those of neighbours on both sides.

  Neighbours of a place should be made of neighbours of its patch: first in rows, then in columns.
  """
  batch, height, width = scores.shape[:3]
  count = height * width
  for turned in ((height, width), (width, height)):
    flat = scores.reshape(batch, count, count)
    padded = jnp.pad(flat, ((0, 0), (1, 1), (1, 1)))
    flat = sum(padded[:, i : i + count, i : i + count] for i in range(3))
    scores = flat.reshape(batch, *turned, *turned).transpose(0, 2, 1, 4, 3)
  return scores


def contextual_attention(x: Array, hole: Array) -> Array:
  """x [B, H, W, C] made of patches of x that touch no hole; H and W are even.

  Args:
    hole: [1, H, W, 1], 1 in the hole.
  """
  small = nearest(x, REDUCTION)
  batch, height, width, channels = small.shape
  count = height * width
  whole = patches(nearest(hole, REDUCTION), 3).reshape(count, -1).max(-1) == 0
  whole = whole.astype(x.dtype).reshape(1, 1, count)
  windows = patches(small, 3).reshape(batch, count, -1)
  keys = windows / jnp.maximum(_length(windows), LEAST_NORM)
  scores = jnp.einsum('bpn,bkn->bpk', windows, keys)
  scores = fused(scores.reshape(batch, height, width, height, width)).reshape(batch, count, count)
  shares = jax.nn.softmax(SHARPNESS * scores * whole, -1) * whole
  size = 2 * REDUCTION
  material = patches(x, size, REDUCTION).reshape(batch, count, -1)
  made = jnp.einsum('bpk,bkn->bpn', shares, material)
  return pasted(made.reshape(batch, height, width, size, size, channels), REDUCTION) / 4


def _length(x: Array) -> Array:
  squared = jnp.square(x).sum(-1, keepdims=True)
  return jnp.sqrt(jnp.maximum(squared, LEAST_NORM**2))  # whose gradient at zeros is 0
