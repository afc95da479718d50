"""Normalisation: LIN and AdaLIN, batch and instance normalisation.

LIN and AdaLIN (Kim et al., U-GAT-IT, ICLR 2020, eq. 2) are as NICE-GAN has them. Both mix instance
normalisation (statistics over H, W) and layer normalisation (over H, W, C):
  y = rho_in * (x - mu_in) / sqrt(var_in + eps) + rho_ln * (x - mu_ln) / sqrt(var_ln + eps)
  LIN: gamma * y + beta with learned gamma and beta; AdaLIN: gamma and beta come from the image.
The mixture is a softmax of two logits for each channel (U-GAT-IT clips one rho instead). Variances
are unbiased (N - 1), as `torch.var` has them. Statistics are float32 whatever the images' dtype.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.layers import conv_ops
from decoupled_gan.types import Array

EPSILON = 1e-5
IN_LOGITS = (3.2, 1.0)  # (instance, layer): AdaLIN starts at rho_in = 0.90
LN_LOGITS = (1.0, 3.2)  # LIN starts at rho_in = 0.10


def mixed_normalise(x: Array, rho: Array, gamma: Array, beta: Array) -> Array:
  """x [B, H, W, C] normalised; rho [2, C] (instance, layer); gamma, beta [B, C].

  Both normalisations are affine in x for each image and channel, so that their mixture is one
  multiplication and one addition; and the layer's statistics follow from the channels' ones, so
  that x is read for its statistics once.
  """
  mean, var = conv_ops.moments(x, axes=(1, 2), ddof=1)  # [B, 1, 1, C] float32
  pixels, channels = x.shape[1] * x.shape[2], x.shape[3]
  layer_mean = mean.mean(-1, keepdims=True)  # [B, 1, 1, 1]
  within = (pixels - 1) * var.sum(-1, keepdims=True)
  between = pixels * jnp.square(mean - layer_mean).sum(-1, keepdims=True)
  layer_var = (within + between) / (pixels * channels - 1)
  rho, gamma, beta = rho[:, None, None, None], gamma[:, None, None], beta[:, None, None]
  instance = rho[0] * jax.lax.rsqrt(var + EPSILON)
  layer = rho[1] * jax.lax.rsqrt(layer_var + EPSILON)
  scale = gamma * (instance + layer)
  shift = beta - gamma * (instance * mean + layer * layer_mean)
  return (x * scale + shift).astype(x.dtype)


def _rho(layer: nn.Module, logits, channels: int) -> Array:
  """The mixture's weights [2, C], from logits [C, 2] as the official checkpoints have them."""
  init = lambda key, shape: jnp.broadcast_to(jnp.array(logits), shape)  # noqa: E731
  return nn.softmax(layer.param('rho', init, (channels, 2))).T


class LIN(nn.Module):
  """Layer-instance normalisation with a learned affine map: [B, H, W, C] -> the same."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    channels = x.shape[-1]
    gamma = self.param('gamma', nn.initializers.ones, (channels,))
    beta = self.param('beta', nn.initializers.zeros, (channels,))
    return mixed_normalise(x, _rho(self, LN_LOGITS, channels), gamma[None], beta[None])


class AdaLIN(nn.Module):
  """Adaptive layer-instance normalisation: gamma and beta [B, C] are given with the image."""

  @nn.compact
  def __call__(self, x: Array, gamma: Array, beta: Array) -> Array:
    return mixed_normalise(x, _rho(self, IN_LOGITS, x.shape[-1]), gamma, beta)


class BatchNorm(nn.Module):
  """Batch normalisation (Ioffe and Szegedy, ICML 2015) over all axes but the last, without scale.

  While the collection 'batch_stats' is mutable (training), it normalises by the batch's mean and
  biased variance, and moves their running averages; otherwise it normalises by those.
  """

  epsilon: float = 1e-3
  momentum: float = 0.99

  @nn.compact
  def __call__(self, x: Array) -> Array:
    return nn.BatchNorm(
      use_running_average=not self.is_mutable_collection('batch_stats'),
      momentum=self.momentum,
      epsilon=self.epsilon,
      use_scale=False,
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
