"""VGG16 (Simonyan & Zisserman, ICLR 2015): the features of precision, recall, density and coverage.

The second fully connected layer after its ReLU (4096 numbers), with torchvision's weights. The file
has 528 MB and is therefore not fetched unasked.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from decoupled_gan.core.types import Array
from decoupled_gan.layers import conv_ops
from decoupled_gan.machine import pickles
from decoupled_gan.pretrained import weights

NAME = 'vgg16'
INPUT_SIZE = 224
FILE = 'vgg16-397923af.pth'
SHA256 = '397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0'
URL = f'https://download.pytorch.org/models/{FILE}'
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LAYERS = {  # number in torchvision's list -> channels
  0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256,
  17: 512, 19: 512, 21: 512, 24: 512, 26: 512, 28: 512,
}  # fmt: skip
_POOLED_AFTER = (2, 7, 14, 21, 28)


class Layer(nn.Module):
  """A 3x3 convolution with zero padding, and ReLU."""

  features: int

  @nn.compact
  def __call__(self, x: Array) -> Array:
    shape = (3, 3, x.shape[-1], self.features)
    kernel = self.param('kernel', nn.initializers.lecun_normal(), shape)
    bias = self.param('bias', nn.initializers.zeros, (self.features,))
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jax.nn.relu(conv_ops.conv(x, kernel) + bias.reshape(1, 1, 1, -1))


class VGG16(nn.Module):
  """Images [N, 224, 224, 3] in 0..255 -> {'features': [N, 4096]}."""

  @nn.compact
  def __call__(self, images: Array, upto: int | None = None) -> dict[str, Array] | Array:
    """The features; or, of images of any size, the map [N, h, w, c] of layer `upto`, after ReLU."""
    mean, std = (jnp.array(v).reshape(1, 1, 1, 3) for v in (_MEAN, _STD))
    x = (images.astype(jnp.float32) / 255 - mean) / std
    for number, features in _LAYERS.items():
      x = Layer(features, name=f'features_{number}')(x)
      if number == upto:
        return x
      if number in _POOLED_AFTER:
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID')
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)  # the order of the published layer's inputs
    for number in (0, 3):
      x = jax.nn.relu(nn.Dense(4096, name=f'classifier_{number}')(x))
    return {'features': x}


def build() -> VGG16:
  return VGG16()


def load() -> dict:
  """The published weights; raises UserError where they are missing or other ones."""
  return convert(pickles.read_tensors(weights.read(FILE, SHA256, URL, download=False), FILE))


def maps(variables: dict, images: Array, layer: int) -> Array:
  """The map of a layer, by its number in torchvision's list (7: conv2_2, 28: conv5_3), after ReLU.

  Args:
    images: [N, H, W, 3] in 0..255.
  """
  return VGG16().apply(variables, images, layer)


def convert(state: dict) -> dict:
  """Variables of `VGG16` from torchvision's state dict."""
  renamed = {
    key.replace('features.', 'features_').replace('classifier.', 'classifier_'): value
    for key, value in state.items()
    if not key.startswith('classifier.6')
  }
  return weights.folded(renamed, {}, 0)
