"""The state of training: arrays only, one pytree."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import flax
import jax
import jax.numpy as jnp
import optax
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core import parts as partition
from decoupled_gan.core import schedules
from decoupled_gan.core.types import Array, Batch
from decoupled_gan.errors import UserError, listing


@flax.struct.dataclass
class TrainState:
  """Everything that a step changes.

  Attributes:
    step: steps done, int32 scalar.
    params: {group: parameters}; a group is a network of the method's module, or a part of one.
    stats: {collection: variables} that forward passes update (spectral vectors, running averages).
    opt: {group: optimizer state}.
    copies: {name: parameters of a group}: averaged, or as they once were.
    memory: {event: arrays}: what events between steps keep.
    parts: the groups that are parts, see parts.py; static.
  """

  step: Array
  params: dict[str, Any]
  stats: dict[str, Any]
  opt: dict[str, Any]
  copies: dict[str, Any]
  memory: dict[str, Any] = flax.struct.field(default_factory=dict)
  parts: partition.Parts = flax.struct.field(pytree_node=False, default=())

  def variables(self, moving: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What `gan.apply` takes in training; `moving` groups stand in place of the state's.

    The collections `clock` (the number of steps done), `reference` (the copies) and `memory` are there
    to be read: objectives cannot change them.
    """
    return {
      'params': partition.join({**self.params, **(moving or {})}, self.parts),
      **self.stats,
      'clock': {'step': self.step},
      **({'reference': self.copies} if self.copies else {}),
      **({'memory': self.memory} if self.memory else {}),
    }


@dataclass(frozen=True)
class Copy:
  """How a copy of a group's parameters is kept: `config.copies.<name>`.

  Attributes:
    of: the group.
    halflife_kimg: step -> half-life of the average in thousands of images; None: it never moves.
    rampup: if positive, a half-life is at most this share of the images seen, so that the average
      forgets the first, bad networks (0.05 in StyleGAN2-ADA's 'auto' setting).
    batch_size: images a step.
  """

  of: str
  halflife_kimg: Any = None
  rampup: float = 0.0
  batch_size: int = 1

  def share(self, step: Array) -> Array:
    """How much of the present parameters enters the average at `step`."""
    images = 1000 * jnp.asarray(self.halflife_kimg(step), jnp.float32)
    if self.rampup:
      images = jnp.minimum(images, self.rampup * step * self.batch_size)
    return -jnp.expm1(-jnp.log(2.0) * self.batch_size / jnp.maximum(images, 1e-8))


def make_copies(config: ConfigDict, groups: Collection[str]) -> dict[str, Copy]:
  """{name: Copy} from `config.copies`; a copy of the group's own name stands for it after training."""
  found = {}
  for name, given in config.copies.items():
    given, where = given.to_dict(), f'copies.{name}'
    of = given.pop('of', name)
    given.pop('start_from', None)
    if of not in groups:
      raise UserError(f'{where}: there is no parameter group {of!r}; there are {listing(groups)}.')
    if name in groups and name != of:
      raise UserError(f'{where} is called like another group: only a copy of {name} may be.')
    halflife, rampup = given.pop('halflife_kimg', None), given.pop('rampup', 0.0)
    if given:
      raise UserError(
        f'{where}.{next(iter(given))} is unknown; there are of, halflife_kimg, rampup and start_from.'
      )
    entry = schedules.entry_of(config.anneal, 'copies', name)
    if halflife is not None and halflife <= 0 and not entry:
      raise UserError(f'{where}.halflife_kimg={halflife} must be positive.')
    moves = halflife is not None
    schedule = schedules.schedule(halflife, entry, f'anneal.copies.{name}') if moves else None
    found[name] = Copy(of, schedule, rampup, config.batch_size)
  return found


def create(
  gan,
  optimizers: Mapping[str, Any],
  batch: Batch,
  key: Array,
  copies: Mapping[str, Copy] | None = None,
  parts: partition.Parts = (),
  initialise=None,
  memory: Mapping[str, Any] | None = None,
) -> TrainState:
  """A fresh state for `batch`'s shapes. Jittable.

  Args:
    memory: {event: arrays} to begin with.
    initialise: (gan, batch) -> anything, which calls what is to have parameters; the module's own
      call if None.
  """
  variables = initial_variables(gan, batch, key, initialise)
  return assemble(variables, optimizers, copies, parts, memory)


def assemble(
  variables: Mapping[str, Any],
  optimizers: Mapping[str, Any],
  copies: Mapping[str, Copy] | None = None,
  parts: partition.Parts = (),
  memory: Mapping[str, Any] | None = None,
) -> TrainState:
  """The state at step 0 of networks whose variables there are already; see `create`."""
  params = partition.split(variables['params'], parts)
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    stats={name: x for name, x in variables.items() if name != 'params'},
    opt={group: optimizers[group].init(params[group]) for group in params},
    copies={name: jax.tree.map(jnp.copy, params[x.of]) for name, x in (copies or {}).items()},
    memory=dict(memory or {}),
    parts=parts,
  )


def initial_variables(gan, batch: Batch, key: Array, initialise=None) -> dict[str, Any]:
  """{collection: variables} of the networks that `initialise` calls, parameters among them."""
  variables = flax.core.unfreeze(gan.init(key, batch, method=initialise))
  for read_only in ('clock', 'reference', 'memory'):
    variables.pop(read_only, None)
  return variables


def update_copies(state: TrainState, copies: Mapping[str, Copy], moved: Collection[str]) -> TrainState:
  """`state` with the averages of the groups `moved` taken on; those of other groups stay."""
  averages = {
    name: optax.incremental_update(state.params[copy.of], state.copies[name], copy.share(state.step))
    for name, copy in copies.items()
    if copy.halflife_kimg is not None and copy.of in moved
  }
  return state.replace(copies={**state.copies, **averages})


def blank(network) -> bool:
  """Whether all parameters of a network are 0: it was left out when it was published."""
  leaves = jax.tree.leaves(network)
  return bool(leaves) and not any(x.any() for x in leaves)


def inference_variables(state: TrainState) -> dict[str, Any]:
  """The variables for sampling and translation: a copy called like its group takes its place."""
  own = {name: copy for name, copy in state.copies.items() if name in state.params}
  return {'params': partition.join({**state.params, **own}, state.parts), **state.stats}


def reference(gan, network: str, name: str):
  """The network of `gan` with the copy `name` in place of its own parameters, as a function.

  No gradient reaches it, and its statistics stay. Inside `gan.apply`; while parameters are made there
  are no copies yet, and the network's own serve.
  """
  module, variables = getattr(gan, network).unbind()
  if gan.has_variable('reference', name):
    variables = {**variables, 'params': gan.get_variable('reference', name)}
  variables = stop_gradient(variables)
  return lambda *args, **kwargs: module.apply(variables, *args, **kwargs)


def clock(gan) -> Array:
  """Inside an objective: how many steps were done before this one."""
  return gan.get_variable('clock', 'step', jnp.zeros((), jnp.int32))


def count(tree) -> int:
  """How many numbers a pytree holds."""
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def finite(tree) -> Array:
  """Whether all floating-point leaves are finite, a boolean scalar."""
  leaves = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]
  return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()
