"""One convolution written in several ways: the plain one, and what is faster on the CPU.

XLA for CPU loses factors of 2 to 300 with some shapes of gradients; these are other formulations of
the same sums. The rules, each with the plain rate and ours in 10^9 operations per second, from
`benchmarks/conv_rates.py` (NICE-GAN at 128 px and width 32, batch size 1 | 4, jaxlib 0.10.2, about
one free core; several groups at 16 px, batch size 64):

  rule          for                        gradient of     example             plain -> ours
  dots          1x1                        weights         64->256             53 -> 98 | 79 -> 98
  rows          up to 4 outputs            (forward)       7x7, 32->3          18 -> 113 | 16 -> 65
                                           weights         7x7, 32->3          33 -> 53 | 15 -> 38
  blocks        stride 2, larger maps      weights         4x4, 32->64         24 -> 91 | 59 -> 96
                and even kernels           input           4x4, 32->64         104->114 | 100->121
  taps          maps smaller than kernels  input           4x4, 512->1024      0.2 -> 21 | 0.3 -> 74
                                           weights         4x4, 512->1024      7.5 -> 41 | 27 -> 91
  mirrored      all others, inside loops   input           3x3, 128->128       22 -> 103 (batch 1)
  channels      all others, inside loops   weights         3x3, 128->128       1.5 -> 112 (batch 1)
  grouped       several groups             (forward)       3x3, 192, 12 groups 13 -> 36
                                           input           3x3, 192, 12 groups 14 -> 31
                                           weights         3x3, 192, 12 groups 0.1 -> 24
                (even widths, of one such group, in pairs of neighbours: at 32 px 10 -> 22)

Outside loops the last two equal the plain form; forward passes do except for few outputs. Tried
and left out: padding as gathers with a backward pass of its own (faster alone, the step was not);
means and variances by dots (no faster) or by trees of slices (slower with their gradients), or in
one pass over x less its first pixel (the step perhaps 5% faster, which is within its noise). Winograd's
F(2x2, 3x3) is a fifth faster alone, as 16 dots for each convolution: too many to compile. Forward passes
of groups of 16 in pairs or fours of neighbours are 0.7 to 1.2 times as fast, patches and a dot slower.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

DIMENSIONS = ('NHWC', 'HWIO', 'NHWC')


def plain_forward(x, kernel, stride, groups=1):
  return lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    'VALID',
    dimension_numbers=DIMENSIONS,
    feature_group_count=groups,
  )


def plain_input_gradient(dy, kernel, stride, x_shape, groups=1):
  x = jax.ShapeDtypeStruct(x_shape, dy.dtype)
  return jax.linear_transpose(lambda x: plain_forward(x, kernel, stride, groups), x)(dy)[0]


def plain_weight_gradient(x, dy, stride, kernel_shape, groups=1):
  kernel = jax.ShapeDtypeStruct(kernel_shape, x.dtype)
  return jax.linear_transpose(lambda kernel: plain_forward(x, kernel, stride, groups), kernel)(dy)[0]


# The rules for the CPU: which formulation for which shape (None: the plain one).


def fast_forward(kernel_shape, stride, groups=1):
  if groups > 1:
    return functools.partial(_grouped_forward, groups=groups)
  if kernel_shape[:2] == (1, 1) and stride == 1:
    return _dot_forward
  if _few_outputs(kernel_shape, stride):
    return _rows_forward
  return None


def fast_input_gradient(kernel_shape, stride, dy_shape, groups=1):
  if groups > 1:
    return functools.partial(_grouped_input_gradient, groups=groups)
  if kernel_shape[:2] == (1, 1) and stride == 1:
    return _dot_input_gradient
  if _small_map(kernel_shape, dy_shape):
    return _taps_input_gradient
  if stride == 2 and kernel_shape[0] % 2 == kernel_shape[1] % 2 == 0:
    return _blocks_input_gradient
  return _mirrored_input_gradient


def fast_weight_gradient(kernel_shape, stride, dy_shape, groups=1):
  if groups > 1:
    return functools.partial(_grouped_weight_gradient, groups=groups)
  if kernel_shape[:2] == (1, 1) and stride == 1:
    return _dot_weight_gradient
  if _small_map(kernel_shape, dy_shape):
    return _taps_weight_gradient
  if _few_outputs(kernel_shape, stride):
    return _rows_weight_gradient
  if stride == 2:
    return _blocks_weight_gradient
  return _channels_weight_gradient


def _small_map(kernel_shape, dy_shape):
  kh, kw, _, outputs = kernel_shape
  batch, height, width, _ = dy_shape
  # The first condition is a must: XLA takes such a map for the kernel, and runs a naive loop. The
  # second says that the kernel is larger than the maps, so that reading it is what costs.
  return height * width <= kh * kw or batch * height * width <= outputs


def _few_outputs(kernel_shape, stride):
  return stride == 1 and kernel_shape[0] > 1 and kernel_shape[3] <= 4


# 1x1: dots.


def _dot_forward(x, kernel, stride):
  return lax.dot_general(x, kernel[0, 0], (((3,), (0,)), ((), ())))


def _dot_input_gradient(dy, kernel, stride, x_shape):
  return lax.dot_general(dy, kernel[0, 0], (((3,), (1,)), ((), ())))


def _dot_weight_gradient(x, dy, stride, kernel_shape):
  over = (0, 1, 2)
  return lax.dot_general(x, dy, ((over, over), ((), ()))).reshape(kernel_shape)


# Few outputs: a 1 x kw convolution to kh*O channels, whose small outputs are shifted and added.


def _rows_forward(x, kernel, stride):
  kh, kw, inputs, outputs = kernel.shape
  height = x.shape[1] - kh + 1
  flat = kernel.transpose(1, 2, 0, 3).reshape(1, kw, inputs, kh * outputs)
  y = plain_forward(x, flat, 1)  # [B, H, W', kh*O]
  return sum(y[:, i : i + height, :, i * outputs : (i + 1) * outputs] for i in range(kh))


def _rows_weight_gradient(x, dy, stride, kernel_shape):
  kh, kw, inputs, outputs = kernel_shape
  height = x.shape[1]
  padded = jnp.pad(dy, ((0, 0), (kh - 1, kh - 1), (0, 0), (0, 0)))
  shifted = [padded[:, kh - 1 - i : kh - 1 - i + height] for i in range(kh)]
  shifted = jnp.concatenate(shifted, -1)  # [B, H, W', kh*O]
  flat = _channels_weight_gradient(x, shifted, 1, (1, kw, inputs, kh * outputs))
  return flat.reshape(kw, inputs, kh, outputs).transpose(2, 0, 1, 3)


# Stride 2: stride 1 on blocks of 2x2 pixels taken as channels. Odd kernels get a row of zeros.


def _blocks(x):
  """[B,H,W,C] -> [B,H/2,W/2,4*C]."""
  batch, height, width, channels = x.shape
  x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
  return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // 2, width // 2, 4 * channels)


def _unblocks(x):
  """[B,H,W,4*C] -> [B,2*H,2*W,C], the inverse of `_blocks`."""
  batch, height, width, channels = x.shape
  x = x.reshape(batch, height, width, 2, 2, channels // 4)
  return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, channels // 4)


def _resize(x, height, width):
  """Crops x [B,H,W,C], or appends zeros, at the bottom and at the right."""
  ends = [(0, height - x.shape[1], 0), (0, width - x.shape[2], 0)]
  return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *ends, (0, 0, 0)])


def _blocks_input_gradient(dy, kernel, stride, x_shape):
  inputs, outputs = kernel.shape[2:]
  kh, kw = (-(-k // 2) for k in kernel.shape[:2])
  flat = _resize(kernel.reshape(1, *kernel.shape[:2], -1), 2 * kh, 2 * kw)
  flat = _blocks(flat).reshape(kh, kw, 4 * inputs, outputs)
  shape = (x_shape[0], dy.shape[1] + kh - 1, dy.shape[2] + kw - 1, 4 * inputs)
  return _resize(_unblocks(_mirrored_input_gradient(dy, flat, 1, shape)), *x_shape[1:3])


def _blocks_weight_gradient(x, dy, stride, kernel_shape):
  inputs, outputs = kernel_shape[2:]
  kh, kw = (-(-k // 2) for k in kernel_shape[:2])
  x = _blocks(_resize(x, 2 * (dy.shape[1] + kh - 1), 2 * (dy.shape[2] + kw - 1)))
  flat = _channels_weight_gradient(x, dy, 1, (kh, kw, 4 * inputs, outputs))
  flat = _unblocks(flat.reshape(1, kh, kw, 4 * inputs * outputs))
  return _resize(flat, *kernel_shape[:2]).reshape(kernel_shape)


# Small maps, large kernels: one dot for all taps. The kernel is its left operand: as the right
# one it would be transposed, at the cost of many such dots.


def _taps_input_gradient(dy, kernel, stride, x_shape):
  taps = lax.dot_general(kernel, dy, (((3,), (3,)), ((), ())))  # [kh, kw, I, B, H', W']
  places = [
    _places(k, n, size, stride).astype(dy.dtype)
    for k, n, size in zip(kernel.shape[:2], dy.shape[1:3], x_shape[1:3], strict=True)
  ]
  rows = lax.dot_general(taps, places[1], (((1, 5), (0, 1)), ((), ())))  # [kh, I, B, H', W]
  return lax.dot_general(rows, places[0], (((0, 3), (0, 1)), ((), ()))).transpose(1, 3, 2, 0)


def _places(taps, steps, size, stride):
  """[taps, steps, size]: one where tap i of step n falls on a pixel, zeros elsewhere."""
  at = np.arange(taps)[:, None] + stride * np.arange(steps)
  return at[..., None] == np.arange(size)


def _taps_weight_gradient(x, dy, stride, kernel_shape):
  height, width = ((n - 1) * stride + 1 for n in dy.shape[1:3])
  taps = [
    x[:, i : i + height : stride, j : j + width : stride]
    for i in range(kernel_shape[0])
    for j in range(kernel_shape[1])
  ]
  over = (0, 1, 2)
  taps = jnp.concatenate(taps, -1)  # [B, H', W', kh*kw*I]
  return lax.dot_general(taps, dy, ((over, over), ((), ()))).reshape(kernel_shape)


# All others: the convolutions that `lax` would make of the gradients, but with every array laid out
# as Eigen wants it. XLA does that by itself in the entry computation only, not inside loops.


def _mirrored_input_gradient(dy, kernel, stride, x_shape):
  mirrored = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
  padding = [
    (k - 1, n - (m - 1) * stride - 1)
    for k, n, m in zip(kernel.shape[:2], x_shape[1:3], dy.shape[1:3], strict=True)
  ]
  return lax.conv_general_dilated(
    dy, mirrored, (1, 1), padding, lhs_dilation=(stride, stride), dimension_numbers=DIMENSIONS
  )


def _channels_weight_gradient(x, dy, stride, kernel_shape):
  """A convolution whose batch is the input's channels and whose kernel is dy; stride: one, or both."""
  strides = np.broadcast_to(stride, 2).tolist()
  used = [(m - 1) * s + k for m, s, k in zip(dy.shape[1:3], strides, kernel_shape[:2], strict=True)]
  x = x[:, : used[0], : used[1]]
  y = lax.conv_general_dilated(
    x.transpose(3, 1, 2, 0),
    dy.transpose(1, 2, 0, 3),
    (1, 1),
    'VALID',
    rhs_dilation=strides,
    dimension_numbers=DIMENSIONS,
  )  # [I, kh, kw, O]
  return y.transpose(1, 2, 0, 3)


