"""The official NICE-GAN's names and layouts, and ours; see layouts.py.

Official: alpc91/NICE-GAN-pytorch, state dicts of gen2B, gen2A, disA, disB and the two Adam states.
"""

from collections.abc import Mapping

import numpy as np

from decoupled_gan.interop import layouts
from decoupled_gan.interop.layouts import (
  CHANNELS,
  CONV,
  FLAT,
  LINEAR,
  SAME,
  SCALAR,
  Entry,
  Layout,
  below,
  spectral,
)  # fmt: skip

RHO = Layout(lambda x: x[0], lambda x: x[None])
NETWORKS = {'gen2B': 'b', 'gen2A': 'a', 'disA': 'a', 'disB': 'b'}
"""Official network -> our domain: a generator is named by what it makes in both."""


def discriminator_entries(depth: int, domain: str) -> list[Entry]:
  """The tensors of an official discriminator of `n_dis` = depth, in its registration order."""
  encoder, classifier = f'encoder/{domain}', f'classifier/{domain}'
  entries = [
    Entry('lamda', f'{encoder}/attention/gamma', SCALAR),
    *spectral('fc', f'{encoder}/cam', bias=False, kernel=LINEAR, v=SAME),
    *layouts.layer('conv1x1', f'{encoder}/attention'),
    *spectral('conv0', f'{classifier}/middle_logits', bias=False),
    *spectral('conv1', f'{classifier}/global_logits', bias=False),
    *spectral('model.1', f'{encoder}/conv_0/conv'),
    *spectral('model.4', f'{encoder}/conv_1/conv'),
  ]
  stages = [
    *((f'Dis0_0.{1 + 3 * i}', f'trunk_{i}') for i in range(depth - 6)),
    ('Dis0_1.1', 'middle_hidden'),
    *((f'Dis1_0.{1 + 3 * i}', f'global_trunk_{i}') for i in range(2)),
    ('Dis1_1.1', 'global_hidden'),
  ]
  for key, name in stages:
    entries += spectral(key, f'{classifier}/{name}/conv')
  return entries


def generator_entries(blocks: int, full: bool) -> list[Entry]:
  """The tensors of an official generator of `n_res` = blocks, in its registration order."""

  def lin(key, path):
    yield Entry(f'{key}.rho', f'{path}/rho', RHO)
    yield Entry(f'{key}.gamma', f'{path}/gamma', CHANNELS)
    yield Entry(f'{key}.beta', f'{path}/beta', CHANNELS)

  def dense(key, name, layout=LINEAR):
    return Entry(f'{key}.weight', f'style/{name}/Dense_0/kernel', layout)

  entries = [dense('gamma', 'gamma'), dense('beta', 'beta')]
  for i in range(blocks):
    for j in range(2):
      block = f'UpBlock1_{i + 1}'
      entries.append(Entry(f'{block}.conv{j + 1}.weight', f'block_{i}/conv_{j}/kernel', CONV))
      entries.append(Entry(f'{block}.norm{j + 1}.rho', f'block_{i}/norm_{j}/rho', RHO))
  entries += [
    dense('FC.0', 'hidden_0', FLAT if full else LINEAR),
    dense('FC.2', 'hidden_1'),
    *layouts.layer('UpBlock0.1', 'stem'),
    *lin('UpBlock0.2', 'stem_norm'),
  ]
  for i in range(2):
    base, up = 8 * i, f'up_{i}'
    entries += [
      Entry(f'UpBlock2.{base + 1}.weight', f'{up}/conv/kernel', CONV),
      *lin(f'UpBlock2.{base + 2}', f'{up}/norm_0'),
      *layouts.layer(f'UpBlock2.{base + 4}', f'{up}/expand'),
      *lin(f'UpBlock2.{base + 6}', f'{up}/norm_1'),
    ]
  return [*entries, Entry('UpBlock2.17.weight', 'output/kernel', CONV)]


def entries(network: str, depth: int, blocks: int, full: bool) -> list[Entry]:
  """The tensors of one of NETWORKS."""
  domain = NETWORKS[network]
  if network.startswith('gen'):
    return below(f'generator/{domain}', generator_entries(blocks, full))
  return discriminator_entries(depth, domain)


def read_networks(dicts: Mapping[str, Mapping[str, np.ndarray]], depth, blocks, full) -> dict:
  """{'params', 'spectral'} from {'gen2B', 'gen2A', 'disA', 'disB'} of official state dicts."""
  return layouts.read(dicts, {network: entries(network, depth, blocks, full) for network in NETWORKS})


def write_networks(variables: Mapping, depth: int, blocks: int, full: bool) -> dict:
  """The inverse of `read_networks`."""
  return layouts.write(variables, {name: entries(name, depth, blocks, full) for name in NETWORKS})
