"""PyTorch files and pickled arrays, read with numpy alone: no PyTorch, and no code is run.

A pickle is a program. Here it may call nothing but the few functions that rebuild arrays, tensors and
ordered dicts; whatever else it names ends the reading. Both of PyTorch's formats are read: the stacked
pickles of before version 1.6, which many published weights still are, and the zip archives since.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from decoupled_gan.errors import UserError

_STACKED_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {
  'DoubleStorage': '<f8',
  'FloatStorage': '<f4',
  'HalfStorage': '<f2',
  'LongStorage': '<i8',
  'IntStorage': '<i4',
  'ByteStorage': 'u1',
  'BoolStorage': '?',
}


def read_arrays(data: bytes, name: str) -> Any:
  """What a pickle of numpy arrays in plain containers holds.

  Args:
    data: the file's bytes.
    name: how error messages call the file.

  Raises:
    UserError: it is damaged, or holds anything else.
  """
  with _telling(name):
    return _Unpickler(io.BytesIO(data), _ARRAYS).load()


def read_tensors(data: bytes, name: str) -> Any:
  """What a PyTorch file holds, tensors as numpy arrays; arguments and errors as `read_arrays`."""
  with _telling(name):
    read = _read_zip if zipfile.is_zipfile(io.BytesIO(data)) else _read_stacked
    content, storages = read(data)
    return _map(content, lambda x: x.array(storages) if isinstance(x, _Tensor) else x)


def flat_arrays(tree: Mapping, prefix: str = '') -> dict[str, np.ndarray]:
  """{'Conv_0/kernel': array, ...}: nested dicts of arrays as one, for an .npz."""
  flat = {}
  for key, value in tree.items():
    flat |= (
      flat_arrays(value, f'{prefix}{key}/') if isinstance(value, Mapping) else {prefix + key: value}
    )
  return flat


@dataclass(frozen=True)
class _Storage:
  key: str
  dtype: str


@dataclass(frozen=True)
class _Tensor:
  """A tensor whose storage comes later in the file."""

  storage: _Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]

  def array(self, storages: Mapping[str, bytes]) -> np.ndarray:
    dtype = np.dtype(self.storage.dtype)
    strides = [dtype.itemsize * s for s in self.strides]
    buffer = storages[self.storage.key]  # numpy raises where the tensor would exceed it
    return np.ndarray(self.shape, dtype, buffer, self.offset * dtype.itemsize, strides).copy()


def _rebuild_tensor(storage, offset, shape, strides, *_):
  return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor, *_):
  return tensor


_ARRAYS = {
  ('collections', 'OrderedDict'): OrderedDict,
  ('numpy', 'ndarray'): np.ndarray,
  ('numpy', 'dtype'): np.dtype,
  # numpy 2 renamed numpy.core
  ('numpy.core.multiarray', '_reconstruct'): np._core.multiarray._reconstruct,
  ('numpy._core.multiarray', '_reconstruct'): np._core.multiarray._reconstruct,
}
_TENSORS = {
  ('collections', 'OrderedDict'): OrderedDict,
  ('torch._utils', '_rebuild_tensor'): _rebuild_tensor,
  ('torch._utils', '_rebuild_tensor_v2'): _rebuild_tensor,
  ('torch._utils', '_rebuild_parameter'): _rebuild_parameter,
  **{('torch', name): dtype for name, dtype in _STORAGES.items()},
}


class _Unpickler(pickle.Unpickler):
  def __init__(self, file, allowed: Mapping[tuple[str, str], Callable]):
    super().__init__(file, encoding='latin1')
    self._allowed = allowed
    self.storages: dict[str, _Storage] = {}

  def find_class(self, module, name):
    if (module, name) not in self._allowed:
      raise pickle.UnpicklingError(f'it asks for {module}.{name}, which is no tensor')
    return self._allowed[module, name]

  def persistent_load(self, saved):
    kind, dtype, key, *rest = saved
    if kind != 'storage' or (len(rest) > 2 and rest[2] is not None):
      raise pickle.UnpicklingError('it has views of storages')
    return self.storages.setdefault(str(key), _Storage(str(key), dtype))


def _read_stacked(data: bytes):
  """(content, {key: bytes}) of the old format: five pickles, then each storage with its length."""
  file = io.BytesIO(data)
  magic, _, system = (_Unpickler(file, {}).load() for _ in range(3))
  if magic != _STACKED_MAGIC or not system['little_endian']:
    raise pickle.UnpicklingError('no PyTorch file')
  unpickler = _Unpickler(file, _TENSORS)
  content = unpickler.load()
  storages = {}
  for key in map(str, _Unpickler(file, {}).load()):
    count = int.from_bytes(file.read(8), 'little')
    storages[key] = file.read(count * np.dtype(unpickler.storages[key].dtype).itemsize)
  return content, storages


def _read_zip(data: bytes):
  """(content, {key: bytes}) of the format since PyTorch 1.6."""
  with zipfile.ZipFile(io.BytesIO(data)) as archive:
    pickles = [name for name in archive.namelist() if name.endswith('/data.pkl')]
    if len(pickles) != 1:
      raise pickle.UnpicklingError('no PyTorch file')
    root = pickles[0].removesuffix('data.pkl')
    content = _Unpickler(io.BytesIO(archive.read(pickles[0])), _TENSORS).load()
    names = [n for n in archive.namelist() if n.startswith(f'{root}data/')]
    return content, {name.removeprefix(f'{root}data/'): archive.read(name) for name in names}


def _map(content, function):
  """`function` on all leaves of nested dicts, lists and tuples."""
  if isinstance(content, Mapping):
    return {key: _map(value, function) for key, value in content.items()}
  if isinstance(content, list | tuple):
    return [_map(value, function) for value in content]
  return function(content)


class _telling:
  """Turns whatever a damaged pickle raises into one sentence."""

  def __init__(self, name: str):
    self._name = name

  def __enter__(self):
    return self

  def __exit__(self, kind, error, _):
    if isinstance(error, Exception):  # pickle's errors are of any kind
      reason = (str(error) or kind.__name__).splitlines()[0]
      raise UserError(
        f'{self._name} cannot be read ({reason}): it is damaged, or no file of tensors only. '
        'Files that need code to be read are not opened.'
      ) from error
