"""The names and layouts of the official CycleGAN, pix2pix and CUT, and ours; see layouts.py.

Official: junyanz/pytorch-CycleGAN-and-pix2pix and taesungp/contrastive-unpaired-translation. Each
network is a file `<epoch>_net_<network>.pth` of one state dict. Theirs is named by what it maps: G_A
makes b out of a, and D_A judges b. CUT's fixed filters are tensors there (CONSTANTS), and arithmetic
here.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.errors import UserError
from decoupled_gan.interop import layouts
from decoupled_gan.interop.layouts import (
  DECONV,
  LINEAR,
  Entry,
  Table,
  batch_norm,
  below,
  layer,
)  # fmt: skip
from decoupled_gan.machine import pytorch_file

OLD_INSTANCE_NORM = ('running_mean', 'running_var', 'num_batches_tracked')
"""Buffers that instance normalisation had in PyTorch before 0.4, and that mean nothing."""


def _normed(key: str, number: int, path: str, norm_path: str, norm: str, kernel=None) -> Iterator[Entry]:
  """A convolution at `number` of a sequence, and the normalisation behind it."""
  options = {'kernel': kernel} if kernel else {}
  yield from layer(f'{key}.{number}', path, bias=norm == 'instance', **options)
  if norm == 'batch':
    yield from batch_norm(f'{key}.{number + 1}', norm_path)


def resnet(blocks: int, norm: str, antialias: bool, dropout: bool) -> Table:
  """The tensors of an official ResnetGenerator and our ResnetGenerator."""
  entries = [*_normed('model', 1, 'stem', 'stem_norm', norm)]
  step = 4 if antialias else 3  # a filter behind each activation
  for i in range(2):
    entries += _normed('model', 4 + step * i, f'down_{i}', f'down_{i}_norm', norm)
  first = 4 + 2 * step
  for i in range(blocks):
    for j, number in enumerate((1, 6 if dropout else 5)):
      block = f'block_{i}'
      entries += _normed(
        f'model.{first + i}.conv_block', number, f'{block}/conv_{j}', f'{block}/norm_{j}', norm
      )
  first += blocks
  for i in range(2):
    number = first + 4 * i + 1 if antialias else first + 3 * i
    kernel = None if antialias else DECONV
    entries += _normed('model', number, f'up_{i}', f'up_{i}_norm', norm, kernel)
  return [*entries, *layer(f'model.{first + 2 * step + 1}', 'output')]


def patch(layers: int, norm: str, antialias: bool) -> Table:
  """The tensors of an official NLayerDiscriminator and our PatchGAN."""
  entries, number = [*layer('model.0', 'conv_0')], 0
  for i in range(1, layers + 1):
    # behind the first there is an activation and, antialiased, a filter; behind the others a norm too
    number += (2 if i == 1 else 3) + antialias
    entries += _normed('model', number, f'conv_{i}', f'norm_{i}', norm)
  return [*entries, *layer(f'model.{number + 3}', 'logits')]


def unet(downs: int, norm: str) -> Table:
  """The tensors of an official UnetGenerator and our UNet."""
  entries, prefix = [*layer('model.model.0', 'down_0', bias=norm == 'instance')], 'model.model'
  ups = [*layer('model.model.3', 'up_0', DECONV)]
  for i in range(1, downs):
    prefix += '.1.model' if i == 1 else '.3.model'
    innermost = i == downs - 1
    down = _normed(prefix, 1, f'down_{i}', f'down_norm_{i}', 'instance' if innermost else norm)
    entries += layer(f'{prefix}.1', f'down_{i}', bias=norm == 'instance') if innermost else down
    ups += _normed(prefix, 3 if innermost else 5, f'up_{i}', f'up_norm_{i}', norm, DECONV)
  return [*entries, *ups]


def projector(taps: int) -> Table:
  """The tensors of an official PatchSampleF and our Projector."""
  return [
    entry
    for i in range(taps)
    for j in range(2)
    for entry in layer(f'mlp_{i}.{2 * j}', f'map_{i}_dense_{j}', LINEAR)
  ]


def tables(config: ConfigDict) -> dict[str, Table]:
  """{official network: its tensors} of a run of cyclegan, pix2pix or cut."""
  model = config.model
  judged = patch(model.d_layers, model.norm, _antialias(config))
  if config.method == 'cyclegan':
    _check_official(model)
    made = resnet(model.blocks, model.norm, False, model.dropout)
    return {
      'G_A': below('generator/b', made),
      'G_B': below('generator/a', made),
      'D_A': below('discriminator/b', judged),
      'D_B': below('discriminator/a', judged),
    }
  if config.method == 'pix2pix':
    if model.generator == 'unet':
      made = unet(model.downs, model.norm)
    else:
      made = resnet(model.blocks, model.norm, False, model.dropout)
    return {'G': below('generator', made), 'D': below('discriminator', judged)}
  return {
    'G': below('generator', resnet(model.blocks, model.norm, model.antialias, False)),
    'D': below('discriminator', judged),
    'F': below('projector', projector(len(model.taps))),
  }


def _check_official(model: ConfigDict):
  """Raises UserError for a generator that the official code cannot make."""
  if (model.downs, model.bottleneck, model.residual) != (2, 0, False):
    raise UserError(
      f'model.downs={model.downs}, model.bottleneck={model.bottleneck}, '
      f'model.residual={model.residual}: the official format has generators with 2, 0 and False only.'
    )


def _antialias(config: ConfigDict) -> bool:
  return config.method == 'cut' and config.model.antialias


def constants(config: ConfigDict) -> dict[str, dict[str, np.ndarray]]:
  """{official network: {key: array}}: CUT's filters, which its networks hold as tensors."""
  if not _antialias(config):
    return {}
  model, half, double = config.model, _filter((1, 2, 1)), 4 * _filter((1, 3, 3, 1))
  w, first = model.width, 12 + model.blocks

  def repeated(taps, channels):
    return np.repeat(taps[None, None], channels, 0).astype(np.float32)

  made = {7: (half, 2 * w), 11: (half, 4 * w), first: (double, 4 * w), first + 4: (double, 2 * w)}
  judged = {
    2 + 4 * i: (half, model.d_width * min(2**i, 8)) for i in range(model.d_layers)
  }  # fmt: skip
  return {
    network: {f'model.{number}.filt': repeated(*x) for number, x in filters.items()}
    for network, filters in (('G', made), ('D', judged))
  }


