"""The names and layouts of the official PyTorch U-GAT-IT, and ours; see layouts.py.

Official: znxlwm/UGATIT-pytorch, one file `<dataset>_params_latest.pt` of the state dicts of genA2B,
genB2A and disGA, disGB, disLA, disLB (global and local; no optimizers).
"""

import re
from collections.abc import Mapping
from math import isqrt
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.errors import UserError, listing
from decoupled_gan.interop import layouts
from decoupled_gan.interop.layouts import (
  CHANNELS,
  CONV,
  FLAT,
  LINEAR,
  SAME,
  Entry,
  Table,
  below,
  layer,
  spectral,
)  # fmt: skip
from decoupled_gan.machine import pytorch_file

NETWORKS = {
  'genA2B': 'generator/b',
  'genB2A': 'generator/a',
  'disGA': 'discriminator/a/global',
  'disGB': 'discriminator/b/global',
  'disLA': 'discriminator/a/local',
  'disLB': 'discriminator/b/local',
}
"""Official network -> where it is here: a generator is named by what it makes."""


def generator(blocks: int, full: bool) -> Table:
  """The tensors of an official generator of `n_res` = blocks."""

  def conv(key, path, layout=CONV):
    return Entry(f'{key}.weight', f'{path}/kernel', layout)

  def dense(key, name, layout=LINEAR):
    return conv(key, f'style/{name}/Dense_0', layout)

  entries = [
    conv('gap_fc', 'attention/average', LINEAR),
    conv('gmp_fc', 'attention/maximum', LINEAR),
    *layer('conv1x1', 'attention'),
    dense('FC.0', 'hidden_0', FLAT if full else LINEAR),
    dense('FC.2', 'hidden_1'),
    dense('gamma', 'gamma'),
    dense('beta', 'beta'),
    conv('DownBlock.1', 'stem'),
    conv('DownBlock.5', 'down_0'),
    conv('DownBlock.9', 'down_1'),
    conv('UpBlock2.11', 'output'),
  ]
  for i in range(blocks):
    for j in range(2):
      entries += [
        conv(f'DownBlock.{12 + i}.conv_block.{1 + 4 * j}', f'block_{i}/conv_{j}'),
        conv(f'UpBlock1_{i + 1}.conv{j + 1}', f'adaptive_{i}/conv_{j}'),
        Entry(f'UpBlock1_{i + 1}.norm{j + 1}.rho', f'adaptive_{i}/norm_{j}/rho', CHANNELS),
      ]
  for i in range(2):
    entries.append(conv(f'UpBlock2.{2 + 5 * i}', f'up_{i}'))
    for name in ('rho', 'gamma', 'beta'):
      entries.append(Entry(f'UpBlock2.{3 + 5 * i}.{name}', f'up_{i}/norm/{name}', CHANNELS))
  return entries


def discriminator(layers: int) -> Table:
  """The tensors of an official discriminator of `n_layers`."""
  entries = [
    *spectral('gap_fc', 'attention/average', bias=False, kernel=LINEAR, v=SAME),
    *spectral('gmp_fc', 'attention/maximum', bias=False, kernel=LINEAR, v=SAME),
    *layer('conv1x1', 'attention'),
    *spectral('conv', 'logits', bias=False),
  ]
  for i in range(layers - 1):
    entries += spectral(f'model.{1 + 3 * i}', f'conv_{i}/conv')
  return entries


def tables(config: ConfigDict) -> dict[str, Table]:
  """{official network: its tensors} of a run."""
  model = config.model
  kinds = {
    'gen': generator(model.blocks, model.full),
    'disG': discriminator(model.depths[0]),
    'disL': discriminator(model.depths[1]),
  }
  return {
    network: below(path, next(table for kind, table in kinds.items() if network.startswith(kind)))
    for network, path in NETWORKS.items()
  }


def constants(config: ConfigDict) -> dict:
  """Tensors that are there only: none."""
  return {}


def configure(networks: Mapping[str, Mapping[str, np.ndarray]], config: ConfigDict):
  """Sets what the tensors' shapes tell; of the full form the image size, too."""
  made, model = networks['genA2B'], config.model
  model.width, config.image_channels = made['DownBlock.1.weight'].shape[:2]
  model.blocks = len({key.partition('.')[0] for key in made if key.startswith('UpBlock1_')})
  hidden = made['FC.0.weight']
  model.full = hidden.shape[0] != hidden.shape[1]
  if model.full:
    config.image_size = 4 * isqrt(hidden.shape[1] // hidden.shape[0])
  if 'disGA' in networks:
    model.depths = tuple(
      1 + sum(re.fullmatch(r'model\.\d+\.bias', key) is not None for key in networks[name])
      for name in ('disGA', 'disLA')
    )


def read_files(path: Path, config: ConfigDict) -> tuple[dict[str, dict], int]:
  """({network: state dict}, step) of a file; its name tells the step, or nothing does: 0."""
  content = pytorch_file.read(path)
  found = {n: content[n] for n in NETWORKS if n in content} if isinstance(content, Mapping) else {}
  if 'genA2B' not in found:
    there = listing(content) if isinstance(content, Mapping) else type(content).__name__
    raise UserError(
      f'--input={path} is not an official U-GAT-IT checkpoint: it has no genA2B; it has {there}.'
    )
  number = re.search(r'_params_(\d+)\.pt$', path.name)
  networks = {n: layouts.without(x, 'total_ops', 'total_params') for n, x in found.items()}
  return networks, int(number[1]) if number else 0


def files_of(path: Path, networks: Mapping[str, Mapping], step: int) -> dict[Path, Mapping]:
  """{file: content}: the file `path`, or one of the official name in the folder `path`."""
  file = path if path.suffix == '.pt' else path / f'{path.name}_params_latest.pt'
  return {file: networks}
