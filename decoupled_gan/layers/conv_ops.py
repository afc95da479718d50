"""Convolution, reflection padding and pixel shuffle: the arithmetic below every layer.

On TPU and GPU these are the native operations. XLA for CPU loses factors of 2 to 300 with some
shapes of gradients; there, other formulations of the same sums are lowered. The rules, each with
the plain rate and ours in 10^9 operations per second, from `benchmarks/conv_rates.py` (NICE-GAN at
128 px and width 32, batch size 1 | 4, jaxlib 0.10.2, about one free core):

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

Outside loops the last two equal the plain form; forward passes do except for few outputs. Tried
and left out: padding as gathers with a backward pass of its own (faster alone, the step was not);
means and variances by dots (no faster) or by trees of slices (slower with their gradients), or in
one pass over x less its first pixel (the step perhaps 5% faster, which is within its noise).

The convolution has reverse-mode derivatives of any order, and no forward-mode ones (`jax.jvp`).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_DIMENSIONS = ('NHWC', 'HWIO', 'NHWC')
_CPU_OPTIONS = {
  'xla_cpu_experimental_ynn_fusion_type': (
    'LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE'
  )
}


def conv(x, kernel, stride=1):
  """Cross-correlation without padding: [B,H,W,I], [kh,kw,I,O] -> [B,(H-kh)//s+1,(W-kw)//s+1,O].

  The result has x's dtype, float32 or another floating one.
  """
  return _forward(x, kernel.astype(x.dtype), stride)


def conv_same(x, kernel, stride=1):
  """Cross-correlation with zeros around x: [B,H,W,I], [kh,kw,I,O] -> [B,ceil(H/s),ceil(W/s),O].

  TensorFlow's 'SAME': where the number of zeros is odd, one more at the bottom and at the right.
  """
  pads = [same_pads(n, k, stride) for n, k in zip(x.shape[1:3], kernel.shape, strict=False)]
  return conv(jnp.pad(x, [(0, 0), *pads, (0, 0)]), kernel, stride)


def conv_transpose(x, kernel, stride=1):
  """Transposed convolution: [B,H,W,I], [kh,kw,I,O] -> [B,(H-1)*s+kh,(W-1)*s+kw,O].

  Each pixel of x adds its multiple of the kernel to the output, `stride` pixels apart.
  """
  size = [(n - 1) * stride + k for n, k in zip(x.shape[1:3], kernel.shape[:2], strict=True)]
  kernel = kernel.astype(x.dtype).swapaxes(2, 3)
  return _input_gradient(x, kernel, stride, (x.shape[0], *size, kernel.shape[2]))


def conv_transpose_same(x, kernel, stride):
  """The transpose of `conv_same`, kernels not smaller than the stride: [kh,kw,O,I] -> [B,s*H,s*W,O].

  TensorFlow's `conv2d_transpose` with 'SAME', its kernel layout included.
  """
  if stride == 1 and kernel.shape[0] % 2 == kernel.shape[1] % 2 == 1:
    return conv_same(x, kernel[::-1, ::-1].swapaxes(2, 3))  # it has more rules to choose from
  height, width = (stride * n for n in x.shape[1:3])
  top, left = (
    same_pads(n, k, stride)[0] for n, k in zip((height, width), kernel.shape[:2], strict=True)
  )
  y = conv_transpose(x, kernel.swapaxes(2, 3), stride)
  return y[:, top : top + height, left : left + width]


def same_pads(size, kernel_size, stride):
  """(before, after): how many zeros TensorFlow's 'SAME' puts around `size` pixels."""
  total = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
  return total // 2, total - total // 2


# Forward, input gradient and weight gradient are bilinear, and the gradients of each are the other
# two: written as three functions they can be differentiated without end, and no derivative of any
# order falls back to a formulation that nobody chose. jit: equal shapes are traced once.


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
@functools.partial(jax.jit, static_argnums=2)
def _forward(x, kernel, stride):
  fast = _fast_forward(kernel.shape, stride)
  return _lower(_plain_forward, fast, x, kernel, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
@functools.partial(jax.jit, static_argnums=(2, 3))
def _input_gradient(dy, kernel, stride, x_shape):
  fast = _fast_input_gradient(kernel.shape, stride, dy.shape)
  return _lower(_plain_input_gradient, fast, dy, kernel, stride, x_shape)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
@functools.partial(jax.jit, static_argnums=(2, 3))
def _weight_gradient(x, dy, stride, kernel_shape):
  fast = _fast_weight_gradient(kernel_shape, stride, dy.shape)
  return _lower(_plain_weight_gradient, fast, x, dy, stride, kernel_shape)


_forward.defvjp(
  lambda x, kernel, stride: (_forward(x, kernel, stride), (x, kernel)),
  lambda stride, saved, dy: (
    _input_gradient(dy, saved[1], stride, saved[0].shape),
    _weight_gradient(saved[0], dy, stride, saved[1].shape),
  ),
)
_input_gradient.defvjp(
  lambda dy, kernel, stride, shape: (_input_gradient(dy, kernel, stride, shape), (dy, kernel)),
  lambda stride, shape, saved, dx: (
    _forward(dx, saved[1], stride),
    _weight_gradient(dx, saved[0], stride, saved[1].shape),
  ),
)
_weight_gradient.defvjp(
  lambda x, dy, stride, shape: (_weight_gradient(x, dy, stride, shape), (x, dy)),
  lambda stride, shape, saved, dkernel: (
    _input_gradient(saved[1], dkernel, stride, saved[0].shape),
    _forward(saved[0], dkernel, stride),
  ),
)


def _lower(plain, fast, a, b, *static):
  """`fast` (or `plain` if it is None) on the CPU, in float32 or wider; `plain` everywhere else.

  XLA's CPU code converts half precision as well; done here, it rounds the result once only.
  """
  wide = jnp.promote_types(a.dtype, jnp.float32)
  if fast is None and wide == a.dtype:
    return plain(a, b, *static)

  def cpu(a, b):
    return (fast or plain)(a.astype(wide), b.astype(wide), *static).astype(a.dtype)

  return lax.platform_dependent(a, b, cpu=cpu, default=lambda a, b: plain(a, b, *static))


def depthwise(x, kernel, stride=1):
  """Each channel by a kernel of its own, without padding: [B,H,W,C], [kh,kw,C] -> [B,H',W',C].

  On the CPU a sum of shifted slices, which XLA fuses: several times as fast as its grouped
  convolution (benchmarks/features.py).
  """
  return lax.platform_dependent(
    x,
    kernel.astype(x.dtype),
    cpu=functools.partial(_shifted_depthwise, stride=stride),
    default=functools.partial(grouped_depthwise, stride=stride),
  )


def grouped_depthwise(x, kernel, stride=1):
  """`depthwise` as XLA's grouped convolution, on any platform."""
  return lax.conv_general_dilated(
    x,
    kernel[:, :, None],
    (stride, stride),
    'VALID',
    dimension_numbers=_DIMENSIONS,
    feature_group_count=x.shape[-1],
  )


def _shifted_depthwise(x, kernel, stride):
  height, width = (n - k + 1 for n, k in zip(x.shape[1:3], kernel.shape[:2], strict=True))
  return sum(
    x[:, i : i + height : stride, j : j + width : stride] * kernel[i, j].reshape(1, 1, 1, -1)
    for i in range(kernel.shape[0])
    for j in range(kernel.shape[1])
  )


def _plain_forward(x, kernel, stride):
  return lax.conv_general_dilated(
    x, kernel, (stride, stride), 'VALID', dimension_numbers=_DIMENSIONS
  )


def _plain_input_gradient(dy, kernel, stride, x_shape):
  x = jax.ShapeDtypeStruct(x_shape, dy.dtype)
  return jax.linear_transpose(lambda x: _plain_forward(x, kernel, stride), x)(dy)[0]


def _plain_weight_gradient(x, dy, stride, kernel_shape):
  kernel = jax.ShapeDtypeStruct(kernel_shape, x.dtype)
  return jax.linear_transpose(lambda kernel: _plain_forward(x, kernel, stride), kernel)(dy)[0]


# The rules for the CPU: which formulation for which shape (None: the plain one).


def _fast_forward(kernel_shape, stride):
  if kernel_shape[:2] == (1, 1) and stride == 1:
    return _dot_forward
  if _few_outputs(kernel_shape, stride):
    return _rows_forward
  return None


def _fast_input_gradient(kernel_shape, stride, dy_shape):
  if kernel_shape[:2] == (1, 1) and stride == 1:
    return _dot_input_gradient
  if _small_map(kernel_shape, dy_shape):
    return _taps_input_gradient
  if stride == 2 and kernel_shape[0] % 2 == kernel_shape[1] % 2 == 0:
    return _blocks_input_gradient
  return _mirrored_input_gradient


def _fast_weight_gradient(kernel_shape, stride, dy_shape):
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
  y = _plain_forward(x, flat, 1)  # [B, H, W', kh*O]
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
    dy, mirrored, (1, 1), padding, lhs_dilation=(stride, stride), dimension_numbers=_DIMENSIONS
  )


def _channels_weight_gradient(x, dy, stride, kernel_shape):
  """A convolution whose batch is the input's channels and whose kernel is dy."""
  used = [(m - 1) * stride + k for m, k in zip(dy.shape[1:3], kernel_shape[:2], strict=True)]
  x = x[:, : used[0], : used[1]]
  y = lax.conv_general_dilated(
    x.transpose(3, 1, 2, 0),
    dy.transpose(1, 2, 0, 3),
    (1, 1),
    'VALID',
    rhs_dilation=(stride, stride),
    dimension_numbers=_DIMENSIONS,
  )  # [I, kh, kw, O]
  return y.transpose(1, 2, 0, 3)


@jax.custom_vjp
def add_bias(x, bias):
  """x [..., C] + bias [C], in x's dtype; the gradient of bias is summed in float32."""
  return x + bias.astype(x.dtype).reshape((1,) * (x.ndim - 1) + bias.shape)


def _channel_sums(x):
  """[..., C] -> [C], float32. By a dot on the CPU: where x is itself transposed, XLA would take
  the reduction through the transpose, and step through memory."""

  def by_dot(x):
    rows = x.reshape(-1, x.shape[-1])
    return jnp.ones(len(rows), x.dtype) @ rows

  wide = x.astype(jnp.float32)
  return lax.platform_dependent(
    wide, cpu=by_dot, default=lambda x: x.sum(tuple(range(x.ndim - 1)))
  )


add_bias.defvjp(
  lambda x, bias: (add_bias(x, bias), jnp.zeros((0,), bias.dtype)),
  lambda like, dy: (dy, _channel_sums(dy).astype(like.dtype)),
)


def reflect_pad(x, pad):
  """Mirror the border without repeating it: [B,H,W,C] -> [B,H+2*pad,W+2*pad,C]."""
  height, width = x.shape[1:3]
  if pad >= min(height, width):
    raise ValueError(
      f'reflection padding of {pad} needs a map larger than {pad} pixels, got {height}x{width}'
    )
  return jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode='reflect')


