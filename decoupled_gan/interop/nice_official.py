"""The official NICE-GAN's names and layouts, and ours: arrays in, arrays out, no torch.

Official: alpc91/NICE-GAN-pytorch, state dicts of gen2B, gen2A, disA, disB and the two Adam states.
One table says for each of our leaves which official tensor it is and how its layout differs; import
and export are the same table read from either side.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isqrt

import numpy as np


@dataclass(frozen=True)
class Layout:
  """How a tensor is laid out there and here: `ours(theirs(x)) == x`."""

  ours: Callable[[np.ndarray], np.ndarray]
  theirs: Callable[[np.ndarray], np.ndarray]


def _flat_chw_to_hwc(weight):
  """[O, C*H*W] -> [H*W*C, O]: the full generator's first linear layer, whose C equals its O."""
  out, flat = weight.shape
  side = isqrt(flat // out)
  return weight.reshape(out, out, side, side).transpose(2, 3, 1, 0).reshape(flat, out)


def _flat_hwc_to_chw(kernel):
  flat, out = kernel.shape
  side = isqrt(flat // out)
  return kernel.reshape(side, side, out, out).transpose(3, 2, 0, 1).reshape(out, flat)


SAME = Layout(lambda x: x, lambda x: x)
CONV = Layout(lambda x: x.transpose(2, 3, 1, 0), lambda x: x.transpose(3, 2, 0, 1))  # OIHW, HWIO
LINEAR = Layout(lambda x: x.T, lambda x: x.T)
FLAT = Layout(_flat_chw_to_hwc, _flat_hwc_to_chw)
CHANNELS = Layout(lambda x: x.reshape(-1), lambda x: x.reshape(1, -1, 1, 1))
RHO = Layout(lambda x: x[0], lambda x: x[None])
SCALAR = Layout(lambda x: x.reshape(()), lambda x: x.reshape(1))
V4 = Layout(  # the spectral vector of a 4x4 kernel: [I*4*4] there, [4*4*I] here
  lambda v: v.reshape(-1, 4, 4).transpose(1, 2, 0).reshape(-1),
  lambda v: v.reshape(4, 4, -1).transpose(2, 0, 1).reshape(-1),
)


@dataclass(frozen=True)
class Entry:
  """One tensor: its official key, our collection, group and path below the domain, the layout."""

  key: str
  collection: str
  group: str
  path: tuple[str, ...]
  layout: Layout

  @property
  def is_parameter(self) -> bool:
    return self.collection == 'params'


def _spectral(key, group, path, bias=True, kernel=CONV, v=V4) -> Iterator[Entry]:
  if bias:
    yield Entry(f'{key}.bias', 'params', group, (*path, 'bias'), SAME)
  yield Entry(f'{key}.weight_orig', 'params', group, (*path, 'kernel'), kernel)
  yield Entry(f'{key}.weight_u', 'spectral', group, (*path, 'u'), SAME)
  yield Entry(f'{key}.weight_v', 'spectral', group, (*path, 'v'), v)


def discriminator_entries(depth: int) -> list[Entry]:
  """The tensors of an official discriminator of `n_dis` = depth, in its registration order."""
  encoder, classifier = 'encoder', 'classifier'
  entries = [
    Entry('lamda', 'params', encoder, ('attention', 'gamma'), SCALAR),
    *_spectral('fc', encoder, ('cam',), bias=False, kernel=LINEAR, v=SAME),
    Entry('conv1x1.weight', 'params', encoder, ('attention', 'kernel'), CONV),
    Entry('conv1x1.bias', 'params', encoder, ('attention', 'bias'), SAME),
    *_spectral('conv0', classifier, ('middle_logits',), bias=False),
    *_spectral('conv1', classifier, ('global_logits',), bias=False),
    *_spectral('model.1', encoder, ('conv_0', 'conv')),
    *_spectral('model.4', encoder, ('conv_1', 'conv')),
  ]
  stages = [
    *((f'Dis0_0.{1 + 3 * i}', f'trunk_{i}') for i in range(depth - 6)),
    ('Dis0_1.1', 'middle_hidden'),
    *((f'Dis1_0.{1 + 3 * i}', f'global_trunk_{i}') for i in range(2)),
    ('Dis1_1.1', 'global_hidden'),
  ]
  for key, name in stages:
    entries += _spectral(key, classifier, (name, 'conv'))
  return entries


def generator_entries(blocks: int, full: bool) -> list[Entry]:
  """The tensors of an official generator of `n_res` = blocks, in its registration order."""

  def entry(key, *path, layout):
    return Entry(key, 'params', 'generator', path, layout)

  def lin(key, *path):
    yield entry(f'{key}.rho', *path, 'rho', layout=RHO)
    yield entry(f'{key}.gamma', *path, 'gamma', layout=CHANNELS)
    yield entry(f'{key}.beta', *path, 'beta', layout=CHANNELS)

  def dense(key, name, layout=LINEAR):
    return entry(f'{key}.weight', 'style', name, 'Dense_0', 'kernel', layout=layout)

  entries = [dense('gamma', 'gamma'), dense('beta', 'beta')]
  for i in range(blocks):
    for j in range(2):
      block = f'UpBlock1_{i + 1}'
      entries.append(
        entry(f'{block}.conv{j + 1}.weight', f'block_{i}', f'conv_{j}', 'kernel', layout=CONV)
      )
      entries.append(entry(f'{block}.norm{j + 1}.rho', f'block_{i}', f'norm_{j}', 'rho', layout=RHO))
  entries += [
    dense('FC.0', 'hidden_0', FLAT if full else LINEAR),
    dense('FC.2', 'hidden_1'),
    entry('UpBlock0.1.weight', 'stem', 'kernel', layout=CONV),
    entry('UpBlock0.1.bias', 'stem', 'bias', layout=SAME),
    *lin('UpBlock0.2', 'stem_norm'),
  ]
  for i in range(2):
    base, up = 8 * i, f'up_{i}'
    entries += [
      entry(f'UpBlock2.{base + 1}.weight', up, 'conv', 'kernel', layout=CONV),
      *lin(f'UpBlock2.{base + 2}', up, 'norm_0'),
      entry(f'UpBlock2.{base + 4}.weight', up, 'expand', 'kernel', layout=CONV),
      entry(f'UpBlock2.{base + 4}.bias', up, 'expand', 'bias', layout=SAME),
      *lin(f'UpBlock2.{base + 6}', up, 'norm_1'),
    ]
  return [*entries, entry('UpBlock2.17.weight', 'output', 'kernel', layout=CONV)]


def read_networks(dicts: Mapping[str, Mapping[str, np.ndarray]], depth, blocks, full) -> dict:
  """{'params', 'spectral'} from {'gen2B', 'gen2A', 'disA', 'disB'} of official state dicts."""
  variables: dict = {'params': {}, 'spectral': {}}
  for network, domain in NETWORKS.items():
    for entry in entries(network, depth, blocks, full):
      leaf = variables[entry.collection].setdefault(entry.group, {}).setdefault(domain, {})
      for name in entry.path[:-1]:
        leaf = leaf.setdefault(name, {})
      leaf[entry.path[-1]] = entry.layout.ours(np.asarray(dicts[network][entry.key]))
  return variables


def write_networks(variables: Mapping, depth: int, blocks: int, full: bool) -> dict:
  """The inverse of `read_networks`."""
  dicts: dict = {}
  for network, domain in NETWORKS.items():
    dicts[network] = {}
    for entry in entries(network, depth, blocks, full):
      leaf = variables[entry.collection][entry.group][domain]
      for name in entry.path:
        leaf = leaf[name]
      dicts[network][entry.key] = entry.layout.theirs(np.asarray(leaf))
  return dicts


NETWORKS = {'gen2B': 'b', 'gen2A': 'a', 'disA': 'a', 'disB': 'b'}
"""Official network -> our domain: a generator is named by what it makes in both."""


def entries(network: str, depth: int, blocks: int, full: bool) -> list[Entry]:
  """The tensors of one of NETWORKS."""
  if network.startswith('gen'):
    return generator_entries(blocks, full)
  return discriminator_entries(depth)
