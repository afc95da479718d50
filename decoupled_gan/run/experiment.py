"""From a config to everything that a run needs, checked before long work starts."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from decoupled_gan import data, defaults, methods
from decoupled_gan.core import method as ability
from decoupled_gan.core import optim, parts, proof, routing, state, step
from decoupled_gan.core.images import to_float
from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Batch, batch_shape, image_shape
from decoupled_gan.data import views
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import sharding
from decoupled_gan.run import calls, members


@dataclass(frozen=True)
class Experiment:
  """What a config means: the method, its phases, optimizers and copies, on a mesh.

  Attributes:
    offered: {phase: {loss that its objective offers: whether it waits to be asked}}; {} if the
      experiment is not to be trained.
    variables: shapes and types of the networks' variables, as they are initialised.
    memory: {event: arrays} that events begin with, see events.py.
  """

  config: ConfigDict
  method: Method
  gan: Any
  phases: tuple[routing.Phase, ...]
  optimizers: dict[str, Any]
  copies: dict[str, state.Copy]
  parts: parts.Parts
  mesh: jax.sharding.Mesh
  offered: Mapping[str, Mapping[str, bool]]
  variables: Mapping[str, Any]
  memory: Mapping[str, Any] = field(default_factory=dict)

  @property
  def groups(self) -> list[str]:
    return sorted(self.optimizers)

  @property
  def batch_shape(self) -> Batch:
    """Shapes and types of a global batch as the data pipeline makes it."""
    return batch_shape(self.config, self.method.batch)

  def able(self, name: str) -> bool:
    """Whether a trained run can do it, see core/method.py."""
    return ability.able(self.method, self.gan, name)

  def require(self, name: str):
    """Raises UserError if a trained run cannot do it, with what it can."""
    ability.require(self.method, self.gan, name, self.config.method)

  @property
  def state_sharding(self) -> jax.sharding.NamedSharding:
    """Replicated; the members of a run of several seeds are shared out."""
    return sharding.split(self.mesh) if self.config.seeds > 1 else sharding.replicated(self.mesh)

  def create_state(self) -> state.TrainState:
    """The state at step 0, on the mesh; of several seeds with a first axis of members."""
    create = jax.vmap(self._create) if self.config.seeds > 1 else self._create
    create = sharding.jit(create, quick=True, out_shardings=self.state_sharding)
    return create(self._keys())

  def abstract_state(self) -> state.TrainState:
    """Shapes, types and shardings of the state; nothing is computed."""
    assemble = functools.partial(
      state.assemble,
      optimizers=self.optimizers,
      copies=self.copies,
      parts=self.parts,
      memory=self.memory,
    )
    several = (self.config.seeds,) if self.config.seeds > 1 else ()
    return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct((*several, *x.shape), x.dtype, sharding=self.state_sharding),
      jax.eval_shape(assemble, self.variables),
    )

  def _keys(self):
    return members.keys(self.config) if self.config.seeds > 1 else jax.random.key(self.config.seed)

  def abstract_batch(self) -> Batch:
    """Shapes, types and shardings of a global batch; nothing is read."""
    several = (self.config.seeds,) if self.config.seeds > 1 else ()
    return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(
        (*several, *x.shape), x.dtype, sharding=sharding.split(self.mesh)
      ),
      self.batch_shape,
    )

  def train_step(self, wrap: Callable = lambda train_step: train_step):
    """step(state, batch, active) -> (state, losses), compiled; the state's buffers are reused.

    Args:
      wrap: makes another function of the step before it is compiled, such as `step.make_call`.
    """
    make = functools.partial(
      step.make_train_step, self.gan, self.phases, self.optimizers, self.copies
    )
    if self.config.seeds > 1:
      function = step.over_seeds(make, jnp.array(members.seeds(self.config)))
    else:
      function = make(self.config.seed)
    return sharding.jit(
      wrap(function),
      platform=self.mesh.devices.flat[0].platform,
      static_argnums=2,
      donate_argnums=0,
      out_shardings=(self.state_sharding, sharding.replicated(self.mesh)),
    )

  def exact(self) -> 'Experiment':
    """The same in float32, for what is looked at or scored while it trains in half precision."""
    if self.config.compute_dtype == 'float32':
      return self
    config = self.config.copy_and_resolve_references()
    config.compute_dtype = 'float32'
    return replace(self, config=config, gan=self.method.build(config))

  def compiled(self, function: Callable, *static, noise: Callable | None = None):
    """f(variables, *arrays) -> function(gan, *arrays, *static), compiled, readable by every process.

    uint8 arrays become images in [-1, 1].

    Args:
      noise: (*arrays) -> the key of what the function draws. Without it nothing is drawn, and networks
        that drop units in training keep them.
    """

    def forward(variables, *arrays):
      rngs = {'noise': noise(*arrays)} if noise else {}
      return self.gan.apply(variables, *to_float(arrays), *static, method=function, rngs=rngs)

    if self.config.compute_dtype == 'float32':
      forward = sharding.exact(forward)
    return sharding.jit(forward, out_shardings=sharding.replicated(self.mesh))

  def examples(self, x, count: int):
    """Iterates over examples of a dataset's field as tests see them, in arrays of `count` of them.

    The last one begins again at the first example, so that all have one shape.
    """
    for start in range(0, len(x), count):
      which = np.arange(start, start + count) % len(x)
      yield data.test_examples(x, which, self.config)

  def chosen(self, dataset, which):
    """`dataset` with the training examples `which`, in their order."""
    return replace(dataset, train=views.some(dataset.train, np.asarray(which)))

  def sampler(self):
    """f(variables, batch) -> the method's sample columns, compiled, in evaluation mode."""
    return self.compiled(self.method.sample)

  def _create(self, key):
    batch = to_float(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), self.batch_shape))
    return state.create(
      self.gan,
      self.optimizers,
      batch,
      key,
      self.copies,
      self.parts,
      initialiser(self.gan, self.phases, {}),
      self.memory,
    )


