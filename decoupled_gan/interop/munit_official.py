"""The names and layouts of the official MUNIT, and ours; see layouts.py.

Official: NVlabs/MUNIT, in a folder `gen_<step>.pt` and `dis_<step>.pt`, each {'a': ..., 'b': ...} of
state dicts. Its adaptive normalisation has buffers that it never reads (CONSTANTS).
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.errors import UserError
from decoupled_gan.interop.layouts import LINEAR, Entry, Table, layer
from decoupled_gan.machine import pytorch_file


def generator(blocks: int, domain: str) -> Table:
  """The tensors of an official AdaINGen."""
  content, style, decoder = (f'{group}/{domain}' for group in ('content', 'style', 'decoder'))
  entries = []
  for i in range(5):
    entries += layer(f'enc_style.model.{i}.conv', f'{style}/{f"down_{i - 1}" if i else "stem"}')
  entries += layer('enc_style.model.6', f'{style}/style')
  for i in range(3):
    entries += layer(f'enc_content.model.{i}.conv', f'{content}/{f"down_{i - 1}" if i else "stem"}')
  for i in range(blocks):
    for j in range(2):
      place = f'model.{i}.model.{j}.conv'
      entries += layer(f'enc_content.model.3.{place}', f'{content}/block_{i}/conv_{j}')
      entries += layer(f'dec.model.0.{place}', f'{decoder}/block_{i}/conv_{j}')
  for i in range(2):
    entries += layer(f'dec.model.{2 + 2 * i}.conv', f'{decoder}/up_{i}')
    for name in ('gamma', 'beta'):
      entries.append(Entry(f'dec.model.{2 + 2 * i}.norm.{name}', f'{decoder}/up_{i}_norm/{name}'))
  entries += layer('dec.model.5.conv', f'{decoder}/output')
  for i in range(3):
    entries += layer(f'mlp.model.{i}.fc', f'{decoder}/mlp_{i}', LINEAR)
  return entries


def discriminator(layers: int, scales: int, domain: str) -> Table:
  """The tensors of an official MsImageDis."""
  entries = []
  for scale in range(scales):
    path = f'discriminator/{domain}/scale_{scale}'
    for i in range(layers):
      entries += layer(f'cnns.{scale}.{i}.conv', f'{path}_conv_{i}')
    entries += layer(f'cnns.{scale}.{layers}', f'{path}_logits')
  return entries


def tables(config: ConfigDict) -> dict[str, Table]:
  """{official network: its tensors} of a run."""
  model = config.model
  return {f'gen_{d}': generator(model.blocks, d) for d in 'ab'} | {
    f'dis_{d}': discriminator(model.d_layers, model.scales, d) for d in 'ab'
  }


def constants(config: ConfigDict) -> dict[str, dict[str, np.ndarray]]:
  """{official network: {key: array}}: buffers of the adaptive normalisation, as they are at first."""
  features = (4 * config.model.width,)
  mean, var = np.zeros(features, np.float32), np.ones(features, np.float32)
  buffers = {'running_mean': mean, 'running_var': var}
  each = {
    f'dec.model.0.model.{i}.model.{j}.norm.{name}': x
    for i in range(config.model.blocks)
    for j in range(2)
    for name, x in buffers.items()
  }
  return {'gen_a': each, 'gen_b': each}


def configure(networks: Mapping[str, Mapping[str, np.ndarray]], config: ConfigDict):
  """Sets what the tensors' shapes tell."""
  made, judged, model = networks['gen_a'], networks.get('dis_a', {}), config.model
  model.width, config.image_channels = made['enc_content.model.0.conv.weight'].shape[:2]
  model.style_size = made['enc_style.model.6.weight'].shape[0]
  model.hidden = made['mlp.model.0.fc.weight'].shape[0]
  model.blocks = len({key.split('.')[4] for key in made if key.startswith('dec.model.0.model.')})
  if judged:
    model.d_width = judged['cnns.0.0.conv.weight'].shape[0]
    model.scales = len({key.split('.')[1] for key in judged})
    model.d_layers = sum(key.startswith('cnns.0.') and key.endswith('conv.bias') for key in judged)


def read_files(path: Path, config: ConfigDict) -> tuple[dict[str, dict], int]:
  """({network: state dict}, step) of a folder's newest files, or of a file gen_<step>.pt."""
  files = sorted(path.glob('gen_*.pt')) if path.is_dir() else [path]
  if not files or not files[-1].name.startswith('gen_'):
    raise UserError(f'--input={path} has no gen_<step>.pt, as the official MUNIT saves them.')
  networks = {}
  for kind in ('gen', 'dis'):
    file = files[-1].with_name(files[-1].name.replace('gen_', f'{kind}_'))
    if file.exists():
      networks |= {f'{kind}_{domain}': tensors for domain, tensors in pytorch_file.read(file).items()}
  number = re.search(r'gen_(\d+)\.pt$', files[-1].name)
  return networks, int(number[1]) if number else 0


def files_of(path: Path, networks: Mapping[str, Mapping], step: int) -> dict[Path, Mapping]:
  """{file: content}: both, in the folder `path`."""
  return {
    path / f'{kind}_{step:08d}.pt': {domain: networks[f'{kind}_{domain}'] for domain in 'ab'}
    for kind in ('gen', 'dis')
  }
