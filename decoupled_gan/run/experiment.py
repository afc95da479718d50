"""From a config to everything that a run needs, checked before long work starts."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan import methods
from decoupled_gan.core import optim, routing, state, step
from decoupled_gan.core.images import to_float
from decoupled_gan.core.types import Batch
from decoupled_gan.errors import UserError
from decoupled_gan.machine import sharding


@dataclass(frozen=True)
class Experiment:
  """What a config means: the method's module, its phases, optimizers and averages, on a mesh."""

  config: ConfigDict
  method: ModuleType
  gan: Any
  phases: tuple[routing.Phase, ...]
  optimizers: dict[str, Any]
  ema: dict[str, float]
  mesh: jax.sharding.Mesh

  @property
  def groups(self) -> list[str]:
    return sorted(self.optimizers)

  @property
  def batch_shape(self) -> Batch:
    """Shapes and types of a global batch as the data pipeline makes it."""
    return batch_shape(self.config, self.method.BATCH)

  def create_state(self) -> state.TrainState:
    """The state at step 0, replicated over the mesh."""
    create = sharding.jit(
      self._create, quick=True, out_shardings=sharding.replicated(self.mesh)
    )
    return create(jax.random.key(self.config.seed))

  def abstract_state(self) -> state.TrainState:
    """Shapes, types and shardings of the state; nothing is computed."""
    replicated = sharding.replicated(self.mesh)
    return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=replicated),
      jax.eval_shape(self._create, jax.random.key(0)),
    )

  def abstract_batch(self) -> Batch:
    """Shapes, types and shardings of a global batch; nothing is read."""
    split = jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec('data'))
    return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=split), self.batch_shape
    )

  def train_step(self):
    """step(state, batch, active) -> (state, losses), compiled; the state's buffers are reused."""
    function = step.make_train_step(
      self.gan,
      self.phases,
      self.optimizers,
      self.ema,
      self.config.seed,
      self.config.get('ema_rampup', 0.0),
    )
    platform = self.mesh.devices.flat[0].platform
    return sharding.jit(
      function,
      platform=platform,
      static_argnums=2,
      donate_argnums=0,
      out_shardings=sharding.replicated(self.mesh),
    )

  def sample(self):
    """sample(variables, batch) -> the method's sample columns, compiled, in evaluation mode."""

    def sample(variables, batch):
      return self.gan.apply(variables, to_float(batch), method=self.method.sample)

    return sharding.jit(sample, out_shardings=sharding.replicated(self.mesh))

  def _create(self, key):
    batch = to_float(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), self.batch_shape))
    return state.create(self.gan, self.optimizers, batch, key, self.ema)


def batch_shape(config: ConfigDict, kind: type[Batch]) -> Batch:
  """Shapes and types of a global batch of `kind` as the data pipeline makes it."""
  size = config.image_size
  image = jax.ShapeDtypeStruct((config.batch_size, size, size, config.image_channels), jnp.uint8)
  labels = jax.ShapeDtypeStruct((config.batch_size, len(config.get('attributes', ()))), jnp.int32)
  return kind(*[labels if field == 'labels' else image for field in kind._fields])


def build(config: ConfigDict, devices=None, train: bool = True) -> Experiment:
  """The experiment that `config` describes.

  Args:
    devices: where it is to run; all there are if None.
    train: whether its phases are to be played; if not, they are not checked against the table, so
      that networks can be used where what their losses need (weights, say) is missing.

  Raises UserError where the config's fields do not fit each other or the number of devices.
  """
  _validate(config)
  mesh = sharding.make_mesh(devices)
  sharding.check_batch_size(config.batch_size, mesh.size)
  method = methods.get(config.method)
  gan = method.build(config)
  phases = routing.make_phases(
    method.OBJECTIVES, config.routes.to_dict(), config.play, config.every.to_dict()
  )
  batch = jax.eval_shape(to_float, batch_shape(config, method.BATCH))
  variables = jax.eval_shape(gan.init, jax.random.key(0), batch)
  groups = sorted(variables['params'])
  if train:
    losses = {phase.name: _loss_names(gan, phase, variables, batch) for phase in phases}
    routing.check(phases, losses, groups, config.frozen)
  return Experiment(
    config=config,
    method=method,
    gan=gan,
    phases=phases,
    optimizers=optim.make_optimizers(config, groups, routing.lazy_updates(phases)),
    ema=state.ema_decays(config.ema_halflife_kimg.to_dict(), config.batch_size, groups),
    mesh=mesh,
  )


def _loss_names(gan, phase, variables, batch) -> list[str]:
  """The losses that an objective returns, found by tracing it."""
  stats = [name for name in variables if name != 'params']

  def run(variables, batch, key):
    return gan.apply(
      variables, batch, method=phase.objective, mutable=stats, rngs={'noise': key}
    )[0]

  return list(jax.eval_shape(run, variables, batch, jax.random.key(0)))


def _validate(config: ConfigDict):
  """Ranges that the types of the fields cannot express."""
  for field in (
    'image_size', 'batch_size', 'num_steps', 'log_every_steps', 'sample_every_steps',
    'sample_count', 'checkpoint_every_steps', 'checkpoints_to_keep', 'nonfinite_patience',
  ):  # fmt: skip
    if config[field] < 1:
      raise UserError(f'{field}={config[field]} must be at least 1.')
  if config.image_channels not in (1, 3):
    raise UserError(f'image_channels={config.image_channels}: there are 1 (grey) and 3 (colour).')
  if config.compute_dtype not in ('float32', 'bfloat16'):
    raise UserError(
      f'compute_dtype={config.compute_dtype!r} is unknown; there are float32 and bfloat16.'
    )