def build(config: ConfigDict, devices=None, train: bool = True) -> Experiment:
  """The experiment that `config` describes.

  Args:
    devices: where it is to run; all there are if None.
    train: whether its phases are to be played; if not, they are not checked against the table, so
      that networks can be used where what their losses need (weights, say) is missing.

  Raises UserError where the config's fields do not fit each other or the number of devices, or one that
  is needed is not there.
  """
  try:
    return _build(config, devices, train)
  except (AttributeError, KeyError) as error:
    if (told := defaults.lacking(error)) is None:
      raise
    raise told from error


def _build(config: ConfigDict, devices, train: bool) -> Experiment:
  _validate(config)
  calls.check(config)
  mesh = sharding.make_mesh(devices)
  if config.seeds == 1:
    sharding.check_batch_size(config.batch_size, mesh.size)
  method = methods.get(config.method)
  gan = method.build(config)
  phases = routing.make_phases(
    method.objectives,
    config.routes.to_dict(),
    config.play,
    config.every.to_dict(),
    config.window.to_dict(),
    config.lazy.to_dict(),
    config.anneal.get('routes', ConfigDict()).to_dict(),
    config.round_steps,
  )
  _check_events(config, method)
  members.check(config, mesh.size, any(config.events.values()))
  batch = jax.eval_shape(to_float, batch_shape(config, method.batch))
  offered = {}
  create = functools.partial(
    state.initial_variables, gan, initialise=initialiser(gan, phases, offered)
  )
  variables = jax.eval_shape(create, batch, jax.random.key(0))
  divided = parts.parse(config.parts)
  groups = sorted(parts.split(variables['params'], divided))
  if train:
    if callable(gan):
      _offer(gan, phases, variables, batch, offered)
    routing.check(phases, offered, groups, config.frozen)
    if config.data.labels_per_class:
      _check_few_labels(config, method, gan, phases, variables, batch)
  return Experiment(
    config=config,
    method=method,
    gan=gan,
    phases=phases,
    optimizers=optim.make_optimizers(config, groups, routing.lazy_updates(phases)),
    copies=state.make_copies(config, groups),
    parts=divided,
    mesh=mesh,
    offered=offered,
    variables=variables,
  )


