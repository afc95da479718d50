"""Official StyleGAN2-ADA and GLeaD networks, saved as arrays (weights.npz), to runs of ours.

The file has the state dicts' tensors in PyTorch's layout under G/..., G_ema/... and D/...; the README
says how to make it from an official pickle. Pickles execute code when they are opened, so none is
opened here. Optimizers are not in the official files: training goes on from new ones.
"""

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.core.state import TrainState
from decoupled_gan.errors import UserError, listing
from decoupled_gan.interop.stylegan2_official import read_network
from decoupled_gan.machine import paths
from decoupled_gan.networks.stylegan2 import Pyramid
from decoupled_gan.run import experiment
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

NETWORKS = ('G', 'G_ema', 'D')


@dataclass(frozen=True)
class Architecture:
  """What the shapes of a file's tensors tell.

  Attributes:
    decoder_size: r_d of GLeaD; None for a discriminator without a decoder.
    code_channels: of f, the generator's at r_g; None if nothing is rebuilt.
  """

  image_size: int
  image_channels: int
  channel_base: int
  channel_max: int
  z_dim: int
  w_dim: int
  mapping_layers: int
  decoder_size: int | None
  code_channels: int | None

  @classmethod
  def of(cls, generator: Mapping, discriminator: Mapping) -> 'Architecture':
    """Raises UserError where the tensors are not those of these networks."""
    if 'mapping.embed.weight' in generator:
      raise UserError('This network is conditional (mapping.embed): only unconditional ones are read.')
    try:
      images = {
        int(re.match(r'synthesis\.b(\d+)', key)[1]): x.shape
        for key, x in generator.items()
        if key.endswith('torgb.weight')
      }
      size = max(images)
      first = generator['mapping.fc0.weight'].shape
    except (KeyError, ValueError):
      raise UserError(
        'This is no StyleGAN2 generator: it lacks mapping.fc0.weight or synthesis.b*.torgb.weight; it '
        f'has {listing(sorted(generator))}.'
      ) from None
    decoders = [int(m[1]) for key in discriminator if (m := re.match(r'b(\d+)_dec\.weight', key))]
    code = discriminator.get('feat_proj1.weight')
    found = cls(
      image_size=size,
      image_channels=images[size][0],
      channel_base=images[size][1] * size,
      channel_max=images[4][1],
      z_dim=first[1],
      w_dim=first[0],
      mapping_layers=sum(bool(re.fullmatch(r'mapping\.fc\d+\.weight', key)) for key in generator),
      decoder_size=max(decoders, default=None),
      code_channels=None if code is None else code.shape[0],
    )
    pyramid = found.pyramid
    odd = [s for s in pyramid.sizes() if images.get(s, (0, 0))[1] != pyramid.channels(s)]
    if odd:
      raise UserError(
        f'This generator has {images.get(odd[0], (0, 0))[1]} channels at {odd[0]} px, but only widths '
        f'of the form min(base / size, largest) are known; by its ends, {pyramid.channels(odd[0])}.'
      )
    return found

  @property
  def pyramid(self) -> Pyramid:
    return Pyramid(self.image_size, self.channel_base, self.channel_max)

  def apply(self, config: ConfigDict):
    """Makes `config` the recipe of these networks."""
    config.image_size, config.image_channels = self.image_size, self.image_channels
    for field in ('channel_base', 'channel_max', 'z_dim', 'w_dim', 'mapping_layers'):
      config.model[field] = getattr(self, field)
    if self.decoder_size is None:
      config.method = 'stylegan2'
      for phase in ('discriminate', 'regularise'):
        for task in set(config.routes[phase]) - {'adversarial', 'r1'}:
          del config.routes[phase][task]
      return
    config.model.decoder_size = self.decoder_size
    rebuilds = any(task.startswith('reconstruct') for task in config.routes.discriminate)
    if config.method != 'glead' or rebuilds != (self.code_channels is not None):
      variant = 'ggdr' if self.code_channels is None else 'glead or :glead_star'
      raise UserError(
        f"The file's discriminator has GLeaD's decoder: read it with a recipe of its kind, "
        f'--config=configs/<recipe>.py:{variant}.'
      )
    channels = self.code_channels or self.pyramid.channels(self.decoder_size)
    sizes = [s for s in self.pyramid.sizes()[:-1] if self.pyramid.channels(s) == channels]
    if config.model.rebuild_size not in sizes:  # several sizes may have one width
      if not sizes:
        raise UserError(f'The decoder gives {channels} channels, which the generator has nowhere.')
      config.model.rebuild_size = sizes[-1]


