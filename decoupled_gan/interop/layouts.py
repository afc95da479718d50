"""Official tensors and ours: names and layouts as tables, arrays in and arrays out, no torch.

A table has an `Entry` for each of our leaves: which official tensor it is, and how its layout differs.
Import and export are the same table read from either side.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np

from decoupled_gan.errors import UserError, listing


@dataclass(frozen=True)
class Layout:
  """How a tensor is laid out there and here: `ours(theirs(x)) == x`."""

  ours: Callable[[np.ndarray], np.ndarray]
  theirs: Callable[[np.ndarray], np.ndarray]


def _flat_chw_to_hwc(weight):
  """[O, C*H*W] -> [H*W*C, O]: a full generator's first linear layer, whose C equals its O."""
  out, flat = weight.shape
  side = isqrt(flat // out)
  return weight.reshape(out, out, side, side).transpose(2, 3, 1, 0).reshape(flat, out)


def _flat_hwc_to_chw(kernel):
  flat, out = kernel.shape
  side = isqrt(flat // out)
  return kernel.reshape(side, side, out, out).transpose(3, 2, 0, 1).reshape(out, flat)


SAME = Layout(lambda x: x, lambda x: x)
CONV = Layout(lambda x: x.transpose(2, 3, 1, 0), lambda x: x.transpose(3, 2, 0, 1))  # OIHW, HWIO
DECONV = Layout(lambda x: x.transpose(2, 3, 0, 1), lambda x: x.transpose(2, 3, 0, 1))  # IOHW, HWIO
LINEAR = Layout(lambda x: x.T, lambda x: x.T)
FLAT = Layout(_flat_chw_to_hwc, _flat_hwc_to_chw)
CHANNELS = Layout(lambda x: x.reshape(-1), lambda x: x.reshape(1, -1, 1, 1))
SCALAR = Layout(lambda x: x.reshape(()), lambda x: x.reshape(1))
COUNT = Layout(lambda x: x.astype(np.int32), lambda x: x.astype(np.int64))
V4 = Layout(  # the spectral vector of a 4x4 kernel: [I*4*4] there, [4*4*I] here
  lambda v: v.reshape(-1, 4, 4).transpose(1, 2, 0).reshape(-1),
  lambda v: v.reshape(4, 4, -1).transpose(2, 0, 1).reshape(-1),
)


@dataclass(frozen=True)
class Entry:
  """One tensor: its official key, our path ('group/domain/.../leaf'), the layout, our collection."""

  key: str
  path: str
  layout: Layout = SAME
  collection: str = 'params'

  @property
  def is_parameter(self) -> bool:
    return self.collection == 'params'


Table = Sequence[Entry]


def layer(key: str, path: str, kernel: Layout = CONV, bias: bool = True) -> Iterator[Entry]:
  """A convolution or linear layer."""
  yield Entry(f'{key}.weight', f'{path}/kernel', kernel)
  if bias:
    yield Entry(f'{key}.bias', f'{path}/bias')


def spectral(key: str, path: str, bias: bool = True, kernel=CONV, v=V4) -> Iterator[Entry]:
  """A layer in torch.nn.utils.spectral_norm."""
  if bias:
    yield Entry(f'{key}.bias', f'{path}/bias')
  yield Entry(f'{key}.weight_orig', f'{path}/kernel', kernel)
  yield Entry(f'{key}.weight_u', f'{path}/u', SAME, 'spectral')
  yield Entry(f'{key}.weight_v', f'{path}/v', v, 'spectral')


def batch_norm(key: str, path: str) -> Iterator[Entry]:
  """torch.nn.BatchNorm2d and our TorchBatchNorm."""
  yield Entry(f'{key}.weight', f'{path}/gamma')
  yield Entry(f'{key}.bias', f'{path}/beta')
  yield Entry(f'{key}.running_mean', f'{path}/mean', SAME, 'batch_stats')
  yield Entry(f'{key}.running_var', f'{path}/var', SAME, 'batch_stats')
  yield Entry(f'{key}.num_batches_tracked', f'{path}/count', COUNT, 'batch_stats')


def below(prefix: str, table: Table) -> list[Entry]:
  """`table` with its paths below `prefix`."""
  return [Entry(e.key, f'{prefix}/{e.path}', e.layout, e.collection) for e in table]


def read(networks: Mapping[str, Mapping], tables: Mapping[str, Table]) -> dict[str, dict]:
  """{collection: our variables} of official state dicts {network: {key: array}}."""
  variables: dict = {}
  for network, table in tables.items():
    for entry in table:
      leaf = variables.setdefault(entry.collection, {})
      *names, last = entry.path.split('/')
      for name in names:
        leaf = leaf.setdefault(name, {})
      leaf[last] = entry.layout.ours(np.asarray(networks[network][entry.key]))
  return variables


def write(variables: Mapping[str, Mapping], tables: Mapping[str, Table]) -> dict[str, dict]:
  """The inverse of `read`."""
  networks: dict = {}
  for network, table in tables.items():
    networks[network] = {}
    for entry in table:
      leaf = variables[entry.collection]
      for name in entry.path.split('/'):
        leaf = leaf[name]
      networks[network][entry.key] = entry.layout.theirs(np.asarray(leaf))
  return networks


def without(tensors: Mapping, *endings: str) -> dict:
  """`tensors` without the keys whose last part is one of `endings`."""
  return {key: x for key, x in tensors.items() if key.split('.')[-1] not in endings}


def check(found: Mapping[str, Mapping], expected: Mapping[str, Mapping]):
  """Raises one UserError that lists missing, surplus and misshapen tensors."""
  problems = []
  for network, tensors in expected.items():
    there = found.get(network, {})
    problems += [f'{network}.{key} is missing' for key in tensors if key not in there]
    problems += [f'{network}.{key} is surplus' for key in there if key not in tensors]
    problems += [
      f'{network}.{key} is {there[key].shape}, not {tensors[key].shape}'
      for key in tensors
      if key in there and there[key].shape != tensors[key].shape
    ]
  if problems:
    raise UserError(f'The checkpoint does not fit: {listing(problems, 40)}.')