def _filter(taps) -> np.ndarray:
  return np.outer(taps, taps) / np.sum(np.outer(taps, taps))


def configure(networks: Mapping[str, Mapping[str, np.ndarray]], config: ConfigDict):
  """Sets what the tensors' shapes tell: widths, numbers of layers, normalisation, channels."""
  made, judged, model = networks.get('G_A', networks.get('G')), _judged(networks), config.model
  first = 'model.model.0' if 'model.model.0.weight' in made else 'model.1'
  model.width, config.image_channels = made[f'{first}.weight'].shape[:2]
  affine = any(key.endswith('running_var') and x.ndim == 1 for key, x in made.items()) and not any(
    key == f'{first}.bias' for key in made
  )
  model.norm = 'batch' if affine else 'instance' if f'{first}.bias' in made else 'none'
  if config.method == 'pix2pix':
    model.generator = 'unet' if first == 'model.model.0' else 'resnet'
  if first == 'model.model.0':
    model.downs = max(key.count('.model') for key in made)
  else:
    model.blocks = len({key.split('.')[1] for key in made if '.conv_block.' in key})
    if 'dropout' in model:
      model.dropout = any('.conv_block.6.weight' in key for key in made)
  if config.method == 'cut':
    model.antialias = 'model.8.weight' in made
  if judged:
    model.d_width = judged['model.0.weight'].shape[0]
    model.d_layers = sum(x.ndim == 4 and key.endswith('.weight') for key, x in judged.items()) - 2
  if 'F' in networks:
    model.projection = networks['F']['mlp_0.0.weight'].shape[0]


def _judged(networks: Mapping) -> Mapping:
  return networks.get('D_A', networks.get('D', {}))


def read_files(path: Path, config: ConfigDict) -> tuple[dict[str, dict], int]:
  """({network: state dict}, 0) of a folder of latest_net_*.pth, or of a file <epoch>_net_*.pth and its
  kin.

  The official code has no step in its files. Where there is one G only, as models to translate with are
  handed out, it is cyclegan's G_A.
  """
  folder, epoch = (path, 'latest') if path.is_dir() else (path.parent, path.name.partition('_net_')[0])
  files = sorted(folder.glob(f'{epoch}_net_*.pth'))
  if not files:
    raise UserError(
      f'--input={path} has no {epoch}_net_<network>.pth: name a folder of the official code with '
      'latest_net_*.pth, or one file of another epoch in it.'
    )
  networks = {file.stem.partition('_net_')[2]: pytorch_file.read(file) for file in files}
  if config.method == 'cyclegan' and 'G_A' not in networks and 'G' in networks:
    networks['G_A'] = networks.pop('G')
  drop = OLD_INSTANCE_NORM if config.model.norm != 'batch' else ()
  return {name: layouts.without(tensors, *drop) for name, tensors in networks.items()}, 0


def files_of(path: Path, networks: Mapping[str, Mapping], step: int) -> dict[Path, Mapping]:
  """{file: content}: one for each network, in the folder `path`."""
  return {path / f'latest_net_{name}.pth': tensors for name, tensors in networks.items()}