def import_checkpoint(path: str, config: ConfigDict, workdir: Workdir):
  """Makes `workdir` a run that has the networks of the file `path`, at step 0.

  Args:
    config: what shapes do not tell (data, losses, optimizers); fields that they tell are overwritten.
  """
  networks = _read(path)
  if config.method not in ('stylegan2', 'glead'):
    raise UserError(f'--input={path} is for a recipe of stylegan2 or glead, not of {config.method}.')
  if workdir.config_file.exists():
    raise UserError(f'--workdir={workdir.path} holds a run already: name a new folder.')
  live = networks.get('G', networks.get('G_ema'))
  if live is None:
    raise UserError(f'--input={path} has neither G/... nor G_ema/...; it has {listing(networks)}.')
  architecture = Architecture.of(live, networks.get('D', {}))
  architecture.apply(config)
  run = experiment.build(config, train=False)
  state = _fill(run, live, networks.get('G_ema', live), networks.get('D'))
  workdir.create()
  with workdir.only_writer(), Checkpoints(workdir.checkpoints) as checkpoints:
    workdir.save_config(config)
    checkpoints.save(0, jax.tree.map(jnp.asarray, state), config)
  missing = '' if 'D' in networks else ' It has no D: the discriminator is new.'
  print(f'{path}: {architecture} is now {workdir.path}.{missing}')


def _read(path: str) -> dict[str, dict[str, np.ndarray]]:
  """{network: {official key: array}}."""
  file = paths.local(path, '--input')
  if not file.is_file():
    raise UserError(f'--input={path} is not a file.')
  networks: dict[str, dict[str, np.ndarray]] = {}
  try:
    with np.load(file, allow_pickle=False) as arrays:
      for name in arrays.files:
        network, slash, key = name.partition('/')
        if slash and network in NETWORKS and not key.endswith('resample_filter'):
          networks.setdefault(network, {})[key] = arrays[name]
  except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    raise UserError(
      f'--input={path} is no .npz of plain arrays ({reason}); pickles are not opened.'
    ) from error
  return networks


def _fill(run, live: Mapping, average: Mapping, judge: Mapping | None) -> TrainState:
  fresh = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), run.abstract_state())
  variables = {'params': fresh.params, **fresh.stats}
  generator = _filled('G', live, 'generator', variables)
  params = {**fresh.params, 'generator': generator.pop('params')}
  if judge is None:
    params['discriminator'] = jax.device_get(run.create_state().params['discriminator'])
  else:
    params['discriminator'] = _filled('D', judge, 'discriminator', variables)['params']
  stats = {name: {**tree, 'generator': generator[name]} for name, tree in fresh.stats.items()}
  averages = {'generator': average, 'discriminator': judge or {}}
  copies = {
    group: _filled('G_ema', averages[group], group, variables)['params'] for group in fresh.copies
  }
  return fresh.replace(params=params, stats=stats, copies=copies)


def _filled(name: str, tensors: Mapping, network: str, variables: Mapping) -> dict:
  """{collection: tree} of a network; raises one UserError for all that does not fit."""
  used, faults = set(), []

  def take(key, shape):
    used.add(key)
    found = tensors.get(key)
    if found is None or found.shape != shape:
      faults.append(f'{name}/{key} is {"missing" if found is None else found.shape}, not {shape}')
      return np.zeros(shape)
    return found

  filled = read_network(take, network, variables)
  faults += [f'{name}/{key} has no place' for key in sorted(set(tensors) - used)]
  if faults:
    raise UserError(f'The file does not fit the networks read off its shapes: {listing(faults, 6)}.')
  return filled
