"""Optimizers: config -> {group: optax transformation}.

The learning rate is a function of the run's step, never of a counter in the optimizer's state or of
a rate stored in a checkpoint: resuming cannot decay it twice (the official NICE-GAN code does so, and
climbs its losses when resumed late). It reaches the transformation as the extra argument `step`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

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


class Replaced(NamedTuple):
  """The state of `replace_nonfinite`: how many updates had an entry that was not finite."""

  count: jax.Array


def replace_nonfinite(limit: float = 1e5) -> optax.GradientTransformation:
  """NaN becomes 0 and infinity +-`limit`, as in StyleGAN2-ADA; counted in the state."""

  def update(updates, state, params=None):
    del params
    finite = jnp.stack([jnp.isfinite(u).all() for u in jax.tree.leaves(updates)]).all()
    clean = jax.tree.map(lambda u: jnp.nan_to_num(u, nan=0.0, posinf=limit, neginf=-limit), updates)
    return clean, Replaced(state.count + jnp.logical_not(finite))

  return optax.GradientTransformation(lambda params: Replaced(jnp.zeros((), jnp.int32)), update)


def corrected(config: ConfigDict, lazy_updates: float) -> ConfigDict:
  """The settings that give 1 + lazy_updates updates a step the pace of one.

  Karras et al., CVPR 2020, section 3.1: with c = 1 / (1 + lazy_updates), which is k / (k + 1) where
  one lazy phase is played every k steps, the rate becomes rate * c and each beta beta ** c.
  """
  c = 1 / (1 + lazy_updates)
  config = config.copy_and_resolve_references()
  config.learning_rate *= c
  config.b1, config.b2 = config.b1**c, config.b2**c
  return config


def make_optimizer(config: ConfigDict, num_steps: int) -> optax.GradientTransformationExtraArgs:
  """One group's optimizer.

  Args:
    config: name ('adam'), learning_rate, b1, b2, eps, weight_decay (coupled: added to the gradient,
      as torch's Adam does; not AdamW), clean_gradients (see `replace_nonfinite`) and, if the rate is
      to decay, decay_start_step.
    num_steps: where the decay ends.
  """
  if config.name not in SCALERS:
    raise UserError(f'optimizer.name={config.name!r} is unknown; there are {listing(SCALERS)}.')
  schedule = linear_decay(
    config.learning_rate, num_steps, config.get('decay_start_step', num_steps)
  )
  # The decay is in the chain even if it is 0: its weight can then change when a run is resumed.
  decay = optax.add_decayed_weights(config.weight_decay)
  steps = [decay, SCALERS[config.name](config), scale_by_step_schedule(schedule)]
  if config.get('clean_gradients', False):
    steps.insert(0, replace_nonfinite())
  return optax.chain(*steps)


SCALERS = {
  'adam': lambda config: optax.scale_by_adam(config.b1, config.b2, config.eps),
  'sgd': lambda config: optax.identity(),
}


def make_optimizers(
  config: ConfigDict, groups: Iterable[str], lazy_updates: Mapping[str, float] | None = None
) -> dict:
  """{group: optimizer} from `config.optimizer` and the differences in `config.optimizer_of.<group>`.

  Args:
    lazy_updates: {group: how many updates a step lazy phases add}, by which settings with
      `lazy_correction` are corrected.
  """
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
    if own.get('lazy_correction', False):
      own = corrected(own, (lazy_updates or {}).get(group, 0))
    made[group] = make_optimizer(own, config.num_steps)
  return made
