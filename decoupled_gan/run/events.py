"""What a method does between steps, played by the loop; see core/method.py: Event."""

import jax

from decoupled_gan import data
from decoupled_gan.core.state import TrainState
from decoupled_gan.machine import sharding


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
  """The batches of a run, and the events before each step.

  Where an event changes the data, batches are made anew from that step on: they are functions of
  (seed, step), so that a run that is resumed reads what it would have read.
  """

  def __init__(self, run, dataset):
    self._run, self._dataset, self._batches = run, dataset, None

  def __call__(self, state: TrainState, step: int):
    """(state, batch) of step `step` (from 0); steps are asked for one after the other."""
    state, dataset = happen(self._run, state, self._dataset, step)
    if self._batches is None or dataset is not self._dataset:
      part = jax.process_index(), jax.process_count()
      batches = data.train_batches(dataset, self._run.config, step, *part)
      self._dataset, self._batches = dataset, sharding.prefetch(self._run.mesh, batches)
    return state, next(self._batches)
