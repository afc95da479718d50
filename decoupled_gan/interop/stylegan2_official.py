"""Names and layouts of the official StyleGAN2-ADA and GLeaD networks' tensors (PyTorch state dicts)."""

from collections.abc import Callable, Mapping

import jax
import numpy as np

HEADS = {'image': 'img_proj', 'feature': 'feat_proj1', 'style': 'feat_proj2'}
LEAVES = {'kernel': 'weight', 'map': 'noise_const', 'w': 'w_avg'}


def official_key(path: tuple[str, ...]) -> str:
  """The tensor's name; `path` is ours within a network, e.g. ('synthesis', 'b4', 'const')."""
  parts = list(path)
  if parts[0] == 'backbone':
    del parts[0]
  elif parts[0] == 'decoder':
    parts[:2] = [HEADS.get(parts[1], f'{parts[1]}_dec')]
  parts[-1] = LEAVES.get(parts[-1], parts[-1])
  return '.'.join(parts)


def from_official(path: tuple[str, ...], x: np.ndarray) -> np.ndarray:
  """A tensor of the official layout in ours: OIHW -> HWIO, [out, in] -> [in, out], CHW -> HWC."""
  if path[-2:] == ('fc', 'kernel'):  # of the epilogue: its input was flattened in the order C, H, W
    return x.reshape(x.shape[0], -1, 4, 4).transpose(2, 3, 1, 0).reshape(-1, x.shape[0])
  if path[-1] == 'kernel':
    return x.transpose(2, 3, 1, 0) if x.ndim == 4 else x.T
  if path[-1] == 'const':
    return x.transpose(1, 2, 0)
  return x[..., None] if path[-1] == 'map' else x


def official_shape(path: tuple[str, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
  """The shape that a tensor of ours has in the official layout."""
  if path[-1] == 'kernel':
    return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape[::-1]
  if path[-1] == 'const':
    return (shape[2], *shape[:2])
  return shape[:-1] if path[-1] == 'map' else shape


def read_network(tensors: Callable[[str, tuple], np.ndarray], name: str, variables: Mapping) -> dict:
  """`variables` ({collection: {network: tree}}) of the network `name`, filled from official tensors.

  Args:
    tensors: (official key, official shape) -> array.
  """

  def fill(path, leaf):
    path = tuple(entry.key for entry in path)
    array = tensors(official_key(path), official_shape(path, leaf.shape))
    return np.asarray(from_official(path, np.asarray(array)), leaf.dtype)

  return {
    collection: jax.tree_util.tree_map_with_path(fill, networks[name])
    for collection, networks in variables.items()
    if name in networks
  }
