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
from decoupled_gan.run import experiment
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
    if direction not in DIRECTIONS:
      raise UserError(f'--direction={direction} is unknown; there are a_to_b and b_to_a.')
    self.run.require('translate')
    forward = self.compiled(self.run.method.translate, DIRECTIONS[direction])
    return lambda images: to_uint8(forward(images))

  def compiled(self, function, *static, **options):
    """f(*arrays) -> function(gan, *arrays, *static), on these variables; see Experiment.compiled."""
    forward = self.run.compiled(function, *static, **options)
    return lambda *arrays: forward(self.variables, *arrays)


def load(workdir: Workdir, step: int | str | None = None) -> Trained:
  """The run in `workdir` as of checkpoint `step`: a step, 'best', or the latest if None."""
  return restore(open_run(workdir), workdir, step)


def open_run(workdir: Workdir, config: ConfigDict | None = None) -> experiment.Experiment:
  """The experiment of the run in `workdir`, without a state; by `config` if one is given."""
  config = (config or workdir.load_config()).copy_and_resolve_references()
  config.batch_size = jax.device_count()  # training's batch does not matter here
  return experiment.build(config, train=False)


def restore(run: experiment.Experiment, workdir: Workdir, step: int | str | None) -> Trained:
  """`run` with the networks of a checkpoint; `step` as in `load`."""
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    restored = checkpoints.restore_networks(run.abstract_state(), step)
  return Trained(run, state.inference_variables(restored), int(restored.step))


def batched(function, images: np.ndarray, batch_size: int = 8) -> np.ndarray:
  """`function` over images in batches of one shape: the last is filled up, and cut again."""
  out = []
  for start in range(0, len(images), batch_size):
    batch = images[start : start + batch_size]
    fill = batch_size - len(batch)
    out.append(function(np.concatenate([batch, np.repeat(batch[-1:], fill, 0)]))[: len(batch)])
  return np.concatenate(out)
