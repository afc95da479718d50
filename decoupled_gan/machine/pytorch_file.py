"""PyTorch files as nested dicts of numpy arrays, and back: the one module that imports torch.

Only tensors and plain containers are read (`weights_only=True`): a file cannot run code here.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from decoupled_gan.errors import UserError, need
from decoupled_gan.machine import paths


def _torch():
  need('a PyTorch file', 'torch', 'interop')  # its build for the CPU will do
  import torch

  return torch


def read(path: str | Path):
  """What a .pt file holds, tensors as numpy arrays. Raises UserError if it is not safe or not one."""
  torch = _torch()
  file = paths.local(path, '--input')
  if not file.is_file():
    raise UserError(f'--input={path} is not a file.')
  try:
    content = torch.load(file, map_location='cpu', weights_only=True)
  except Exception as error:  # pickle, zipfile, runtime errors, by the kind of damage
    reason = str(error).strip().splitlines()[0]
    raise UserError(
      f'--input={path} is not a PyTorch file of tensors ({reason[:200]}). Files that need arbitrary '
      'unpickling are not opened: save state dicts instead of modules.'
    ) from error
  return _map(content, lambda x: x.numpy() if isinstance(x, torch.Tensor) else x)


def write(path: str | Path, content: Mapping):
  """Writes nested dicts of numpy arrays, numbers and strings as a .pt file of tensors."""
  torch = _torch()

  def tensor(x):
    return torch.from_numpy(np.array(x)) if isinstance(x, np.ndarray) else x

  buffer = io.BytesIO()
  torch.save(_map(content, tensor), buffer)
  paths.write(paths.get(path), buffer.getvalue())


def adam_state(shapes: Sequence[tuple[int, ...]], states: Sequence[Mapping], settings: Mapping):
  """The `state_dict` of a torch Adam over parameters of `shapes`, as this torch would save it.

  Args:
    states: {'step', 'exp_avg', 'exp_avg_sq'} of each parameter.
    settings: lr, betas, eps, weight_decay.
  """
  torch = _torch()
  adam = torch.optim.Adam([torch.zeros(shape) for shape in shapes], **settings)
  return {'state': dict(enumerate(states)), 'param_groups': adam.state_dict()['param_groups']}


def _map(content, function):
  """`function` on all leaves of nested dicts and lists."""
  if isinstance(content, Mapping):
    return {key: _map(value, function) for key, value in content.items()}
  if isinstance(content, list):
    return [_map(value, function) for value in content]
  return function(content)
