"""Calls of the device: one step, or `config.steps_per_call` of them as one program.

Where a step takes microseconds the loop around it is the cost. A call never crosses a multiple of
`steps_per_call`, so that pictures, checkpoints and events, whose periods must be multiples of it too,
lie between calls. k changes nothing but speed (and rounding, as another program does).
"""

from collections.abc import Iterator

import jax
from ml_collections import ConfigDict

from decoupled_gan.core import routing
from decoupled_gan.core.step import make_call
from decoupled_gan.errors import UserError

BETWEEN = ('sample_every_steps', 'checkpoint_every_steps', 'evaluate_every_steps')
UNROLLED = 60  # steps of a pattern that are written out in one program, at most


def check(config: ConfigDict):
  """Raises UserError if something is to happen within a call."""
  k = config.steps_per_call
  if k < 1:
    raise UserError(f'steps_per_call={k} must be at least 1.')
  periods = {name: config[name] for name in BETWEEN}
  periods |= {f'events.{name}': every for name, every in config.events.items()}
  for name, every in periods.items():
    if every % k:
      raise UserError(
        f'{name}={every} is not a multiple of steps_per_call={k}: what it does happens between calls. '
        f'Try {-(-every // k) * k}.'
      )


def spans(run, first: int, last: int) -> Iterator[tuple[int, int]]:
  """(step, count) of each call from step `first` (from 0) up to `last`."""
  k, step = run.config.steps_per_call, first
  while step < last:
    count = min(k - step % k, last - step)
    length = routing.cycle(_actives(run.phases, step, count))
    if length + count % length > UNROLLED:
      count = 1  # where a window opens within the call
    yield step, count
    step += count


class Calls:
  """The compiled programs of a run: `calls(state, batch, step, count)` -> (state, losses of each step).

  The state's buffers are reused. Of one step `batch` is a batch, of more it has them along a first axis.
  """

  def __init__(self, run):
    self._run, self._step, self._several = run, run.train_step(), None

  def __call__(self, state, batch, step: int, count: int):
    phases = self._run.phases
    if count == 1:
      state, losses = self._step(state, batch, routing.active(phases, step))
      return state, [losses]
    if self._several is None:
      self._several = self._run.train_step(make_call)
    actives = _actives(phases, step, count)
    state, found = self._several(state, batch, actives)
    repeated, left_over = jax.device_get(found)  # a scalar of each would be as many calls of the device
    turns = (count - len(left_over)) // len(repeated)
    looped = [jax.tree.map(lambda x, i=i: x[i], one) for i in range(turns) for one in repeated]
    return state, looped + left_over


def _actives(phases, step: int, count: int) -> tuple[routing.Active, ...]:
  return tuple(routing.active(phases, step + i) for i in range(count))

