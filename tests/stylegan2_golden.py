"""The setting in which the official StyleGAN2-ADA and GLeaD classes gave the reference numbers.

Every tensor is drawn from a generator that its official name seeds, in the official layout, so that no
file is needed. The official numbers were made without the noise and the mixing of training.
"""

import zlib

import jax
import jax.numpy as jnp
import numpy as np

from configs import glead as recipe
from decoupled_gan.core.types import Examples
from decoupled_gan.interop.stylegan2_official import read_network
from decoupled_gan.methods.encode import glead
from decoupled_gan.networks.stylegan2 import Pyramid

PYRAMID = Pyramid(32, base=512, largest=32)


def normal(seed, *shape):
  return np.random.RandomState(seed).standard_normal(shape)


def nhwc(x):
  return jnp.asarray(x.transpose(0, 2, 3, 1), jnp.float32)


def images(seed, n=8):
  """tanh of noise, [n, 32, 32, 3]."""
  return nhwc(np.tanh(normal(seed, n, 3, 32, 32)))


def latents(n=8):
  return jnp.asarray(normal(1, 8, 64), jnp.float32)[:n]


def tensor(key, shape):
  """The tensor called `key` in the official state dict, `shape` in its layout."""
  r = normal(zlib.crc32(key.encode()), *shape)
  if key.startswith('mapping.fc'):
    r *= 100 if key.endswith('weight') else 10
  elif key.endswith('affine.bias'):
    r = 1 + 0.1 * r
  elif key.endswith(('.bias', '.noise_strength', 'w_avg')):
    r *= 0.1
  return np.float32(r)


def filled(module, *inputs):
  """The variables of a module whose attributes are `generator` and `discriminator`."""
  abstract = jax.eval_shape(module.init, jax.random.key(0), *inputs)
  full = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), abstract)
  for network in abstract['params']:
    for collection, tree in read_network(tensor, network, abstract).items():
      full[collection][network] = tree
  return full


class GoldenGLeaD(glead.GLeaD):
  """With the latents and directions of the reference numbers in place of random ones."""

  def latents(self, count):
    return latents(count)

  def directions(self, shape):
    count, size, _, channels = shape
    return nhwc(normal(3, count, channels, size, size) / size)


def golden_config(variant='', rebuild_size=8):
  """The golden architecture; `rebuild_size` 8 is the facts' setting A, 16 its B."""
  config = recipe.get_config(','.join(filter(None, ('float32', variant))))
  config.image_size = 32
  config.batch_size = 8
  config.model.update(
    {
      'channel_base': 512,
      'channel_max': 32,
      'z_dim': 64,
      'mapping_layers': 2,
      'group_size': 4,
      'clamp': 256.0,
      'mixing': 0.0,
      'noise': 'none',
      'decoder_size': 16,
      'rebuild_size': rebuild_size,
    }
  )
  return config


def golden_gan(config):
  gan = glead.build(config)
  given = {name: getattr(gan, name) for name in gan.__dataclass_fields__}
  return GoldenGLeaD(**{k: v for k, v in given.items() if k not in ('parent', 'name')})


def golden_variables(gan):
  return filled(gan, Examples(images(2)))
