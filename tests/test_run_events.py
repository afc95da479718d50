"""Events between steps: they change data and state, and a run that is resumed cannot tell."""

import dataclasses
import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy as toy_method

from decoupled_gan import methods
from decoupled_gan.core.method import Event
from decoupled_gan.core.types import Pair
from decoupled_gan.data.views import Changed
from decoupled_gan.errors import UserError
from decoupled_gan.modes import train
from decoupled_gan.run import experiment
from decoupled_gan.run.workdir import Workdir


def shaded(dataset, shade: int):
  """The training images of a, all of one level."""
  images = Changed(dataset.train.a, lambda image: np.full_like(image, shade))
  return dataclasses.replace(dataset, train=Pair(images, dataset.train.b))


def darken(run, state, dataset, step):
  """Every time a third as bright, and remembered."""
  shade = state.memory['darken']['shade'] // 3
  state = state.replace(memory={'darken': {'shade': shade}})
  return state, shaded(dataset, int(shade))


EVENT = Event(
  'darken',
  darken,
  memory=lambda config, dataset: {'shade': jnp.int32(240)},
  recall=lambda run, state, dataset: shaded(dataset, int(state.memory['darken']['shade'])),
)


@pytest.fixture
def eventful(toy, monkeypatch):
  method = dataclasses.replace(toy_method.METHOD, events=(EVENT,))
  monkeypatch.setitem(methods.METHODS, 'toy', method)
  toy.events.darken = 3
  toy.num_steps = 8
  toy.checkpoint_every_steps = 4
  return toy


def lines(folder):
  rows = [json.loads(line) for line in (folder / 'metrics.jsonl').read_text().splitlines()]
  return [{k: v for k, v in row.items() if not k.startswith('time/')} for row in rows]


def test_a_run_with_events_that_is_resumed_between_them_ends_as_the_straight_one_bit_for_bit(
  eventful, tmp_path
):
  train.train(eventful, Workdir(tmp_path / 'straight'))
  eventful.num_steps = 4
  train.train(eventful, Workdir(tmp_path / 'resumed'))
  eventful.num_steps = 8
  train.train(eventful, Workdir(tmp_path / 'resumed'))
  assert lines(tmp_path / 'resumed') == lines(tmp_path / 'straight')


def test_what_watches_a_resumed_run_sees_the_data_as_if_it_had_never_stopped(
  eventful, tmp_path, monkeypatch
):
  seen = []

  def noting(make):
    def noted(run, dataset, *rest):
      seen.append((make.__name__, dataset.train.a[0].tobytes()))
      return make(run, dataset, *rest)

    return noted

  for name in ('Sampler', 'Diary', '_evaluator'):
    monkeypatch.setattr(train, name, noting(getattr(train, name)))
  for eventful.num_steps in (4, 8):
    train.train(eventful, Workdir(tmp_path))
  assert seen[:3] == seen[3:]


def test_events_happen_before_every_nth_step_from_the_first_on(eventful):
  seen = []
  run = types.SimpleNamespace(config=eventful, method=methods.get('toy'), mesh=None)
  from decoupled_gan.run import events

  state = types.SimpleNamespace()
  event = dataclasses.replace(EVENT, happen=lambda run, s, d, step: (seen.append(step) or s, d))
  run.method = dataclasses.replace(run.method, events=(event,))
  for step in range(8):
    events.happen(run, state, None, step)
  assert seen == [0, 3, 6]


def test_an_event_that_a_method_does_not_have_is_told(eventful):
  eventful.events.lighten = 2
  with pytest.raises(UserError, match=r"events.lighten: method='toy' has no such event; it has darken"):
    experiment.build(eventful)


def test_an_event_that_never_happens_keeps_nothing(eventful, tmp_path):
  eventful.events.darken = 0
  eventful.num_steps = 4
  assert train.train(eventful, Workdir(tmp_path))
  assert not (tmp_path / 'checkpoints/4/memory').exists()


def test_objectives_can_read_what_events_keep(eventful):
  run = dataclasses.replace(experiment.build(eventful), memory={'darken': {'shade': np.int32(7)}})
  state = run.create_state()
  shade = run.gan.apply(state.variables(), method=lambda gan: gan.get_variable('memory', 'darken'))
  assert jax.tree.map(int, shade) == {'shade': 7}
