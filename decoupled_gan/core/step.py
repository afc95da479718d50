"""One step of training, for any method: each phase of the table, in order.

This module knows neither methods nor networks. If one of them wants an `if` here, the table lacks a
concept.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from decoupled_gan.core.images import to_float
from decoupled_gan.core.routing import Active, Phase, cycle, played
from decoupled_gan.core.state import Copy, TrainState, update_copies
from decoupled_gan.core.types import Array, Batch, Losses
from decoupled_gan.errors import UserError, listing

SHARED = 2**31 - 1  # what the stream `step` is folded with; phases take 0, 1, ...


def streams(key: Array, position: int) -> dict[str, Array]:
  """The random streams of a phase: `noise` is its own, `step` is shared by all phases of a step."""
  return {'noise': jax.random.fold_in(key, position), 'step': jax.random.fold_in(key, SHARED)}


def forward(
  phase: Phase, gan, state: TrainState, groups, batch: Batch, key: Array | Mapping[str, Array]
):
  """(losses, pullback, stats) of a phase: the pullback takes {loss: weight} to {group: gradient}.

  The losses' weighted sum is differentiated with respect to the parameters of `groups`; all others
  are constants. One forward pass serves any number of pullbacks.

  Args:
    key: the key of `noise`, or {stream: key}.
  """
  rngs = key if isinstance(key, Mapping) else {'noise': key, 'step': key}

  def objective(moving):
    variables = state.variables(moving)
    return gan.apply(variables, batch, method=phase.ask, mutable=list(state.stats), rngs=rngs)

  def gradients(weights):
    return pullback({loss: jnp.asarray(weights[loss], x.dtype) for loss, x in losses.items()})[0]

  moving = {group: state.params[group] for group in groups}
  losses, pullback, stats = jax.vjp(objective, moving, has_aux=True)
  return losses, gradients, stats


def play(
  phase: Phase, gan, optimizers: Mapping, state: TrainState, batch: Batch, key
) -> tuple[TrainState, Losses]:
  """One forward pass, one pullback for each distinct column of the table; only routed groups move."""
  losses, pullback, stats = forward(phase, gan, state, phase.groups, batch, key)
  params, opt = dict(state.params), dict(state.opt)
  factors = {loss: factor(state.step) for loss, factor in phase.factors.items()}
  for column, groups in phase.columns():
    gradients = pullback({loss: weight * factors.get(loss, 1) for loss, weight in column.items()})
    for group in groups:
      updates, opt[group] = optimizers[group].update(
        gradients[group], opt[group], params[group], step=state.step
      )
      params[group] = optax.apply_updates(params[group], updates)
  return state.replace(params=params, opt=opt, stats=stats), losses


def make_train_step(
  gan,
  phases: Sequence[Phase],
  optimizers: Mapping,
  copies: Mapping[str, Copy],
  seed: int | Array,
):
  """step(state, batch, active) -> (state, {'<phase>/<loss>': scalar}); to be jitted.

  Args:
    seed: seeds the noise of each step and phase.

  `active`, what `routing.active` says of the step, is static: lazy phases compile to two programs.
  Images arrive as uint8.
  """

  def train_step(state: TrainState, batch: Batch, active: Active):
    batch = to_float(batch)
    key = jax.random.fold_in(jax.random.key(seed), state.step)
    logs, moved = {}, set()
    for i, phase in played(phases, active):
      state, losses = play(phase, gan, optimizers, state, batch, streams(key, i))
      logs |= {f'{phase.name}/{loss}': value for loss, value in losses.items()}
      moved.update(phase.groups)
    state = update_copies(state, copies, moved)
    return state.replace(step=state.step + 1), logs

  return train_step


def make_call(train_step: Callable) -> Callable:
  """call(state, batches, actives) -> (state, losses): several steps as one program; to be jitted.

  `batches` has them along its first axis; `actives`, what each step plays, is static. The shortest
  pattern that `actives` repeats is the body of a loop; steps that are left over follow it. `losses` has
  a dict for each step of the pattern, of arrays [repetitions], and a dict for each that was left over.
  """

  def call(state: TrainState, batches: Batch, actives: Sequence[Active]):
    length = cycle(actives)
    looped = len(actives) - len(actives) % length

    def several(state, batches, actives):
      logs = []
      for i, active in enumerate(actives):
        state, losses = train_step(state, jax.tree.map(lambda x, i=i: x[i], batches), active)
        logs.append(losses)
      return state, logs

    turns = jax.tree.map(lambda x: x[:looped].reshape(-1, length, *x.shape[1:]), batches)
    pattern = functools.partial(several, actives=actives[:length])
    state, repeated = jax.lax.scan(pattern, state, turns)
    rest = jax.tree.map(lambda x: x[looped:], batches)
    state, left_over = several(state, rest, actives[looped:])
    return state, (repeated, left_over)

  return call


def over_seeds(make_step: Callable[[Any], Callable], seeds: Array) -> Callable:
  """A train step of states that have one member for each of `seeds` along their first axis.

  Args:
    make_step: seed -> step(state, batch, active).
    seeds: int [S]; batches have the members along their first axis, too.
  """

  def train_step(state: TrainState, batch: Batch, active: Active):
    one = lambda state, batch, seed: make_step(seed)(state, batch, active)  # noqa: E731
    return jax.vmap(one)(state, batch, seeds)

  return train_step


def loss_fn(phases: Sequence[Phase], gan, name: str) -> Callable[..., Array]:
  """f({group: parameters}, state, batch, key) -> the loss '<phase>/<loss>', unweighted, alone.

  For whoever reads losses rather than trains by them: gradients, Hessian products, landscapes. (Our
  convolutions have no forward-mode derivatives: Hessian products are reverse over reverse.)

  Raises UserError if the table has no such row.
  """
  rows = {f'{phase.name}/{loss}': (phase, loss) for phase in phases for loss in phase.weights}
  if name not in rows:
    raise UserError(f'there is no loss {name!r} in the table; there are {listing(rows, 40)}.')
  phase, loss = rows[name]
  alone = dataclasses.replace(phase, weights={loss: {}})

  def value(moving: Mapping[str, Any], state: TrainState, batch: Batch, key: Array) -> Array:
    state = state.replace(params={**state.params, **moving})
    return forward(alone, gan, state, (), batch, key)[0][loss]

  return value
