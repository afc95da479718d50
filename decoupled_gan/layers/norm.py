"""Normalisation: LIN and AdaLIN, batch and instance normalisation.

LIN and AdaLIN (Kim et al., U-GAT-IT, ICLR 2020, eq. 2) mix instance normalisation (statistics over
H, W) and layer normalisation (over H, W, C):
  y = rho_in * (x - mu_in) / sqrt(var_in + eps) + rho_ln * (x - mu_ln) / sqrt(var_ln + eps)
  LIN: gamma * y + beta with learned gamma and beta; AdaLIN: gamma and beta come from the image.
The mixture of each channel is a softmax of two logits (NICE-GAN), or rho and 1 - rho of one rho, which
the optimizer keeps in [0, 1] (`clipped`: U-GAT-IT). Variances are unbiased (N - 1), as `torch.var` has
them. Statistics are float32 whatever the images' dtype.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.layers import conv_ops, extent

EPSILON = 1e-5
IN_LOGITS = (3.2, 1.0)  # (instance, layer): AdaLIN starts at rho_in = 0.90
LN_LOGITS = (1.0, 3.2)  # LIN starts at rho_in = 0.10


@jax.custom_vjp
def mixed_normalise(x: Array, rho: Array, gamma: Array, beta: Array) -> Array:
  """x [B, H, W, C] normalised; rho [2, C] (instance, layer); gamma, beta [B, C] float32.

  Both normalisations are affine in x for each image and channel, so that their mixture is one
  multiplication and one addition; and the layer's statistics follow from the channels' ones, so
  that x is read for its statistics once. The gradient is written out for the same reason: two sums
  over pixels, then one affine map of x and the output's gradient. It can be differentiated again.
  """
  return _mixed_forward(x, rho, gamma, beta)[0]


def _mixed_forward(x, rho, gamma, beta):
  mean, var = (s[:, 0, 0] for s in conv_ops.moments(x, axes=(1, 2), ddof=1))  # [B, C] float32
  pixels, channels = extent.pixels_of(x), x.shape[3]
  layer_mean = _sum(mean) / channels  # [B, 1]
  sums = (pixels - 1) * var + pixels * jnp.square(mean - layer_mean)  # within and between channels
  layer_var = _sum(sums) / (pixels * channels - 1)
  inverse = jax.lax.rsqrt(var + EPSILON), jax.lax.rsqrt(layer_var + EPSILON)
  instance, layer = rho[:1] * inverse[0], rho[1:] * inverse[1]
  scale = gamma * (instance + layer)
  shift = beta - gamma * (instance * mean + layer * layer_mean)
  y = (x * scale[:, None, None] + shift[:, None, None]).astype(x.dtype)
  return y, (x, rho, gamma, mean, layer_mean, *inverse)


def _mixed_backward(saved, dy):
  x, rho, gamma, mean, layer_mean, inverse, layer_inverse = saved
  pixels, channels = x.shape[1] * x.shape[2], x.shape[3]
  wide_x, wide_dy = x.astype(jnp.float32), dy.astype(jnp.float32)
  dshift, dscale = wide_dy.sum((1, 2)), (wide_dy * wide_x).sum((1, 2))  # [B, C]
  instance, layer = rho[:1] * inverse, rho[1:] * layer_inverse
  # The derivatives by the factors of the two normalisations, then by what they are made of.
  of_instance, of_layer = dscale - dshift * mean, dscale - dshift * layer_mean
  dgamma = of_instance * instance + of_layer * layer
  of_instance, of_layer = gamma * of_instance * inverse, gamma * of_layer * layer_inverse
  drho = jnp.stack([of_instance.sum(0), of_layer.sum(0)])
  dvar = -0.5 * rho[:1] * of_instance * jnp.square(inverse)
  dlayer_var = -0.5 * _sum(rho[1:] * of_layer) * jnp.square(layer_inverse)
  dlayer_var = dlayer_var / (pixels * channels - 1)  # from here on by sums over all
  dlayer_mean = -_sum(dshift * gamma * layer)
  dvar = dvar + (pixels - 1) * dlayer_var
  dmean = 2 * pixels * dlayer_var * (mean - layer_mean) + dlayer_mean / channels
  dmean = dmean - dshift * gamma * instance
  of_x = 2 / (pixels - 1) * dvar
  scale, constant = gamma * (instance + layer), dmean / pixels - of_x * mean
  scale, of_x, constant = (s[:, None, None] for s in (scale, of_x, constant))
  dx = (wide_dy * scale + wide_x * of_x + constant).astype(x.dtype)
  return dx, drho, dgamma, dshift


def _sum(x: Array) -> Array:
  """[B, C] -> [B, 1], as a dot: XLA for the CPU makes two loops of a sum, and compiles both."""
  return jnp.dot(x, jnp.ones((x.shape[1], 1), x.dtype), precision='highest')


mixed_normalise.defvjp(_mixed_forward, _mixed_backward)


def _mixed(x: Array, rho: Array, gamma: Array, beta: Array) -> Array:
  """`mixed_normalise`, or its forward pass only for images that do not fill their arrays."""
  if extent.size_of(x):
    return _mixed_forward(x, rho, gamma, beta)[0]
  return mixed_normalise(x, rho, gamma, beta)


def _rho(layer: nn.Module, logits, rho: float, channels: int) -> Array:
  """The mixture's weights [2, C], of logits [C, 2] or of one rho [C]: as official checkpoints have
  them.

  `logits` and `rho` are what they begin with.
  """
  if layer.clipped:
    instance = layer.param('rho', nn.initializers.constant(rho), (channels,))
    return jnp.stack([instance, 1 - instance])
  init = lambda key, shape: jnp.broadcast_to(jnp.array(logits), shape)  # noqa: E731
  return nn.softmax(layer.param('rho', init, (channels, 2))).T


class LIN(nn.Module):
  """Layer-instance normalisation with a learned affine map: [B, H, W, C] -> the same."""

  clipped: bool = False

  @nn.compact
  def __call__(self, x: Array) -> Array:
    channels = x.shape[-1]
    gamma = self.param('gamma', nn.initializers.ones, (channels,))
    beta = self.param('beta', nn.initializers.zeros, (channels,))
    gamma, beta = (jnp.broadcast_to(p[None], (x.shape[0], channels)) for p in (gamma, beta))
    return _mixed(x, _rho(self, LN_LOGITS, 0.0, channels), gamma, beta)


class AdaLIN(nn.Module):
  """Adaptive layer-instance normalisation: gamma and beta [B, C] are given with the image."""

  clipped: bool = False

  @nn.compact
  def __call__(self, x: Array, gamma: Array, beta: Array) -> Array:
    return _mixed(x, _rho(self, IN_LOGITS, 0.9, x.shape[-1]), gamma, beta)


class BatchNorm(nn.Module):
  """Batch normalisation (Ioffe and Szegedy, ICML 2015) over all axes but the last.

  While the collection 'batch_stats' is mutable (training), it normalises by the batch's mean and
  biased variance, and moves their running averages; otherwise it normalises by those.

  Attributes:
    scale_init: of the learned scale; None: there is none.
    use_bias: whether there is a learned shift.
  """

  epsilon: float = 1e-3
  momentum: float = 0.99
  scale_init: Any = None
  use_bias: bool = True

  @nn.compact
  def __call__(self, x: Array) -> Array:
    return nn.BatchNorm(
      use_running_average=not self.is_mutable_collection('batch_stats'),
      momentum=self.momentum,
      epsilon=self.epsilon,
      use_scale=self.scale_init is not None,
      use_bias=self.use_bias,
      scale_init=self.scale_init or nn.initializers.ones,
      dtype=x.dtype,
      name='norm',
    )(x)


class InstanceNorm(nn.Module):
  """Each channel of each image by its own mean and biased variance, then a learned affine map.

  What batch normalisation is in training at batch size 1. [B, H, W, C] -> the same.
  """

  epsilon: float = EPSILON

  @nn.compact
  def __call__(self, x: Array) -> Array:
    gamma = self.param('gamma', nn.initializers.ones, x.shape[-1:])
    beta = self.param('beta', nn.initializers.zeros, x.shape[-1:])
    mean, var = conv_ops.moments(x, axes=(1, 2))
    scale = gamma[None, None, None] * jax.lax.rsqrt(var + self.epsilon)
    return (x * scale + (beta[None, None, None] - mean * scale)).astype(x.dtype)


def instance_normalise(x: Array) -> Array:
  """Each channel of each image of x [B, H, W, C] by its own mean and biased variance; torch's eps."""
  return _instance_forward(x)[0] if extent.size_of(x) else _instance_normalise(x)


