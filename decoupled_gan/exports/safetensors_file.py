"""A trained run as one .safetensors file: the networks for use, the config and the step.

The file is data, no code: config and step travel in its metadata, arrays are called by their paths in
the variables, 'params/generator/...'. *Where we differ* from a checkpoint: averaged groups stand in
place of their own, there are no optimizers, and it cannot be trained on. A slim file leaves out the
networks that nothing which the run can do reads (discriminators of a translator); they are 0 in what
`read` gives.
"""

import json
import os
from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from ml_collections import ConfigDict

import decoupled_gan
from decoupled_gan import defaults
from decoupled_gan.core import state
from decoupled_gan.errors import UserError, listing
from decoupled_gan.exports import signature
from decoupled_gan.machine import paths, sharding
from decoupled_gan.methods import METHODS
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

ENDING = '.safetensors'
NAME = f'model{ENDING}'
PROGRAM = 'decoupled_gan'


def located(path: str | os.PathLike) -> Path | None:
  """The file that `path` names or, as a folder without checkpoints, holds; None if it is a workdir's."""
  if str(path).endswith(ENDING):
    return paths.local(path, 'the model')
  folder = paths.get(path)
  held = folder / NAME
  if not paths.is_remote(folder) and held.is_file() and not Workdir(folder).has_checkpoint:
    return held
  return None


def write(trained: inference.Trained, path: str | os.PathLike, slim: bool = False) -> Path:
  """Writes the file, whose name must end in .safetensors, and `slim` as the module says; its path."""
  target = paths.get(path)
  if target.suffix != ENDING:
    raise UserError(f'{path}: the name of such a file ends in {ENDING}.')
  paths.write(target, content(trained, trained.run.config, slim))
  return target


def left_out(trained: inference.Trained, slim: bool) -> list[str]:
  """The networks that a file of the run does not have: missing in the run, or unread if `slim`."""
  networks = trained.variables['params']
  needed = signature.networks_read(trained) if slim else set(networks)
  return sorted(name for name, own in networks.items() if name not in needed or state.blank(own))


def content(trained: inference.Trained, config: ConfigDict, slim: bool = False) -> bytes:
  """The bytes of the file, which is to say `config` of itself."""
  from safetensors.numpy import save

  without = left_out(trained, slim)
  arrays = {
    '/'.join(path): np.asarray(x)
    for path, x in flatten_dict(trained.variables).items()
    if path[1] not in without
  }
  metadata = {
    'program': PROGRAM,
    'version': decoupled_gan.__version__,
    'config': config.to_json_best_effort(sort_keys=True),
    'step': str(trained.step),
    'left_out': json.dumps(without),
  }
  return save(arrays, metadata)


def read(path: Path, dtype: str = 'float32') -> inference.Trained:
  """What `write` wrote; raises UserError for a file that is none of ours, cut off, or does not fit."""
  config, step, arrays, without = _content(path)
  config.compilation_cache = ''  # nothing is written beside a file that may be anybody's
  try:
    run = inference.open_run(Workdir(path.with_suffix('')), config, dtype=dtype)
    expected = jax.eval_shape(state.inference_variables, run.abstract_state())
  except UserError:
    raise
  except Exception as error:  # whatever fields of no sense lead to, in somebody else's code
    raise UserError(f'{path}: no networks can be made by its config ({paths.why(error)}).') from error
  flat = flatten_dict(expected)
  lacking = {way: np.zeros(x.shape, x.dtype) for way, x in flat.items() if way[1] in without}
  arrays |= {'/'.join(way): x for way, x in lacking.items()}
  wanted = {'/'.join(way): x.shape for way, x in flat.items()}
  found = {name: x.shape for name, x in arrays.items()}
  wrong = [name for name in {*wanted, *found} if wanted.get(name) != found.get(name)]
  if wrong:
    raise UserError(
      f'{path} does not fit its own config: {listing(sorted(wrong), 3)} are missing, left over, or of '
      'another shape.'
    )
  variables = unflatten_dict({tuple(name.split('/')): x for name, x in arrays.items()})
  return inference.Trained(run, sharding.replicate(run.mesh, variables), step)


def config_of(path: Path) -> ConfigDict:
  """The config that the file says of itself."""
  return _content(path)[0]


def without(path: Path) -> list[str]:
  """The networks that the file left out."""
  return _content(path)[3]


def _content(path: Path) -> tuple[ConfigDict, int, dict[str, np.ndarray], list[str]]:
  """(config, step, arrays, networks left out) of a file.

  What a stranger wrote is looked at, and nothing in it is run.
  """
  from safetensors import SafetensorError, safe_open

  if not path.is_file():
    raise UserError(
      f'there is no file {path}; Model.save and --mode=export --format=safetensors write one.'
    )
  try:
    with safe_open(path, framework='numpy') as file:
      metadata = file.metadata() or {}
      if metadata.get('program') != PROGRAM:
        raise UserError(f'{path} is a file of another program: it has no config of {PROGRAM} in it.')
      arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no mapping
  except (SafetensorError, OSError) as error:
    raise UserError(f'{path} is cut off, or no {ENDING} file ({error}): get it again.') from None
  try:
    config, step = ConfigDict(json.loads(metadata['config'])), int(metadata['step'])
    without = list(json.loads(metadata.get('left_out', '[]')))
  except (KeyError, TypeError, ValueError, AttributeError) as error:
    raise UserError(f'{path} has no readable config and step in its metadata ({error}).') from None
  if config.get('method') not in METHODS:  # any other name would be imported
    raise UserError(
      f'{path} is of method={config.get("method")!r}, which is not among {listing(METHODS, 40)}; '
      "methods of one's own come with a workdir only."
    )
  return defaults.complete(config), step, arrays, without
