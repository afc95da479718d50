"""Runs of several seeds at once: `config.seeds` = S trains S runs in one program.

The state has a first axis of S members; member i is what a run with `seed + i` would be, to rounding:
its own initial networks, batches and noise. Devices share the members, not their batches, so that
nothing is exchanged between them. A member can be taken out as an ordinary run (--mode=export
--format=run --member=i).
"""

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from decoupled_gan import data
from decoupled_gan.core.state import TrainState
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import sharding


def check(config: ConfigDict, devices: int, events: bool):
  """Raises UserError where a run cannot have several members."""
  if config.seeds < 1:
    raise UserError(f'seeds={config.seeds} must be at least 1.')
  if config.seeds > 1 and config.seeds % devices:
    raise UserError(
      f'seeds={config.seeds} cannot be shared by {devices} devices: make it a multiple of {devices}.'
    )
  if config.seeds > 1 and events:
    raise UserError(f'seeds={config.seeds}: events between steps know one run only; set them to 0.')
  if config.seeds > 1 and (count := config.data.labels_per_class):
    raise UserError(
      f'seeds={config.seeds}: data.labels_per_class={count} leaves labels to other examples for each '
      'seed, and seeds that train together share their data: train them one by one.'
    )


def seeds(config: ConfigDict) -> range:
  """The seeds of the members."""
  return range(config.seed, config.seed + config.seeds)


def config_of(config: ConfigDict, number: int) -> ConfigDict:
  """The config of member `number` as a run of its own."""
  own = config.copy_and_resolve_references()
  own.seed, own.seeds = config.seed + number, 1
  return own


def member(tree, number: int):
  """One member of a state, of variables or of losses."""
  return jax.tree.map(lambda x: x[number], tree)


def each(run, state: TrainState) -> list[TrainState]:
  """The members of a state, one if the run has one; readable by every process."""
  if run.config.seeds == 1:
    return [state]
  state = jax.device_put(state, sharding.replicated(run.mesh))
  return [member(state, i) for i in range(run.config.seeds)]


def steps_done(state: TrainState) -> int:
  """Steps done, of all members alike."""
  return int(np.asarray(jax.device_get(state.step)).reshape(-1)[0])


def named(losses: dict, number_of_seeds: int, first: int) -> dict[str, float]:
  """Losses for the log: of several members their mean, and each as '<name>#<seed>'."""
  losses = jax.device_get(losses)
  if number_of_seeds == 1:
    return {name: float(x) for name, x in losses.items()}
  found = {name: float(np.mean(x)) for name, x in losses.items()}
  for name, values in losses.items():
    found |= {f'{name}#{first + i}': float(x) for i, x in enumerate(values)}
  return found


def batches(run, dataset, step: int) -> list:
  """This process's iterators over training batches from `step` on: one, or one for each own member."""
  config, process, processes = run.config, jax.process_index(), jax.process_count()
  if config.seeds == 1:
    return [data.train_batches(dataset, config, step, process, processes)]
  share = config.seeds // processes
  own = range(process * share, (process + 1) * share)
  return [data.train_batches(dataset, config_of(config, i), step) for i in own]


def taken(run, streams: list, count: int):
  """The batches of the next call of `count` steps, on the devices."""
  several = count > 1
  parts = [data.take(stream, count) if several else next(stream) for stream in streams]
  if run.config.seeds == 1:
    batch = parts[0]
  else:
    batch = jax.tree.map(lambda *x: np.stack(x, int(several)), *parts)
  return sharding.shard_batch(run.mesh, batch, int(several))


def keys(config: ConfigDict) -> jax.Array:
  """The keys that members' initial networks are made from."""
  return jax.vmap(jax.random.key)(jnp.arange(config.seed, config.seed + config.seeds))


def require_one(config: ConfigDict, workdir: str):
  """Raises UserError for a run of several members: name one first."""
  if config.seeds > 1:
    raise UserError(
      f'{workdir} holds {config.seeds} seeds, {listing(seeds(config))}: take one out by '
      f'--mode=export --format=run --workdir={workdir} --member=0 --output=<folder>.'
    )
