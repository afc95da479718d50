"""What a method does between steps, played by the loop; see core/method.py: Event."""

import jax
from ml_collections import ConfigDict

from decoupled_gan import methods
from decoupled_gan.core.state import TrainState
from decoupled_gan.errors import UserError
from decoupled_gan.machine import sharding
from decoupled_gan.run import members


def settled(config: ConfigDict) -> ConfigDict:
  """A copy of `config` by which the run can be opened where files are missing that only events read."""
  config = config.copy_and_resolve_references()
  for event in methods.get(config.method).events:
    if event.settle and config.events.get(event.name, 0):
      config.update_from_flattened_dict(event.settle(config))
  return config


def memory(run, dataset) -> dict:
  """{event: arrays} that events begin with; they are saved with the run."""
  return {
    event.name: event.memory(run.config, dataset)
    for event in run.method.events
    if event.memory and run.config.events.get(event.name, 0)
  }


def recall(run, state: TrainState, dataset):
  """The dataset as the last events left it, where a run goes on."""
  for event in run.method.events:
    if event.recall and run.config.events.get(event.name, 0):
      dataset = event.recall(run, state, dataset)
  return dataset


def happen(run, state: TrainState, dataset, step: int):
  """(state, dataset) after the events that are due before step `step` (from 0)."""
  for event in run.method.events:
    every = run.config.events.get(event.name, 0)
    if every and step % every == 0:
      state, dataset = event.happen(run, state, dataset, step)
  return state, dataset


class Feed:
  """The batches of a run, and the events before each call of the device.

  Where an event changes the data, batches are made anew from that step on: they are functions of
  (seed, step), so that a run that is resumed reads what it would have read.
  """

  def __init__(self, run, dataset, spans):
    self._run, self._dataset, self._spans = run, dataset, list(spans)
    self._batches = None

  def __call__(self, state: TrainState, step: int):
    """(state, batch) of the call that begins with step `step` (from 0); calls come in their order.

    A call of several steps has their batches along a first axis, a run of several seeds its members'
    behind it.
    """
    state, dataset = happen(self._run, state, self._dataset, step)
    if self._batches is None or dataset is not self._dataset:
      # one more where others must hear of a mistake before it is reached
      depth = 2 if jax.process_count() == 1 else 3
      self._dataset, self._batches = dataset, sharding.Ahead(self._made(dataset, step), depth)
    return state, next(self._batches)

  @property
  def error(self) -> UserError | None:
    """Why a batch that is to come cannot be made, as soon as that is known."""
    return self._batches and self._batches.error

  def _made(self, dataset, step: int):
    streams = members.batches(self._run, dataset, step)
    for first, count in self._spans:
      if first >= step:
        yield members.taken(self._run, streams, count)