def pixel_shuffle(x, factor=2):
  """Channels to pixels, PyTorch's channel order: [B,H,W,C*f*f] -> [B,H*f,W*f,C]."""
  batch, height, width, channels = x.shape
  if channels % factor**2:
    raise ValueError(f'{channels} channels cannot be shuffled to {factor}x{factor} pixels')
  x = x.reshape(batch, height, width, channels // factor**2, factor, factor)
  x = x.transpose(0, 1, 4, 2, 5, 3)
  return x.reshape(batch, height * factor, width * factor, channels // factor**2)


def moments(x, axes, ddof=0):
  """Mean and variance of x over axes, reduced dimensions kept; float32 whatever x's dtype."""
  x = x.astype(jnp.float32)
  return x.mean(axes, keepdims=True), x.var(axes, keepdims=True, ddof=ddof)


@functools.cache
def cpu_compiler_options():
  """Options for `jax.jit(..., compiler_options=...)` on the CPU; {} where they are unknown.

  jaxlib 0.10 runs convolutions by YNNPACK, which is slower than Eigen by up to a factor of 4 at
  these shapes. The option lists what YNNPACK may keep; its name changes from version to version.
  """
  try:
    cpu = jax.local_devices(backend='cpu')[0]
    with jax.default_device(cpu):
      jax.jit(lambda: jnp.zeros(()), compiler_options=_CPU_OPTIONS)().block_until_ready()
  except RuntimeError:  # unknown to this jaxlib, or there is no CPU backend
    return {}
  return dict(_CPU_OPTIONS)
