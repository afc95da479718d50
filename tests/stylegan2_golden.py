"""The setting in which the official classes gave the reference numbers, torch-free.

Every tensor is drawn from a generator that its official name seeds, in the official layout.
"""

import zlib

import jax.numpy as jnp
import numpy as np

from decoupled_gan.interop.stylegan2_official import read_network
from decoupled_gan.networks.stylegan2 import Pyramid

PYRAMID = Pyramid(32, base=512, largest=32)


def normal(seed, *shape):
  return np.random.RandomState(seed).standard_normal(shape)


def images(seed, n=8):
  """tanh of noise, [n, 32, 32, 3]."""
  return jnp.asarray(np.tanh(normal(seed, n, 3, 32, 32)).transpose(0, 2, 3, 1), jnp.float32)


def latents(seed=1, n=8):
  return jnp.asarray(normal(seed, n, 64), jnp.float32)


def tensor(key, shape):
  r = normal(zlib.crc32(key.encode()), *shape)
  if key.startswith('mapping.fc'):
    r *= 100 if key.endswith('weight') else 10
  elif key.endswith('affine.bias'):
    r = 1 + 0.1 * r
  elif key.endswith(('.bias', '.noise_strength', 'w_avg')):
    r *= 0.1
  return np.float32(r)


def filled(abstract):
  """{collection: {network: tree}} for the abstract variables of a module of named networks."""
  found = {collection: {} for collection in abstract}
  for name in abstract['params']:
    for collection, tree in read_network(tensor, name, abstract).items():
      found[collection][name] = tree
  for collection, networks in abstract.items():  # what is not a network's: scalars that start at 0
    for name, leaf in networks.items():
      found[collection].setdefault(name, np.zeros(leaf.shape, leaf.dtype) if hasattr(leaf, 'shape') else leaf)
  return found


def check(array, mean, std, *first, tolerance=1e-4):
  """Mean and standard deviation of an array, and its first values in the order N, C, H, W."""
  array = np.asarray(array, np.float64)
  if array.ndim == 4:
    array = array.transpose(0, 3, 1, 2)
  np.testing.assert_allclose([array.mean(), array.std()], [mean, std], atol=tolerance)
  np.testing.assert_allclose(array.ravel()[: len(first)], first, atol=tolerance)
