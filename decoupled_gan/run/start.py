"""Runs that begin with another run's networks: `config.start`, and copies with `start_from`.

Networks, and the statistics that belong to them, are the other run's as it uses them (averages where it
keeps some); optimizers are new, and the step is 0.
"""

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from decoupled_gan.core import parts
from decoupled_gan.core.state import TrainState, blank
from decoupled_gan.errors import UserError, listing
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir


def begin(run, state: TrainState) -> TrainState:
  """`state`, fresh, with the networks and copies that the config asks of other runs."""
  config = run.config
  if config.start.workdir:
    state = _with_networks(run, state)
  for name, given in config.copies.items():
    if given.get('start_from', ''):
      of = run.copies[name].of
      found = _found(given.start_from, '', f'copies.{name}.start_from', run)
      copy = _fitting(found, {of: state.params[of]}, run.parts, given.start_from)[of]
      state = state.replace(copies={**state.copies, name: copy})
  return state


def _with_networks(run, state: TrainState) -> TrainState:
  start = run.config.start
  found = _found(start.workdir, start.checkpoint, 'start.workdir', run)
  groups = list(start.groups) or [g for g in state.params if g in _groups(found, run.parts)]
  if not groups:
    raise UserError(
      f'start.workdir={start.workdir} has none of the groups of this run, '
      f'{listing(state.params)}; it has {listing(found["params"])}.'
    )
  missing = [g for g in groups if g not in state.params]
  if missing:
    raise UserError(
      f'start.groups: there is no group {missing[0]!r}; there are {listing(state.params)}.'
    )
  params = _fitting(found, {g: state.params[g] for g in groups}, run.parts, start.workdir)
  stats = {
    name: {key: found.get(name, {}).get(key, x) if key in groups else x for key, x in tree.items()}
    if isinstance(tree, dict)
    else tree
    for name, tree in state.stats.items()
  }
  copies = {
    name: jax.tree.map(jnp.copy, params[copy.of]) if copy.of in params else state.copies[name]
    for name, copy in run.copies.items()
  }
  print(f'begins with {listing(groups)} of {start.workdir}')
  return state.replace(params={**state.params, **params}, stats=stats, copies=copies)


def _found(workdir: str, checkpoint: str, field: str, run) -> dict:
  """The other run's variables for inference, on this run's devices; of several seeds for each."""
  step = checkpoint if checkpoint in ('', 'best') else int(checkpoint)
  try:
    trained = inference.load(Workdir(workdir), step or None, devices=run.mesh.devices.flatten().tolist())
  except UserError as error:
    raise UserError(f'{field}={workdir}: {error}') from error
  networks = {name: x for name, x in trained.variables['params'].items() if not blank(x)}
  variables = {**trained.variables, 'params': networks}
  if run.config.seeds == 1:
    return variables
  several = lambda x: jnp.broadcast_to(x, (run.config.seeds, *x.shape))  # noqa: E731
  return jax.device_put(jax.tree.map(several, variables), run.state_sharding)


def _groups(found: dict, divided: parts.Parts) -> set[str]:
  try:
    return set(parts.split(found['params'], divided))
  except UserError:
    return set(found['params'])


def _fitting(found: dict, wanted: dict, divided: parts.Parts, workdir: str) -> dict:
  """{group: the other run's parameters} for the groups of `wanted`; raises UserError if they differ."""
  groups = parts.split(found['params'], divided)
  for group, mine in wanted.items():
    if group not in groups:
      raise UserError(f'{workdir} has no group {group!r}; it has {listing(groups)}.')
    shapes = [
      {path: x.shape for path, x in flatten_dict(tree, sep='/').items()}
      for tree in (mine, groups[group])
    ]
    if shapes[0] != shapes[1]:
      path = sorted(set(shapes[0].items()) ^ set(shapes[1].items()))[0][0]
      raise UserError(
        f'{group} of {workdir} has another architecture: {path} is {shapes[1].get(path, "missing")} '
        f'there and {shapes[0].get(path, "missing")} here. Take its config.model, or other start.groups.'
      )
  return {group: groups[group] for group in wanted}
