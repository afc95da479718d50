"""Checkpoints: orbax, written in the background, the latest few kept, and the best one if scored.

Items of a checkpoint: `networks` (parameters, their copies and the forward passes' statistics: all that
translation needs), `optimizers`, `memory` (of events, where a method has some), and `meta` (JSON:
config, data position, versions, score). The data is a function of (seed, step), so that its position is
the number of steps done.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from ml_collections import ConfigDict
from orbax.checkpoint import checkpoint_managers

import decoupled_gan
from decoupled_gan.core.state import TrainState
from decoupled_gan.errors import LostProcess, RunError, UserError
from decoupled_gan.machine import paths
from decoupled_gan.machine.distributed import telling_losses

ASIDE = '.deleted'


class Checkpoints:
  """The checkpoints of one run. Use as a context: leaving it waits for what is being written.

  Where a run has several processes, all of them make, save and restore at the same steps; the folder
  is one that all of them see, and the next run may have any other number of processes.
  """

  def __init__(self, folder: Path, keep: int = 1, read_only: bool = False):
    self.folder = paths.get(folder)
    self._scores: dict[int, dict] = {}
    # A folder is deleted file by file: a kill on the way would leave a checkpoint that is none. It is
    # moved aside first. (In an object store moving is copying; there it is deleted as it is.)
    self._moved_aside = not read_only and not paths.is_remote(self.folder)
    self._clear()
    self._manager = ocp.CheckpointManager(
      self.folder,
      options=ocp.CheckpointManagerOptions(
        preservation_policy=_LatestAndBest(keep, self),
        cleanup_tmp_directories=not read_only,
        read_only=read_only,
        create=not read_only,
        todelete_subdir=ASIDE if self._moved_aside else None,
      ),
    )

  def __enter__(self):
    return self

  def __exit__(self, kind, *_):
    if kind is None:
      self.wait()
    if kind is not LostProcess:  # with whom a write in the background would be finished
      # where something has been told already, a write in the background that fails too is no more news
      with contextlib.suppress(Exception) if kind else self._telling():
        self._manager.close()
      self._clear()

  def _clear(self, all_of_it: bool = True):
    """Removes what was moved aside to be deleted; not `all_of_it` while something may be moved there."""
    if self._moved_aside and jax.process_index() == 0:
      folder = self.folder / ASIDE
      for path in (folder,) if all_of_it else folder.glob('*'):
        shutil.rmtree(path, ignore_errors=True)

  @property
  def latest(self) -> int | None:
    """The newest complete checkpoint's step."""
    return self._manager.latest_step()

  @property
  def steps(self) -> list[int]:
    """The steps of all complete checkpoints."""
    return sorted(self._manager.all_steps())

  @property
  def best(self) -> int | None:
    """The step with the best score; None if none has any."""
    return self.best_of(self.steps)

  def best_of(self, steps: Sequence[int]) -> int | None:
    """The best of `steps`; of scores by several metrics, those of the newest one count."""
    for step in steps:
      if step not in self._scores:
        with contextlib.suppress(UserError):  # a damaged one is told when it is asked for
          meta = self._read(step, meta=ocp.args.JsonRestore())['meta']
          self._scores[step] = meta.get('score', {})
    return _best({step: self._scores.get(step, {}) for step in steps})

  def save(
    self,
    step: int,
    state: TrainState,
    config: ConfigDict,
    score: Mapping | None = None,
    optimizers: bool = True,
  ):
    """Begins to write `state`; raises RunError if this or the previous write cannot be done.

    Args:
      score: {'metric': name, 'value': number, 'better': 'lower' or 'higher'}, if it was evaluated.
      optimizers: without them it is for use only, and `restore` says so.
    """
    if step == self.latest:
      return
    self._clear(all_of_it=False)
    self._scores[step] = dict(score or {})
    meta = {
      'config': config.to_json_best_effort(),
      'data': {'seed': config.seed, 'step': step},
      'versions': {'decoupled_gan': decoupled_gan.__version__, 'jax': jax.__version__},
      'score': self._scores[step],
    }
    with self._telling():
      self._manager.save(
        step,
        args=ocp.args.Composite(
          networks=ocp.args.StandardSave(_networks(state)),
          meta=ocp.args.JsonSave(meta),
          **({'optimizers': ocp.args.StandardSave(state.opt)} if optimizers else {}),
          **({'memory': ocp.args.StandardSave(state.memory)} if state.memory else {}),
        ),
      )

  def wait(self):
    """Until everything is on disk; raises RunError if it cannot be."""
    with self._telling():
      self._manager.wait_until_finished()

  def restore(
    self, abstract: TrainState, step: int | str | None = None, remembered: bool = False
  ) -> TrainState:
    """The whole state at `step` (the latest if None, or 'best'), with the shardings of `abstract`.

    Args:
      remembered: the memory of events is what there is, whatever `abstract` has.
    """
    step = self._chosen(step)
    if not (self.folder / str(step) / 'optimizers').exists():
      raise UserError(
        f'the checkpoint of step {step} in {self.folder} has no optimizers: it is for use, and cannot '
        f'be trained further. Another run begins with its networks by '
        f'--config.start.workdir={self.folder.parent}.'
      )
    if remembered:
      abstract = abstract.replace(memory=self._remembered(step, abstract.step.sharding))
    restored = self._read(
      step,
      networks=ocp.args.StandardRestore(_networks(abstract)),
      optimizers=ocp.args.StandardRestore(abstract.opt),
      **({'memory': ocp.args.StandardRestore(abstract.memory)} if abstract.memory else {}),
    )
    networks = _with_networks(abstract, step, restored['networks'])
    return networks.replace(opt=restored['optimizers'], memory=restored.get('memory') or {})

  def restore_networks(self, abstract: TrainState, step: int | str | None = None) -> TrainState:
    """As `restore`, without the optimizers' state (which stays abstract)."""
    step = self._chosen(step)
    restored = self._read(step, networks=ocp.args.StandardRestore(_networks(abstract)))
    return _with_networks(abstract, step, restored['networks'])

  def _remembered(self, step: int, sharding) -> dict:
    """Shapes and types of the memory that a checkpoint has; {} if it has none."""
    folder = self.folder / str(step) / 'memory'
    if not folder.exists():
      return {}
    with ocp.StandardCheckpointer() as reader:
      found = reader.metadata(folder).item_metadata.tree
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), found)

  def _read(self, step: int, **items):
    try:
      return self._manager.restore(step, args=ocp.args.Composite(**items))
    except Exception as error:
      if _differs(error):
        raise UserError(
          f'{self.folder} has a checkpoint of step {step} that does not fit this config: seeds, copies, '
          'events, optimizer and optimizer_of, routes (of networks that only some rows ask for) and '
          'image_size (of networks of a fixed size) decide what is in it. Set them back to what it was '
          'trained with, or use another --workdir.'
        ) from error
      others = [x for x in self.steps if x != step]
      instead = f'there are those of {others}' if others else 'there is no other'
      raise UserError(
        f'the checkpoint of step {step} in {self.folder} cannot be read ({_cause(error)}); {instead}. '
        'Remove the folder of a damaged one, and the run goes on from the one before.'
      ) from error

  def _chosen(self, step):
    if self.latest is None:
      raise UserError(
        f'{self.folder} has no complete checkpoint yet: train until the first one is written '
        '(checkpoint_every_steps).'
      )
    if step == 'best':
      if self.best is None:
        raise UserError(
          f'{self.folder} has no best checkpoint, for none was scored: train with '
          f'--config.evaluate_every_steps=<n>, or name one of the steps {self.steps}.'
        )
      return self.best
    if step is not None and step not in self.steps:
      raise UserError(f'{self.folder} has no checkpoint of step {step}; it has {self.steps}.')
    return self.latest if step is None else step

  @contextlib.contextmanager
  def _telling(self):
    """Turns what orbax raises while writing into one sentence."""
    try:
      with telling_losses():
        yield
    except LostProcess:
      raise
    except Exception as error:
      self._manager.reload()
      last = self._manager.latest_step()
      kept = f'the checkpoint of step {last} is intact' if last is not None else 'there is none yet'
      raise RunError(
        f'A checkpoint could not be written to {self.folder} ({_cause(error)}); {kept}. '
        'Run the same command again to go on from there.'
      ) from error


