"""Official NICE-GAN checkpoints (<dataset>_params_latest.pt) to runs of ours, and back.

Networks, spectral vectors, both Adam states and the step go over; see nice_official.py for the
layouts. The official optimizers hold gen2B then gen2A, and disA then disB.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from decoupled_gan.core.optim import linear_decay
from decoupled_gan.core.state import TrainState
from decoupled_gan.errors import UserError, listing
from decoupled_gan.interop import layouts
from decoupled_gan.interop import nice_official as official
from decoupled_gan.machine import paths, pytorch_file
from decoupled_gan.run import experiment
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

OPTIMIZERS = {'G_optimizer': ('gen2B', 'gen2A'), 'D_optimizer': ('disA', 'disB')}
PROFILE = ('total_ops', 'total_params')  # counters that thop.profile leaves in some modules
MOMENTS = {'mu': 'exp_avg', 'nu': 'exp_avg_sq'}  # optax's name: torch's


@dataclass(frozen=True)
class Architecture:
  """What the shapes of a checkpoint's tensors tell."""

  width: int
  depth: int
  blocks: int
  channels: int
  full: bool
  image_size: int | None  # known in the full form only

  @classmethod
  def of(cls, networks: Mapping[str, Mapping[str, np.ndarray]]) -> 'Architecture':
    try:
      first = networks['disA']['model.1.weight_orig']
      hidden = networks['gen2B']['FC.0.weight']
      stages = {k.split('.')[1] for k in networks['disA'] if k.startswith('Dis0_0.')}
      blocks = {k.split('.')[0] for k in networks['gen2B'] if k.startswith('UpBlock1_')}
    except KeyError as error:
      raise UserError(
        f'This is not an official NICE-GAN checkpoint: it has no {error}; it has '
        f'{listing(networks)}. Another method\'s needs its recipe, as in --config=ugatit.'
      ) from None
    full = hidden.shape[0] != hidden.shape[1]
    return cls(
      width=first.shape[0],
      depth=6 + len(stages),
      blocks=len(blocks),
      channels=first.shape[1],
      full=full,
      image_size=4 * isqrt(hidden.shape[1] // hidden.shape[0]) if full else None,
    )

  def entries(self, network: str) -> list[official.Entry]:
    return official.entries(network, self.depth, self.blocks, self.full)


def import_checkpoint(path: str, config: ConfigDict, workdir: Workdir):
  """Makes `workdir` a run that stands where the official one in the file `path` stood.

  Args:
    config: what the tensors' shapes do not tell (data, batch size, steps, light's image size); its
      model fields are overwritten by what they do tell.
  """
  content = pytorch_file.read(path)
  if not isinstance(content, Mapping):
    raise UserError(f'--input={path} does not hold a dictionary of networks.')
  if workdir.config_file.exists():
    raise UserError(f'--workdir={workdir.path} holds a run already: name a new folder.')
  networks = {
    network: layouts.without(content[network], *PROFILE)
    for network in official.NETWORKS
    if network in content
  }
  architecture = Architecture.of(networks)
  _apply(architecture, config)
  run = experiment.build(config, train=False)
  fresh = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), run.abstract_state())
  layouts.check(networks, official.write_networks(_variables(fresh), **_form(architecture)))
  step = int(content.get('start_iter', 0))
  state = _read(content, networks, architecture, fresh).replace(step=np.int32(step))
  workdir.create()
  with workdir.only_writer(), Checkpoints(workdir.checkpoints) as checkpoints:
    workdir.save_config(config)
    checkpoints.save(step, jax.tree.map(jax.numpy.asarray, state), config)
  print(f'{path}: {architecture}, step {step}, is now {workdir.path}')


