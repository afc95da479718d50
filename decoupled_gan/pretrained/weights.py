"""Published weights: found below the cache, downloaded where that can be, checked by sha256."""

import hashlib
import os
import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np

from decoupled_gan.errors import UserError
from decoupled_gan.machine.cache import cache_dir


def path_of(filename: str) -> Path:
  """Where a file of weights is looked for."""
  return cache_dir() / 'weights' / filename


def read(filename: str, sha256: str, url: str, download: bool = True) -> bytes:
  """The bytes of a file of weights.

  Args:
    filename: below the folder `weights` of the cache.
    sha256: hex digest of the whole file.
    url: where it is published.
    download: whether it is small enough to be fetched without being asked.

  Raises:
    UserError: it is not there and cannot be fetched, or it is another file.
  """
  path = path_of(filename)
  if not path.is_file():
    if not download:
      raise UserError(_missing(filename, url, 'it is not fetched unasked'))
    _download(url, path)
  data = path.read_bytes()
  found = hashlib.sha256(data).hexdigest()
  if found != sha256:
    raise UserError(
      f'{path} is not the published file: its sha256 is {found}, expected {sha256}. Delete it and '
      f'get it again from {url}.'
    )
  return data


def folded(state: Mapping[str, np.ndarray], norms: Mapping[str, str], eps: float) -> dict:
  """A PyTorch state dict as the parameters of linen modules of the same names.

  Args:
    state: name -> array, convolutions [O, I, kh, kw], linear layers [O, I].
    norms: convolution -> the batch normalisation after it, which is folded into it.
    eps: of the normalisations.

  Returns:
    {'params': nested dict}, kernels [kh, kw, I, O] or [I, O]; depthwise ones [kh, kw, 1, C].
  """
  params: dict = {}
  for key in state:
    name, _, part = key.rpartition('.')
    if part != 'weight' or name in norms.values():
      continue
    kernel = state[key].transpose((2, 3, 1, 0) if state[key].ndim == 4 else (1, 0))
    if name in norms:
      weight, bias, mean, variance = (
        state[f'{norms[name]}.{part}'] for part in ('weight', 'bias', 'running_mean', 'running_var')
      )
      scale = weight / np.sqrt(variance + eps)
      kernel, bias = kernel * scale, bias - mean * scale
    else:
      bias = state[f'{name}.bias']
    layer = params
    for word in name.split('.'):
      layer = layer.setdefault(word, {})
    layer |= {'kernel': kernel.astype(np.float32), 'bias': bias.astype(np.float32)}
  return {'params': params}


def check(variables: Mapping, module, image_size: int, name: str):
  """Raises UserError unless `variables` are what `module` needs for images of `image_size` px."""
  image = jax.ShapeDtypeStruct((1, image_size, image_size, 3), np.float32)
  expected = jax.eval_shape(module.init, jax.random.key(0), image)
  shapes = [{jax.tree_util.keystr(k): v.shape for k, v in jax.tree.leaves_with_path(t)}
            for t in (variables, expected)]  # fmt: skip
  if shapes[0] != shapes[1]:
    differing = min(k for k, _ in shapes[0].items() ^ shapes[1].items())
    raise UserError(f'the weights are not those of {name}: {differing} is missing or of another shape.')


def _download(url: str, path: Path):
  path.parent.mkdir(parents=True, exist_ok=True)
  partial = path.with_name(f'.{path.name}.{os.getpid()}')
  try:
    with urllib.request.urlopen(url, timeout=30) as source, partial.open('wb') as file:
      shutil.copyfileobj(source, file)
    partial.replace(path)
  except OSError as error:  # URLError and timeouts are OSErrors
    raise UserError(_missing(path.name, url, getattr(error, 'reason', error))) from None
  finally:
    partial.unlink(missing_ok=True)


def _missing(filename: str, url: str, reason) -> str:
  return (
    f'the weights {filename} are missing ({reason}): get them from {url} and put them at '
    f'{path_of(filename)}, or take a network that needs no such file: <metric>@efficientnet_lite0 '
    '(fd@efficientnet_lite0 for fid, which is of Inception alone).'
  )