def _differs(error: Exception) -> bool:
  """Whether orbax says that trees or shapes differ; else files are damaged, JSON or tensorstore's."""
  status = re.match(r'[A-Z_]+: ', str(error))
  return isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError) and not status


def _cause(error: Exception) -> str:
  """What is left of orbax's and tensorstore's long lines: where they come to the point, at the end."""
  line = next(iter(str(error).strip().splitlines()), type(error).__name__)
  line = re.sub(r' \[\w+=.*', '', line)  # notes such as [os_error_code='27'] [source locations=...]
  return line.rpartition('": ')[2][-300:]


class _LatestAndBest(checkpoint_managers.PreservationPolicy):
  """Which checkpoints orbax is to keep."""

  def __init__(self, latest: int, checkpoints: Checkpoints):
    self._latest, self._checkpoints = latest, checkpoints

  def should_preserve(self, checkpoints, *, context) -> list[bool]:
    del context
    steps = [info.step for info in checkpoints]
    kept = {*sorted(steps)[-self._latest :], self._checkpoints.best_of(steps)}
    return [step in kept for step in steps]


def _best(scores: Mapping[int, Mapping]) -> int | None:
  scored = {step: score for step, score in scores.items() if score}
  if not scored:
    return None
  newest = scored[max(scored)]
  sign = 1 if newest['better'] == 'lower' else -1
  same = {k: sign * v['value'] for k, v in scored.items() if v['metric'] == newest['metric']}
  return min(same, key=same.get)


def _counter(step: int, abstract: TrainState) -> jax.Array:
  return jax.device_put(np.full(abstract.step.shape, step, np.int32), abstract.step.sharding)


def _with_networks(abstract: TrainState, step: int, networks: Mapping) -> TrainState:
  return abstract.replace(
    step=_counter(step, abstract),
    params=networks['params'],
    stats=networks['stats'],
    copies=networks['ema'],
  )


def _networks(state: TrainState) -> dict:
  """What lies in the item `networks`; the copies are called as when all of them were averages."""
  return {'params': state.params, 'stats': state.stats, 'ema': state.copies}
