"""A trained run, opened for use: networks from its checkpoint, ready to translate."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.core import state
from decoupled_gan.core.images import to_uint8
from decoupled_gan.core.types import DIRECTIONS
from decoupled_gan.errors import UserError
from decoupled_gan.machine import compilation
from decoupled_gan.run import experiment, members
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir


@dataclass(frozen=True)
class Trained:
  """A run's experiment, its variables for inference, and the step they are of."""

  run: experiment.Experiment
  variables: Any
  step: int

  def translator(self, direction: str):
    """translate(uint8 [N, H, W, C]) -> uint8 [N, H', W', C]; compiled for each shape it meets."""
    forward = self.to_float(direction)
    return lambda images: to_uint8(forward(images))

  def to_float(self, direction: str):
    """As `translator`, with results as the network makes them, in [-1, 1]; floats are taken so too."""
    self.check(direction)
    return self.compiled(self.run.method.translate, DIRECTIONS[direction])

  def check(self, direction: str):
    """Raises UserError unless the run translates in this direction."""
    if direction not in DIRECTIONS:
      raise UserError(f'--direction={direction} is unknown; there are a_to_b and b_to_a.')
    self.run.require('translate')
    if DIRECTIONS[direction] not in self.run.method.targets:
      raise UserError(
        f'--direction={direction}: this run translates one way only, which is called a_to_b here; for '
        'the other way train with --config.data.direction exchanged.'
      )

  def compiled(self, function, *static, **options):
    """f(*arrays) -> function(gan, *arrays, *static), on these variables; see Experiment.compiled."""
    forward = self.run.compiled(function, *static, **options)
    return lambda *arrays: forward(self.variables, *arrays)


def load(
  workdir: Workdir, step: int | str | None = None, devices=None, dtype: str = 'float32'
) -> Trained:
  """The run in `workdir` as of checkpoint `step`: a step, 'best', or the latest if None."""
  return restore(open_run(workdir, devices=devices, dtype=dtype), workdir, step)


def open_run(
  workdir: Workdir, config: ConfigDict | None = None, devices=None, dtype: str = 'float32'
) -> experiment.Experiment:
  """The experiment of the run in `workdir`, without a state; by `config` if one is given.

  It computes in `dtype`, whatever it was trained in: half precision is for training, whose gradients are
  noise anyway, and moves a picture by up to 9 of 255 levels.
  """
  config = (config or workdir.load_config()).copy_and_resolve_references()
  config.compute_dtype = dtype
  members.require_one(config, str(workdir.path))
  compilation.keep(config.compilation_cache, workdir.path)
  # training's batch does not matter here
  config.batch_size = len(devices) if devices else jax.device_count()
  return experiment.build(config, devices, train=False)


def restore(run: experiment.Experiment, workdir: Workdir, step: int | str | None) -> Trained:
  """`run` with the networks of a checkpoint; `step` as in `load`."""
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    restored = checkpoints.restore_networks(run.abstract_state(), step)
  return Trained(run, state.inference_variables(restored), int(restored.step))


def batched(function, inputs, batch_size: int = 8) -> np.ndarray:
  """`function` over a pytree of arrays [N, ...] in batches of one shape: the last is filled, and cut."""
  count, out = len(jax.tree.leaves(inputs)[0]), []
  for start in range(0, count, batch_size):
    size = min(batch_size, count - start)
    chosen = np.minimum(np.arange(start, start + batch_size), count - 1)
    batch = jax.tree.map(lambda x, chosen=chosen: x[chosen], inputs)
    out.append(np.asarray(function(batch))[:size])
  return np.concatenate(out)
