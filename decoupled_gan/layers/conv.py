"""Convolution layers: padded by reflection or zeros, optionally spectrally normalised; their transposes;
and TensorFlow's SAME ones.

The arithmetic is in conv_ops.py, so that speed work has one place to go to.

Spectral normalisation: Miyato et al., ICLR 2018, as `torch.nn.utils.spectral_norm` does it: u and v
are both stored (collection 'spectral'), one power iteration for each call in training, none in
evaluation. `flax.linen.SpectralNorm` stores u only and iterates in evaluation too, so its outputs
differ there. Linear layers and embeddings have it in linear.py. Where we differ from torch: the vectors
are iterated once at initialisation, so that a network that was never trained has a sensible norm in
evaluation (torch's is random there).
"""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers import conv_ops, extent, resample

torch_kernel = nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform')
"""torch's default for convolutions and linear layers: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""


def torch_bias(fan_in: int):
  """torch's default bias, which has the kernel's bound."""
  bound = 1 / math.sqrt(fan_in)

  def init(key, shape, dtype=jnp.float32):
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return init


def _unit(x: Array) -> Array:
  # As a dot, which compiles faster than a sum. The least norm is torch.nn.utils.spectral_norm's.
  return x / jnp.maximum(jnp.sqrt(jnp.vdot(x, x, precision='highest')), 1e-12)


def _unit_normal(key, size):
  return _unit(jax.random.normal(key, (size,)))


def spectral_norm(layer: nn.Module, kernel: Array, iterate: bool = True) -> Array:
  """The largest singular value of `kernel` [..., O], as estimated by the vectors of `layer`: a scalar.

  The vectors u [O] and v [prod(...)] live in the collection 'spectral' of `layer`. If the caller
  made that collection mutable (training) and `iterate` is set, one power iteration is done and
  stored; otherwise the stored vectors are used as they are. The gradient reaches the kernel only.
  """
  matrix = kernel.reshape(-1, kernel.shape[-1])
  u = layer.variable(
    'spectral', 'u', lambda: _unit_normal(layer.make_rng('params'), matrix.shape[1])
  )
  v = layer.variable(
    'spectral', 'v', lambda: _unit_normal(layer.make_rng('params'), matrix.shape[0])
  )
  if iterate and layer.is_mutable_collection('spectral'):
    fixed = jax.lax.stop_gradient(matrix)
    v.value = _unit(fixed @ u.value)
    u.value = _unit(v.value @ fixed)
  u_now, v_now = jax.lax.stop_gradient((u.value, v.value))
  return v_now @ matrix @ u_now


PADDINGS = {
  'reflect': conv_ops.reflect_pad,
  'zero': lambda x, pad: extent.bordered(x, pad, 'constant'),
}
"""Name -> (x [B, H, W, C], pixels) -> x with a border of so many pixels."""


class Conv(nn.Module):
  """Padding, then a square VALID convolution: [B, H, W, I] -> [B, H', W', features].

  Attributes:
    pad: of PADDINGS, by `padding` pixels on each side.
    bias_init: torch's bound of the kernel if None.

  `iterate` is that of `spectral_norm`.
  """

  features: int
  kernel_size: int
  stride: int = 1
  padding: int = 0
  use_bias: bool = True
  spectral: bool = False
  dtype: Any = jnp.float32
  pad: str = 'reflect'
  kernel_init: Any = torch_kernel
  bias_init: Any = None

  @nn.compact
  def __call__(self, x: Array, iterate: bool = True) -> Array:
    shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
    kernel = self.param('kernel', self.kernel_init, shape)
    norm = spectral_norm(self, kernel, iterate) if self.spectral else None
    if self.padding:
      x = PADDINGS[self.pad](x, self.padding)
    # A convolution is linear: the norm may divide the kernel or the output, whichever is smaller.
    size = self._output_size(x)  # a symbol, where a function is exported for any number of images
    late = self.spectral and isinstance(size, int) and kernel.size > size
    if self.spectral and not late:
      kernel = kernel / norm
    y = conv_ops.conv(x.astype(self.dtype), kernel.astype(self.dtype), self.stride)
    if late:
      y = y / norm.astype(self.dtype)
    if self.use_bias:
      init = self.bias_init or torch_bias(math.prod(shape[:3]))
      bias = self.param('bias', init, (self.features,))
      y = conv_ops.add_bias(y, bias)
    return y

  def _output_size(self, x: Array) -> int:
    """The number of elements of the convolution of x, which is padded already."""
    height, width = ((n - self.kernel_size) // self.stride + 1 for n in x.shape[1:3])
    return x.shape[0] * height * width * self.features


class ConvTranspose(nn.Module):
  """torch's transposed convolution, which doubles the size: [B, H, W, I] -> [B, 2H, 2W, features].

  Stride 2, cropped by 1 pixel at the top and left and, to twice the size, at the bottom and right:
  kernels of 3 with torch's padding 1 and output_padding 1, kernels of 4 with padding 1.
  """

  features: int
  kernel_size: int = 3
  use_bias: bool = True
  dtype: Any = jnp.float32
  kernel_init: Any = torch_kernel
  bias_init: Any = nn.initializers.zeros

  @nn.compact
  def __call__(self, x: Array) -> Array:
    height, width = (2 * n for n in x.shape[1:3])
    shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
    kernel = self.param('kernel', self.kernel_init, shape)
    x = extent.cleared(x).astype(self.dtype)
    y = conv_ops.conv_transpose(x, kernel.astype(self.dtype), 2)
    y = y[:, 1 : 1 + height, 1 : 1 + width]
    if self.use_bias:
      y = conv_ops.add_bias(y, self.param('bias', self.bias_init, (self.features,)))
    return y


class Dense(nn.Module):
  """Linear layer without bias, with torch's initialisation: [B, I] -> [B, features]."""

  features: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    return nn.Dense(self.features, use_bias=False, kernel_init=torch_kernel, dtype=self.dtype)(x)