def initialiser(gan, phases, offered: dict) -> Callable | None:
  """What makes the parameters: the module's own call, or all that the table asks of the objectives.

  By the latter exactly the networks exist that some row needs, and `offered` is filled, see `_asked`.
  """
  return None if callable(gan) else functools.partial(_asked, phases=phases, offered=offered)


def _asked(gan, batch, phases, offered: dict) -> list:
  """What the table asks of each phase; `offered` is then {phase: {loss: whether it is a thunk}}."""
  asked = []
  for phase in {phase.name: phase for phase in phases}.values():
    found = phase.objective(gan, batch)
    offered[phase.name] = {loss: callable(value) for loss, value in found.items()}
    asked.append(phase.choose(found))
  return asked


def _offer(gan, phases, variables, batch, offered: dict):
  """Fills `offered` by tracing the phases of a module whose own call makes its parameters."""

  def look(gan, batch):
    return _asked(gan, batch, phases, offered)

  jax.eval_shape(functools.partial(_apply, gan, look), variables, batch, jax.random.key(0))


def _apply(gan, function, variables, batch, key):
  """What `function` (gan, batch) gives in training."""
  return gan.apply(
    variables, batch, method=function, mutable=[name for name in variables if name != 'params'],
    rngs={'noise': key, 'step': key},
  )[0]  # fmt: skip


def _check_few_labels(config: ConfigDict, method: Method, gan, phases, variables, batch: Batch):
  """Raises UserError if a loss takes labels that are unknown, -1, for those of the last class."""
  if getattr(batch, 'labels', None) is None:
    return  # the data says that it has none

  def losses(phase, labels, variables, batch, key):
    return _apply(gan, phase.ask, variables, batch._replace(labels=labels), key)

  for phase in phases:
    read = proof.readers(
      functools.partial(losses, phase), batch.labels, variables, batch, jax.random.key(0)
    )
    if wrong := [loss for loss in read if loss not in method.few_labels]:
      count = config.data.labels_per_class
      raise UserError(
        f'data.labels_per_class={count}: {phase.name}/{wrong[0]} reads all labels, and most are then '
        f'unknown; losses of method={config.method!r} for few labels '
        f'are {listing(sorted(method.few_labels))}, beside networks that are told none '
        '(model.conditional=False).'
      )


def _check_events(config: ConfigDict, method: Method):
  names = [event.name for event in method.events]
  for name, every in config.events.items():
    if name not in names:
      raise UserError(
        f'events.{name}: method={config.method!r} has no such event; it has '
        f'{", ".join(names) or "none"}.'
      )
    if every < 0:
      raise UserError(f'events.{name}={every}: it is steps from one to the next, or 0 for never.')


def _validate(config: ConfigDict):
  """Ranges that the types of the fields cannot express."""
  for name in (
    'batch_size', 'num_steps', 'log_every_steps', 'sample_every_steps', 'sample_count',
    'checkpoint_every_steps', 'checkpoints_to_keep', 'nonfinite_patience',
  ):  # fmt: skip
    if config[name] < 1:
      raise UserError(f'{name}={config[name]} must be at least 1.')
  shape = image_shape(config)
  if len(shape) != 2 or not all(isinstance(x, int) and x >= 1 for x in shape):
    raise UserError(
      f'image_size={config.image_size!r} must be a number of pixels of at least 1, or (height, width).'
    )
  if config.image_channels not in (1, 3):
    raise UserError(f'image_channels={config.image_channels}: there are 1 (grey) and 3 (colour).')
  if (step := config.start.checkpoint) not in ('', 'best') and not step.isdecimal():
    raise UserError(f'start.checkpoint={step!r} is unknown; there are <step> and best.')
  if config.compute_dtype not in ('float32', 'bfloat16'):
    raise UserError(
      f'compute_dtype={config.compute_dtype!r} is unknown; there are float32 and bfloat16.'
    )
