"""Optimizers: config -> {group: optax transformation}.

The learning rate is a function of the run's step, never of a counter in the optimizer's state or of
a rate stored in a checkpoint: resuming cannot decay it twice (the official NICE-GAN code does so, and
climbs its losses when resumed late). It reaches the transformation as the extra argument `step`.
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from decoupled_gan.errors import UserError, listing


def linear_decay(rate: float, num_steps: int, start_step: int) -> optax.Schedule:
  """`rate` for `start_step` steps, then down to 0 at the last of `num_steps` steps.

  As in the official NICE-GAN, whose step t = 1, 2, ... is our step t - 1:
  rate * (1 - (t - start) / (num_steps - start)) for t > start. A start at or past the end is no
  decay.
  """
  if start_step >= num_steps:
    return optax.constant_schedule(rate)
  return lambda step: rate * jnp.clip((num_steps - 1 - step) / (num_steps - start_step), 0, 1)


def scale_by_step_schedule(schedule: optax.Schedule) -> optax.GradientTransformationExtraArgs:
  """Scales updates by -schedule(step), where `step` is an extra argument of `update`."""

  def update(updates, state, params=None, *, step, **_):
    del params
    rate = schedule(step)
    return jax.tree.map(lambda u: -rate * u, updates), state

  return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def make_optimizer(config: ConfigDict, num_steps: int) -> optax.GradientTransformationExtraArgs:
  """One group's optimizer.

  Args:
    config: name ('adam'), learning_rate, b1, b2, eps, weight_decay (coupled: added to the gradient,
      as torch's Adam does; not AdamW) and, if the rate is to decay, decay_start_step.
    num_steps: where the decay ends.
  """
  if config.name not in SCALERS:
    raise UserError(f'optimizer.name={config.name!r} is unknown; there are {listing(SCALERS)}.')
  schedule = linear_decay(
    config.learning_rate, num_steps, config.get('decay_start_step', num_steps)
  )
  # The decay is in the chain even if it is 0: its weight can then change when a run is resumed.
  decay = optax.add_decayed_weights(config.weight_decay)
  return optax.chain(decay, SCALERS[config.name](config), scale_by_step_schedule(schedule))


SCALERS = {
  'adam': lambda config: optax.scale_by_adam(config.b1, config.b2, config.eps),
  'sgd': lambda config: optax.identity(),
}


def make_optimizers(config: ConfigDict, groups: Iterable[str]) -> dict:
  """{group: optimizer} from `config.optimizer` and the differences in `config.optimizer_of.<group>`."""
  groups = list(groups)
  for group in config.optimizer_of:
    if group not in groups:
      raise UserError(
        f'optimizer_of.{group}: there is no such parameter group; there are {listing(groups)}.'
      )
  made = {}
  for group in groups:
    own = config.optimizer.copy_and_resolve_references()
    own.update(config.optimizer_of.get(group, {}))
    made[group] = make_optimizer(own, config.num_steps)
  return made