@jax.custom_vjp
def _instance_normalise(x: Array) -> Array:
  """Its gradient is written out: two sums over pixels, then one affine map of x and that of the output.

  It can be differentiated again.
  """
  return _instance_forward(x)[0]


def _instance_forward(x):
  mean, var = conv_ops.moments(x, axes=(1, 2))
  inverse = jax.lax.rsqrt(var + EPSILON)
  return ((x - mean) * inverse).astype(x.dtype), (x, mean, inverse)


def _instance_backward(saved, dy):
  x, mean, inverse = saved
  centred, dy_wide = x - mean, dy.astype(jnp.float32)
  shift = dy_wide.mean((1, 2), keepdims=True)
  slope = (dy_wide * centred).mean((1, 2), keepdims=True) * jnp.square(inverse)
  return ((inverse * (dy_wide - shift - centred * slope)).astype(x.dtype),)


_instance_normalise.defvjp(_instance_forward, _instance_backward)


class TorchBatchNorm(nn.Module):
  """torch.nn.BatchNorm2d: over all axes but the last, then a learned affine map.

  While the collection 'batch_stats' is mutable (training), it normalises by the batch's mean and biased
  variance, and moves the averages `mean` and `var` by a tenth of the way to the batch's mean and
  *unbiased* variance (flax stores the biased one); `count` is how often. Otherwise it normalises by
  those averages or, if `own_statistics`, each image by its own: what training at batch size 1 does.

  Attributes:
    own_statistics: see above.
    scale_init: of gamma; N(1, 0.02) in pix2pix and DCGAN.
  """

  own_statistics: bool = False
  scale_init: Any = nn.initializers.ones
  momentum: float = 0.1

  @nn.compact
  def __call__(self, x: Array, track: bool = True) -> Array:
    """`track`: whether a training call moves the averages."""
    shape = x.shape[-1:]
    gamma = self.param('gamma', self.scale_init, shape)
    beta = self.param('beta', nn.initializers.zeros, shape)
    average = {
      'mean': self.variable('batch_stats', 'mean', jnp.zeros, shape),
      'var': self.variable('batch_stats', 'var', jnp.ones, shape),
      'count': self.variable('batch_stats', 'count', jnp.zeros, (), jnp.int32),
    }
    training = self.is_mutable_collection('batch_stats')
    if training or self.own_statistics:
      mean, var = conv_ops.moments(x, axes=(0, 1, 2) if training else (1, 2))
    else:
      mean, var = (average[name].value[None, None, None] for name in ('mean', 'var'))
    if training and track and not self.is_initializing():
      samples = x.size // x.shape[-1]
      now = {'mean': mean[0, 0, 0], 'var': var[0, 0, 0] * (samples / max(samples - 1, 1))}
      for name, value in now.items():
        average[name].value += self.momentum * (jax.lax.stop_gradient(value) - average[name].value)
      average['count'].value += 1
    scale = gamma[None, None, None] * jax.lax.rsqrt(var + EPSILON)
    return (x * scale + (beta[None, None, None] - mean * scale)).astype(x.dtype)
