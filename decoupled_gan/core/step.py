"""One step of training, for any method: each phase of the table, in order.

This module knows neither methods nor networks. If one of them wants an `if` here, the table lacks a
concept.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import optax

from decoupled_gan.core.images import to_float
from decoupled_gan.core.routing import Phase
from decoupled_gan.core.state import TrainState, update_ema
from decoupled_gan.core.types import Array, Batch, Losses


def forward(phase: Phase, gan, state: TrainState, groups, batch: Batch, key: Array):
  """(losses, pullback, stats) of a phase: the pullback takes {loss: weight} to {group: gradient}.

  The losses' weighted sum is differentiated with respect to the parameters of `groups`; all others
  are constants. One forward pass serves any number of pullbacks.
  """

  def objective(moving):
    variables = {'params': {**state.params, **moving}, **state.stats}
    return gan.apply(
      variables, batch, method=phase.objective, mutable=list(state.stats), rngs={'noise': key}
    )

  def gradients(weights):
    return pullback({loss: jnp.asarray(weights[loss], x.dtype) for loss, x in losses.items()})[0]

  moving = {group: state.params[group] for group in groups}
  losses, pullback, stats = jax.vjp(objective, moving, has_aux=True)
  return losses, gradients, stats


def play(
  phase: Phase, gan, optimizers: Mapping, state: TrainState, batch: Batch, key: Array
) -> tuple[TrainState, Losses]:
  """One forward pass, one pullback for each distinct column of the table; only routed groups move."""
  losses, pullback, stats = forward(phase, gan, state, phase.groups, batch, key)
  params, opt = dict(state.params), dict(state.opt)
  for column, groups in phase.columns():
    gradients = pullback(column)
    for group in groups:
      updates, opt[group] = optimizers[group].update(
        gradients[group], opt[group], params[group], step=state.step
      )
      params[group] = optax.apply_updates(params[group], updates)
  return state.replace(params=params, opt=opt, stats=stats), losses


def make_train_step(
  gan, phases: Sequence[Phase], optimizers: Mapping, ema: Mapping[str, float], seed: int,
  ema_rampup: float = 0.0,
):
  """step(state, batch, active) -> (state, {'<phase>/<loss>': scalar}); to be jitted.

  Args:
    ema: {group: decay per step}.
    seed: seeds the noise of each step and phase.
    ema_rampup: see `update_ema`.

  `active`, the positions in `phases` to be played, is static: lazy phases compile to two programs.
  Images arrive as uint8.
  """

  def train_step(state: TrainState, batch: Batch, active: tuple[int, ...]):
    batch = to_float(batch)
    key = jax.random.fold_in(jax.random.key(seed), state.step)
    logs = {}
    for i in active:
      state, losses = play(
        phases[i], gan, optimizers, state, batch, jax.random.fold_in(key, i)
      )
      logs |= {f'{phases[i].name}/{loss}': value for loss, value in losses.items()}
    state = update_ema(state, ema, ema_rampup)
    return state.replace(step=state.step + 1), logs

  return train_step
