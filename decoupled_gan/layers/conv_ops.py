"""Convolution, reflection padding and pixel shuffle: the arithmetic below every layer.

On TPU and GPU these are the native operations; on the CPU the convolutions are lowered to whatever
conv_formulations.py has for their shape. They have reverse-mode derivatives of any order, and no
forward-mode ones (`jax.jvp`).
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from decoupled_gan.layers import conv_formulations as formulations
from decoupled_gan.layers import extent


def conv(x, kernel, stride=1, groups=1):
  """Cross-correlation without padding: [B,H,W,I], [kh,kw,I,O] -> [B,(H-kh)//s+1,(W-kw)//s+1,O].

  The result has x's dtype, float32 or another floating one. Of several groups, the k-th part of the
  outputs sees the k-th part of the inputs only: the kernel is [kh,kw,I/groups,O].
  """
  return _forward(x, kernel.astype(x.dtype), stride, groups)


def conv_same(x, kernel, stride=1, groups=1):
  """Cross-correlation with zeros around x: [B,H,W,I], [kh,kw,I,O] -> [B,ceil(H/s),ceil(W/s),O].

  TensorFlow's 'SAME': where the number of zeros is odd, one more at the bottom and at the right.
  """
  pads = [same_pads(n, k, stride) for n, k in zip(x.shape[1:3], kernel.shape, strict=False)]
  return conv(jnp.pad(x, [(0, 0), *pads, (0, 0)]), kernel, stride, groups)


def conv_dilated(x, kernel, rate):
  """`conv_same` of stride 1 with rate - 1 zeros between the kernel's taps: [B,H,W,I] -> [B,H,W,O].

  Pixels that are a multiple of `rate` apart see only each other: they are images of their own.
  """
  batch, height, width, channels = x.shape
  rows, columns = (-(-n // rate) for n in (height, width))
  x = jnp.pad(x, ((0, 0), (0, rows * rate - height), (0, columns * rate - width), (0, 0)))
  x = x.reshape(batch, rows, rate, columns, rate, channels).transpose(0, 2, 4, 1, 3, 5)
  y = conv_same(x.reshape(-1, rows, columns, channels), kernel)
  y = y.reshape(batch, rate, rate, rows, columns, -1).transpose(0, 3, 1, 4, 2, 5)
  return y.reshape(batch, rows * rate, columns * rate, -1)[:, :height, :width]


def conv_transpose(x, kernel, stride=1):
  """Transposed convolution: [B,H,W,I], [kh,kw,I,O] -> [B,(H-1)*s+kh,(W-1)*s+kw,O].

  Each pixel of x adds its multiple of the kernel to the output, `stride` pixels apart.
  """
  size = [(n - 1) * stride + k for n, k in zip(x.shape[1:3], kernel.shape[:2], strict=True)]
  kernel = kernel.astype(x.dtype).swapaxes(2, 3)
  return _input_gradient(x, kernel, stride, 1, (x.shape[0], *size, kernel.shape[2]))


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


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
@functools.partial(jax.jit, static_argnums=(2, 3))
def _forward(x, kernel, stride, groups):
  plain = functools.partial(formulations.plain_forward, groups=groups)
  fast = formulations.fast_forward(kernel.shape, stride, groups)
  return _lower(plain, fast, x, kernel, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _input_gradient(dy, kernel, stride, groups, x_shape):
  plain = functools.partial(formulations.plain_input_gradient, groups=groups)
  fast = formulations.fast_input_gradient(kernel.shape, stride, dy.shape, groups)
  return _lower(plain, fast, dy, kernel, stride, x_shape)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _weight_gradient(x, dy, stride, groups, kernel_shape):
  plain = functools.partial(formulations.plain_weight_gradient, groups=groups)
  fast = formulations.fast_weight_gradient(kernel_shape, stride, dy.shape, groups)
  return _lower(plain, fast, x, dy, stride, kernel_shape)


_forward.defvjp(
  lambda x, kernel, *static: (_forward(x, kernel, *static), (x, kernel)),
  lambda stride, groups, saved, dy: (
    _input_gradient(dy, saved[1], stride, groups, saved[0].shape),
    _weight_gradient(saved[0], dy, stride, groups, saved[1].shape),
  ),
)
_input_gradient.defvjp(
  lambda dy, kernel, *static: (_input_gradient(dy, kernel, *static), (dy, kernel)),
  lambda stride, groups, shape, saved, dx: (
    _forward(dx, saved[1], stride, groups),
    _weight_gradient(dx, saved[0], stride, groups, saved[1].shape),
  ),
)
_weight_gradient.defvjp(
  lambda x, dy, *static: (_weight_gradient(x, dy, *static), (x, dy)),
  lambda stride, groups, shape, saved, dkernel: (
    _input_gradient(saved[1], dkernel, stride, groups, saved[0].shape),
    _forward(saved[0], dkernel, stride, groups),
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
    dimension_numbers=formulations.DIMENSIONS,
    feature_group_count=x.shape[-1],
  )


def _shifted_depthwise(x, kernel, stride):
  height, width = (n - k + 1 for n, k in zip(x.shape[1:3], kernel.shape[:2], strict=True))
  return sum(
    x[:, i : i + height : stride, j : j + width : stride] * kernel[i, j].reshape(1, 1, 1, -1)
    for i in range(kernel.shape[0])
    for j in range(kernel.shape[1])
  )


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
  return extent.bordered(x, pad, 'reflect')


def pixel_shuffle(x, factor=2):
  """Channels to pixels, PyTorch's channel order: [B,H,W,C*f*f] -> [B,H*f,W*f,C]."""
  batch, height, width, channels = x.shape
  if channels % factor**2:
    raise ValueError(f'{channels} channels cannot be shuffled to {factor}x{factor} pixels')
  x = x.reshape(batch, height, width, channels // factor**2, factor, factor)
  x = x.transpose(0, 1, 4, 2, 5, 3)
  return x.reshape(batch, height * factor, width * factor, channels // factor**2)


moments = extent.moments
