"""Checkpoints: orbax, written in the background, the latest few kept.

Items of a checkpoint: `networks` (parameters, their averages and the forward passes' statistics: all
that translation needs), `optimizers`, and `meta` (JSON: config, position in the data, versions). The
data is a function of (seed, step), so that its position is the number of steps done.
"""

import contextlib
from pathlib import Path

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from ml_collections import ConfigDict
from orbax.checkpoint import checkpoint_managers

import decoupled_gan
from decoupled_gan.errors import RunError, UserError
from decoupled_gan.state import TrainState


class Checkpoints:
  """The checkpoints of one run. Use as a context: leaving it waits for what is being written."""

  def __init__(self, folder: Path, keep: int = 1, read_only: bool = False):
    self.folder = Path(folder).absolute()
    self._manager = ocp.CheckpointManager(
      self.folder,
      options=ocp.CheckpointManagerOptions(
        preservation_policy=checkpoint_managers.LatestN(keep),
        cleanup_tmp_directories=not read_only,
        read_only=read_only,
        create=not read_only,
      ),
    )

  def __enter__(self):
    return self

  def __exit__(self, kind, *_):
    if kind is None:
      self.wait()
    self._manager.close()

  @property
  def latest(self) -> int | None:
    """The newest complete checkpoint's step."""
    return self._manager.latest_step()

  def save(self, step: int, state: TrainState, config: ConfigDict):
    """Begins to write `state`; raises RunError if this or the previous write cannot be done."""
    if step == self.latest:
      return
    meta = {
      'config': config.to_json_best_effort(),
      'data': {'seed': config.seed, 'step': step},
      'versions': {'decoupled_gan': decoupled_gan.__version__, 'jax': jax.__version__},
    }
    with self._telling():
      self._manager.save(
        step,
        args=ocp.args.Composite(
          networks=ocp.args.StandardSave(_networks(state)),
          optimizers=ocp.args.StandardSave(state.opt),
          meta=ocp.args.JsonSave(meta),
        ),
      )

  def wait(self):
    """Until everything is on disk; raises RunError if it cannot be."""
    with self._telling():
      self._manager.wait_until_finished()

  def restore(self, abstract: TrainState, step: int | None = None) -> TrainState:
    """The whole state at `step` (the latest if None), with the shardings of `abstract`."""
    step = self._chosen(step)
    restored = self._read(
      step,
      networks=ocp.args.StandardRestore(_networks(abstract)),
      optimizers=ocp.args.StandardRestore(abstract.opt),
    )
    return abstract.replace(
      step=jnp.asarray(step, jnp.int32), opt=restored['optimizers'], **restored['networks']
    )

  def restore_networks(self, abstract: TrainState, step: int | None = None) -> TrainState:
    """As `restore`, without the optimizers' state (which stays abstract)."""
    step = self._chosen(step)
    restored = self._read(step, networks=ocp.args.StandardRestore(_networks(abstract)))
    return abstract.replace(step=jnp.asarray(step, jnp.int32), **restored['networks'])

  def _read(self, step: int, **items):
    try:
      return self._manager.restore(step, args=ocp.args.Composite(**items))
    except ValueError as error:  # orbax's: the trees or shapes differ
      raise UserError(
        f'{self.folder} has a checkpoint of step {step} that does not fit this config: model, '
        'optimizer.name, optimizer_of and ema_halflife_kimg '
        'must be those it was trained with. Set them back, or use another --workdir.'
      ) from error

  def _chosen(self, step):
    if self.latest is None:
      raise UserError(
        f'{self.folder} has no complete checkpoint yet: train until the first one is written '
        '(checkpoint_every_steps).'
      )
    steps = self._manager.all_steps()
    if step is not None and step not in steps:
      raise UserError(f'{self.folder} has no checkpoint of step {step}; it has {sorted(steps)}.')
    return self.latest if step is None else step

  @contextlib.contextmanager
  def _telling(self):
    """Turns what orbax raises while writing into one sentence."""
    try:
      yield
    except Exception as error:
      self._manager.reload()
      last = self._manager.latest_step()
      kept = f'the checkpoint of step {last} is intact' if last is not None else 'there is none yet'
      reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[-300:]
      raise RunError(
        f'A checkpoint could not be written to {self.folder} ({reason}); {kept}. Is the disk full? '
        'Make room and run the same command again.'
      ) from error


def _networks(state: TrainState) -> dict:
  return {'params': state.params, 'stats': state.stats, 'ema': state.ema}
