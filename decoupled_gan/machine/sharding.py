"""Data parallelism: one jitted step over a mesh whose `data` axis has all devices.

The batch is sharded, the state replicated, so that every mean over the batch is global and XLA puts
in the all-reduce: `jax.pmap`'s successor, on one core or on many hosts.
"""

import functools
from collections import deque
from collections.abc import Iterable

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from decoupled_gan.errors import UserError
from decoupled_gan.machine import cpu


def make_mesh(devices=None) -> Mesh:
  """`devices`, or all devices of all hosts, along one axis, `data`; those of a host side by side.

  So process p holds the p-th part of a batch, as the data pipeline makes it. (`jax.make_mesh` would
  order a TPU's chips by their place; a sum over all of them does not depend on it.)
  """
  devices = jax.devices() if devices is None else devices
  devices = sorted(devices, key=lambda device: (device.process_index, device.id))
  return Mesh(np.array(devices), ('data',), axis_types=(AxisType.Auto,))


def check_batch_size(batch_size: int, devices: int):
  """Raises UserError unless the devices divide the global batch."""
  if batch_size < 1 or batch_size % devices:
    lower = batch_size // devices * devices
    fits = f'{lower} or {lower + devices}' if lower > 0 else f'{devices}'
    raise UserError(
      f'batch_size={batch_size} (the global batch) must be a positive multiple of the number of '
      f'devices, {devices}: try {fits}.'
    )


def replicated(mesh) -> NamedSharding:
  """All of an array on every device: so every process can read it."""
  return NamedSharding(mesh, P())


def split(mesh) -> NamedSharding:
  """The first axis of an array over the devices."""
  return NamedSharding(mesh, P('data'))


def replicate(mesh, tree):
  """Every leaf on every device."""
  return jax.device_put(tree, replicated(mesh))


def shard_batch(mesh, batch, axis: int = 0):
  """This process's part of a batch, numpy [local, ...], as global arrays [global, ...].

  Args:
    axis: which of the arrays' axes is the batch's; several steps' batches have theirs behind the first.
  """
  sharding = NamedSharding(mesh, P(*[None] * axis, 'data'))
  return jax.tree.map(
    lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), batch
  )


def shard_whole(mesh, batch):
  """A batch that every process has whole, numpy [global, ...], as global arrays [global, ...]."""
  sharding = NamedSharding(mesh, P('data'))

  def shard(x):
    x = np.asarray(x)
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])

  return jax.tree.map(shard, batch)


def spread(x: jax.Array) -> jax.Array:
  """x [B, ...], made inside a step rather than read, over the devices as the batch is.

  Without this every device would compute all that follows from it. Does nothing where no mesh is
  set, or where the devices do not divide B.
  """
  mesh = jax.sharding.get_abstract_mesh()
  if 'data' not in mesh.axis_names or x.shape[0] % mesh.size:
    return x
  return jax.lax.with_sharding_constraint(x, P('data'))


def by_height(mesh, images: jax.Array) -> jax.Array:
  """Images [B, H, W, C] in a compiled function, each cut into bands of rows, one for each device.

  XLA goes on so with what follows from them, and puts in what convolutions need of the neighbours' rows
  and what statistics need of all. H need be no multiple of the devices: the last bands are shorter.
  """
  return jax.lax.with_sharding_constraint(images, NamedSharding(mesh, P(None, 'data')))


class Ahead:
  """What `made` gives, `depth` of it ahead: transfers to the devices overlap their computation.

  A mistake in what comes is known before it is reached, as `error`, and raised when it is.
  """

  def __init__(self, made: Iterable, depth: int = 2):
    self._made, self._depth, self._queue = iter(made), depth, deque()
    self.error: UserError | None = None

  def __iter__(self):
    return self

  def __next__(self):
    while len(self._queue) < self._depth and self._made is not None:
      try:
        self._queue.append(next(self._made))
      except StopIteration:
        self._made = None
      except UserError as error:
        self._made, self.error = None, error
    if self._queue:
      return self._queue.popleft()
    raise self.error or StopIteration


def exact(function):
  """`function` with products of whole float32 numbers; TPUs and GPUs would cut their factors."""

  @functools.wraps(function)
  def run(*arguments):
    with jax.default_matmul_precision('float32'):
      return function(*arguments)

  return run


def jit(function, quick: bool = False, platform: str = '', **options):
  """`jax.jit` with the compiler options that `platform`, the default one, wants (CPU: see cpu.py).

  `quick` is for programs that run once: the CPU's optimiser takes minutes over the random numbers of
  some eighty initialisers, which gain nothing from it.
  """
  if (platform or jax.default_backend()) == 'cpu':
    chosen = {'xla_backend_optimization_level': 0} if quick else cpu.compiler_options()
    options['compiler_options'] = chosen or None
  return jax.jit(function, **options)


