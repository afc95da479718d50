"""Official checkpoints of translators that hold networks only, to runs of ours and back.

Their names, layouts and files are in a module each (FORMATS). What a checkpoint does not hold
(optimizers, image pools, often the step) begins anew; a network that is missing in it, such as the
discriminators of a model that was handed out to translate with, begins as in a fresh run.
"""

from collections.abc import Mapping
from types import ModuleType

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from ml_collections import ConfigDict

from decoupled_gan.core import parts
from decoupled_gan.core.state import TrainState, blank
from decoupled_gan.errors import UserError, listing
from decoupled_gan.interop import cyclegan_official, layouts, munit_official, ugatit_official
from decoupled_gan.machine import paths, pytorch_file
from decoupled_gan.run import experiment
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

FORMATS: dict[str, ModuleType] = {
  'cyclegan': cyclegan_official,
  'pix2pix': cyclegan_official,
  'cut': cyclegan_official,
  'ugatit': ugatit_official,
  'munit': munit_official,
}
"""Method -> module with `tables`, `constants`, `configure`, `read_files` and `files_of`."""


def import_checkpoint(path: str, config: ConfigDict, workdir: Workdir):
  """Makes `workdir` a run with the networks of the official files at `path`.

  Args:
    config: of the method whose files they are. What the tensors' shapes tell is set in its model.
  """
  form, place = FORMATS[config.method], paths.local(path, '--input')
  if workdir.config_file.exists():
    raise UserError(f'--workdir={workdir.path} holds a run already: name a new folder.')
  if not path or not place.exists():
    raise UserError(f'--input={path!r} is neither a file nor a folder.')
  networks, step = form.read_files(place, config)
  _recognise(networks, form.tables(config), path, config.method)
  try:
    form.configure(networks, config)
  except KeyError as error:
    raise UserError(
      f'--input={path} does not look like a checkpoint of {config.method}: there is no {error} in '
      f'{listing(networks)}. --config names the recipe that it is for.'
    ) from None
  run = experiment.build(config, train=False)
  tables = {name: table for name, table in form.tables(config).items() if name in networks}
  missing = sorted(set(form.tables(config)) - set(tables))
  fresh = run.create_state() if missing else run.abstract_state()
  fresh = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype) if not missing else np.asarray(x), fresh)
  fixed = form.constants(config)
  networks = {
    name: {key: x for key, x in tensors.items() if key not in fixed.get(name, {})}
    for name, tensors in networks.items()
  }
  expected = {name: {} for name in networks} | layouts.write(variables_of(fresh), tables)
  layouts.check(networks, expected)
  state = filled(fresh, layouts.read(networks, tables), run).replace(step=np.int32(step))
  workdir.create()
  with workdir.only_writer(), Checkpoints(workdir.checkpoints) as checkpoints:
    workdir.save_config(config)
    checkpoints.save(step, jax.tree.map(jax.numpy.asarray, state), config)
  begun = f'; {listing(missing)} not there, begun anew' if missing else ''
  print(f'{path}: {listing(tables)} of {config.method}, step {step}, is now {workdir.path}{begun}')


def _recognise(networks: Mapping, tables: Mapping, path: str, method: str):
  """Raises UserError unless all of the networks are official ones of the method."""
  strange = sorted(set(networks) - set(tables))
  if strange:
    raise UserError(
      f'--input={path} does not look like a checkpoint of {method}, whose networks are '
      f'{listing(tables)}: it has {listing(strange)}. --config names the recipe that it is for.'
    )


def export_checkpoint(workdir: Workdir, path: str, step: int | None = None):
  """Writes the networks of the run's checkpoint in the official layout: a folder, or a .pt file."""
  config = workdir.load_config()
  config.batch_size = jax.device_count()
  form, run = FORMATS[config.method], experiment.build(config, train=False)
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    state = checkpoints.restore_networks(run.abstract_state(), step)
  if missing := [group for group, network in state.params.items() if blank(network)]:
    raise UserError(
      f'{workdir.path} was published without {listing(missing)} (--slim), and the official layout has '
      'all networks: export the run itself.'
    )
  networks = layouts.write(variables_of(state), form.tables(config))
  for name, tensors in form.constants(config).items():
    networks[name] |= tensors
  target = paths.get(path or workdir.path / 'official')
  files = form.files_of(target, networks, int(state.step))
  for file in files:
    paths.check_ours(file, '--output', (b'PK',))
  for file, content in files.items():
    pytorch_file.write(file, content)
  print(f'step {int(state.step)} of {workdir.path} is now {target}')


def variables_of(state: TrainState) -> dict:
  """{collection: variables}, the parameters as networks take them."""
  return {'params': parts.join(state.params, state.parts), **state.stats}


def filled(fresh: TrainState, variables: Mapping, run) -> TrainState:
  """`fresh` with `variables` in place of its own, in its copies too."""
  flat = flatten_dict(variables_of(fresh)) | flatten_dict(variables)
  merged = unflatten_dict(flat)
  params = parts.split(merged.pop('params'), run.parts)
  copies = {name: params[copy.of] for name, copy in run.copies.items()}
  return fresh.replace(params=params, stats={**fresh.stats, **merged}, copies=copies)