def export_checkpoint(workdir: Workdir, path: str, step: int | None = None):
  """Writes the run's checkpoint in the official layout to the file `path`."""
  config = workdir.load_config()
  if config.method != 'nice':
    raise UserError(
      f"--format=pytorch is the layout of the official NICE-GAN code, and {workdir.path} is a run of "
      f'{config.method}.'
    )
  model = config.model
  if not (model.attention and set(model.heads) == {'local', 'middle', 'global'}):
    raise UserError('The official layout has no place for a model without attention or a head.')
  target = paths.get(path or workdir.path / f'{workdir.path.name}_params_latest.pt')
  paths.check_ours(target, '--output', (b'PK',))
  config.batch_size = jax.device_count()
  run = experiment.build(config, train=False)
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    state = checkpoints.restore(run.abstract_state(), step)
  form = {'depth': model.depth, 'blocks': model.blocks, 'full': model.full}
  content: dict = official.write_networks(_variables(state), **form)
  for name, networks in OPTIMIZERS.items():
    content[name] = _adam(name, networks, state, config, form)
  content['start_iter'] = int(state.step)
  pytorch_file.write(target, content)
  print(f'step {int(state.step)} of {workdir.path} is now {target}')


def _form(architecture: Architecture) -> dict:
  return {k: getattr(architecture, k) for k in ('depth', 'blocks', 'full')}


def _variables(state: TrainState) -> dict:
  return {'params': state.params, **state.stats}


def _apply(architecture: Architecture, config: ConfigDict):
  config.model.width = architecture.width
  config.model.depth = architecture.depth
  config.model.blocks = architecture.blocks
  config.model.full = architecture.full
  config.image_channels = architecture.channels
  if architecture.image_size:
    config.image_size = architecture.image_size


def _read(content, networks, architecture, fresh: TrainState) -> TrainState:
  """`fresh` with everything that the checkpoint holds."""
  form = _form(architecture)
  variables = official.read_networks(networks, **form)
  moments, counts = {}, {}
  for ours, theirs in MOMENTS.items():
    tensors = {network: dict(values) for network, values in networks.items()}
    for name, members in OPTIMIZERS.items():
      if name not in content:
        return fresh.replace(params=variables['params'], stats={'spectral': variables['spectral']})
      keys = [(n, e.key) for n in members for e in architecture.entries(n) if e.is_parameter]
      states = content[name]['state']
      if len(states) != len(keys):
        raise UserError(f'{name} has the state of {len(states)} tensors, not of {len(keys)}.')
      for i, (network, key) in enumerate(keys):
        tensors[network][key] = np.asarray(states[i][theirs])
      counts[name] = int(states[0]['step'])
    moments[ours] = official.read_networks(tensors, **form)['params']
  opt = {}
  for group, transforms in fresh.opt.items():
    count = np.int32(counts['G_optimizer' if group == 'generator' else 'D_optimizer'])
    own = {name: tree[group] for name, tree in moments.items()}
    opt[group] = tuple(
      x._replace(count=count, **own) if isinstance(x, optax.ScaleByAdamState) else x
      for x in transforms
    )
  return fresh.replace(
    params=variables['params'], stats={'spectral': variables['spectral']}, opt=opt
  )


def _adam(name, networks, state: TrainState, config, form) -> dict:
  """One official optimizer's state dict."""
  adam = {g: next(x for x in s if isinstance(x, optax.ScaleByAdamState)) for g, s in state.opt.items()}
  written = {
    theirs: official.write_networks(
      {'params': {g: getattr(s, ours) for g, s in adam.items()}, **state.stats}, **form
    )
    for ours, theirs in MOMENTS.items()
  }
  count = np.float32(next(iter(adam.values())).count)
  states, shapes = [], []
  for network in networks:
    for entry in official.entries(network, **form):
      if entry.is_parameter:
        own = {theirs: written[theirs][network][entry.key] for theirs in MOMENTS.values()}
        states.append({'step': np.asarray(count), **own})
        shapes.append(own['exp_avg'].shape)
  o = config.optimizer
  start = config.num_steps if o.decay_start_step < 0 else o.decay_start_step
  share = linear_decay(1.0, config.num_steps, start)
  settings = {
    'lr': o.learning_rate * float(share(max(int(state.step) - 1, 0))),
    'betas': (o.b1, o.b2),
    'eps': o.eps,
    'weight_decay': o.weight_decay,
  }
  return pytorch_file.adam_state(shapes, states, settings)