# Several groups: one after the other, in a loop, so that a hundred groups compile as fast as one.


def _grouped_forward(x, kernel, stride, groups):
  inputs, outputs = kernel.shape[2], kernel.shape[3] // groups
  forward = fast_forward((*kernel.shape[:3], outputs), stride) or plain_forward

  def one(i):
    return forward(_part(x, i, inputs), _part(kernel, i, outputs), stride)

  return _each(one, groups)


def _grouped_input_gradient(dy, kernel, stride, x_shape, groups):
  inputs, outputs = kernel.shape[2], kernel.shape[3] // groups
  shapes = (*kernel.shape[:3], outputs), stride, (*dy.shape[:3], outputs)
  gradient = fast_input_gradient(*shapes)

  def one(i):
    dy_part, kernel_part = _part(dy, i, outputs), _part(kernel, i, outputs)
    return gradient(dy_part, kernel_part, stride, (*x_shape[:3], inputs))

  return _each(one, groups)


def _grouped_weight_gradient(x, dy, stride, kernel_shape, groups):
  inputs, outputs = kernel_shape[2], kernel_shape[3] // groups
  shape = (*kernel_shape[:3], outputs)
  gradient = fast_weight_gradient(shape, stride, (*dy.shape[:3], outputs))
  if gradient is _channels_weight_gradient and stride == 1 and dy.shape[2] % 2 == 0:
    gradient = _grouped_pairs_weight_gradient

  def one(i):
    return gradient(_part(x, i, inputs), _part(dy, i, outputs), stride, shape)

  return _each(one, groups)


def _grouped_pairs_weight_gradient(x, dy, stride, kernel_shape):
  """Two neighbours in a row as channels: twice the few outputs, and a kernel wider by one pixel."""
  kh, kw, inputs, outputs = kernel_shape
  batch, height, width, _ = dy.shape
  pairs = dy.reshape(batch, height, width // 2, 2 * outputs)
  y = _channels_weight_gradient(x, pairs, (1, 2), (kh, kw + 1, inputs, 2 * outputs))
  return y[:, :kw, :, :outputs] + y[:, 1:, :, outputs:]


def _part(x, i, size):
  """The i-th `size` of the last axis."""
  return lax.dynamic_slice_in_dim(x, i * size, size, x.ndim - 1)


def _each(one, groups):
  """one(0), ..., one(groups - 1), joined along the last axis."""
  part = jax.eval_shape(one, 0)
  size = part.shape[-1]

  def step(i, joined):
    return lax.dynamic_update_slice_in_dim(joined, one(i), i * size, joined.ndim - 1)

  return lax.fori_loop(0, groups, step, jnp.zeros((*part.shape[:-1], groups * size), part.dtype))