RESIZED = {
  'doubled': functools.partial(resample.conv_doubled, border='constant'),
  'halved': resample.conv_halved,
}


class SameConv(nn.Module):
  """Zero-padded ('SAME') convolution: [B, H, W, I] -> [B, H/stride, W/stride, features].

  Attributes:
    transposed: whether it is the transpose instead, [B, H, W, I] -> [B, stride H, stride W, features].
      Its kernel is [k, k, features, I], as in TensorFlow.
    groups: parts of inputs and outputs that do not see each other; the kernel is [k, k, I/groups, O].
    spectral: whether the kernel is divided by its spectral norm, as a matrix [rest, outputs].
    resized: 'doubled' convolves `nearest_double(x)`, 'halved' takes `mean_halved` of the result, both
      at less than half the work; kernels of 3 and stride 1.
  """

  features: int
  kernel_size: int = 5
  stride: int = 2
  transposed: bool = False
  use_bias: bool = True
  groups: int = 1
  spectral: bool = False
  kernel_init: Any = nn.initializers.normal(0.02)
  dtype: Any = jnp.float32
  resized: str = ''

  @nn.compact
  def __call__(self, x: Array) -> Array:
    ends = (x.shape[-1] // self.groups, self.features)
    shape = (self.kernel_size, self.kernel_size, *(ends[::-1] if self.transposed else ends))
    kernel = self.param('kernel', self.kernel_init, shape)
    if self.spectral:
      kernel = kernel / spectral_norm(self, kernel.swapaxes(2, 3) if self.transposed else kernel)
    x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
    if self.resized:
      y = RESIZED[self.resized](x, kernel)
    elif self.transposed:
      y = conv_ops.conv_transpose_same(x, kernel, self.stride)
    else:
      y = conv_ops.conv_same(x, kernel, self.stride, self.groups)
    if not self.use_bias:
      return y
    bias = self.param('bias', nn.initializers.zeros, (self.features,))
    return y + bias.astype(self.dtype).reshape(1, 1, 1, self.features)
