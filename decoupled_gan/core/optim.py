"""Optimizers: config -> {group: optax transformation}.

The learning rate is a function of the run's step, never of a counter in the optimizer's state or of
a rate stored in a checkpoint: resuming cannot decay it twice (the official NICE-GAN code does so, and
climbs its losses when resumed late). It reaches the transformation as the extra argument `step`.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from decoupled_gan.core.schedules import entry_of, schedule
from decoupled_gan.errors import UserError, listing


def linear_decay(rate: float, num_steps: int, start_step: int, every: int = 1) -> optax.Schedule:
  """`rate` for `start_step` steps, then down to 0 at the last of `num_steps` steps.

  As in the official NICE-GAN, whose step t = 1, 2, ... is our step t - 1:
  rate * (1 - (t - start) / (num_steps - start)) for t > start. A start at or past the end is no
  decay.

  Args:
    every: the rate changes after every so many steps only, and is meanwhile that of the last of them: an
      epoch, where the published code changes it once an epoch.
  """
  if start_step >= num_steps:
    return optax.constant_schedule(rate)

  def schedule(step):
    last = step // every * every + every - 1
    return rate * jnp.clip((num_steps - 1 - last) / (num_steps - start_step), 0, 1)

  return schedule


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


def scale_by_adam(b1: float, b2: optax.Schedule, eps: float) -> optax.GradientTransformationExtraArgs:
  """Adam whose second beta follows a schedule of the step; bias corrected with the present one.

  As torch does when its betas are changed between steps: 1 - b2(step) ** count.
  """

  def update(updates, state, params=None, *, step, **_):
    return optax.scale_by_adam(b1, b2(step), eps).update(updates, state, params)

  return optax.GradientTransformationExtraArgs(optax.scale_by_adam(b1, 0.0, eps).init, update)


def projected(project) -> optax.GradientTransformationExtraArgs:
  """The last link of a chain: after the update, parameters are what `project` makes of them."""

  def update(updates, state, params=None, **_):
    moved = jax.tree.map(lambda p, u: project(p + u) - p, params, updates)
    return moved, state

  return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def unit_norm(x: jax.Array) -> jax.Array:
  """x with vectors of length 1 along its last axis."""
  return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def unit_ball(x: jax.Array) -> jax.Array:
  """x with vectors along its last axis cut to length 1 where they are longer."""
  return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1.0)


def positive_definite() -> optax.GradientTransformationExtraArgs:
  """The last link of a chain: symmetric matrices S [..., D, D] that stay positive definite.

  An update u becomes u + u S^-1 u / 2, after which S is (S + (S + u) S^-1 (S + u)) / 2, whatever u is
  (Lin, Schmidt and Khan, ICML 2020).
  """

  def retract(u, s):
    u = (u + u.swapaxes(-1, -2)) / 2
    u = u + u @ jnp.linalg.solve(s, u) / 2
    return (u + u.swapaxes(-1, -2)) / 2

  def update(updates, state, params=None, **_):
    return jax.tree.map(retract, updates, params), state

  return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def only_rows(rows: Sequence[int]) -> optax.GradientTransformationExtraArgs:
  """The last link of a chain: only `rows` of each array (its first axis) move.

  Updates of the others become -0.0, the one number that changes no float: +0.0 would turn -0.0 into
  +0.0. So they stay bit by bit, under Adam and weight decay too.
  """

  def update(updates, state, params=None, **_):
    def keep(x):
      chosen = jnp.isin(jnp.arange(len(x)), jnp.array(rows))
      return jnp.where(chosen.reshape(-1, *[1] * (x.ndim - 1)), x, -0.0)

    return jax.tree.map(keep, updates), state

  return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


class History(NamedTuple):
  """The state of `towards_history`: the mean of the parameters over the updates so far."""

  count: jax.Array
  mean: optax.Params


def towards_history(weight: float) -> optax.GradientTransformationExtraArgs:
  """Adds the gradient of weight |p - mean of p over all updates so far|^2, the mean a constant.

  Historical averaging (Salimans et al., NIPS 2016, section 3.3); the present p is in the mean. Neither
  their code nor a weight was found.
  """

  def update(updates, state, params=None, **_):
    count = state.count + 1
    mean = jax.tree.map(lambda m, p: m + (p - m) / count, state.mean, params)
    pulled = jax.tree.map(lambda u, p, m: u + 2 * weight * (p - m), updates, params, mean)
    return pulled, History(count, mean)

  def init(params):
    return History(jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params))

  return optax.GradientTransformationExtraArgs(init, update)


def sparse_rows(inner: optax.GradientTransformationExtraArgs) -> optax.GradientTransformationExtraArgs:
  """A chain that leaves alone the rows (of each array's first axis) whose gradient is exactly 0.

  Neither their parameters nor what the chain keeps for them (moments) change by one bit, as if they had
  been left out of the arrays: momentum and weight decay do not go on where nothing was asked. What is
  counted for the whole group, such as Adam's steps, goes on.
  """

  def update(updates, state, params=None, **extra):
    touched = jax.tree.map(lambda g: (g != 0).any(tuple(range(1, g.ndim)), keepdims=True), updates)
    moved, after = inner.update(updates, state, params, **extra)
    moved = jax.tree.map(lambda rows, u: jnp.where(rows, u, -0.0), touched, moved)  # see only_rows
    # Of the state, what has the parameters' shape is kept row by row: leaves are pairs for a moment.
    both = jax.tree.map(lambda new, old: SimpleNamespace(new=new, old=old), after, state)
    after = optax.tree_map_params(
      inner,
      lambda pair, rows: jnp.where(rows, pair.new, pair.old),
      both,
      touched,
      transform_non_params=lambda pair: pair.new,
    )
    return moved, after

  return optax.GradientTransformationExtraArgs(inner.init, update)


SCALERS = {
  'adam': lambda config: optax.scale_by_adam(config.b1, config.b2, config.eps),
  'adamw': lambda config: optax.scale_by_adam(config.b1, config.b2, config.eps),
  # torch's: epsilon outside the root, second moments from 0
  'rmsprop': lambda config: optax.scale_by_rms(config.b2, config.eps, eps_in_sqrt=False),
  'momentum': lambda config: optax.trace(config.b1),
  'sgd': lambda config: optax.identity(),
}
"""Name -> what turns gradients into directions. `momentum` has b1, `rmsprop` b2 as its decay."""

LINKS = {
  'clean_gradients': lambda config, schedules: replace_nonfinite() if config.clean_gradients else None,
  'clip_gradient': lambda config, schedules: _clip(config.clip_gradient, optax.clip_by_global_norm),
  'clip_gradient_each': lambda config, schedules: _clip(config.clip_gradient_each, clip_each),
  # The decay is in the chain even if it is 0: its weight can then change when a run is resumed.
  'decay': lambda config, schedules: optax.add_decayed_weights(
    0.0 if config.name == 'adamw' else config.weight_decay
  ),
  'historical': lambda config, schedules: (
    towards_history(config.historical) if config.historical else None
  ),
  'scale': lambda config, schedules: (
    scale_by_adam(config.b1, schedules['b2'], config.eps)
    if 'b2' in schedules
    else SCALERS[config.name](config)
  ),
  'decoupled_decay': lambda config, schedules: (
    optax.add_decayed_weights(config.weight_decay) if config.name == 'adamw' else None
  ),
  'rate': lambda config, schedules: scale_by_step_schedule(schedules['learning_rate']),
  'clip_weights': lambda config, schedules: _projection(
    config.clip_weights, lambda x: jnp.clip(x, -config.clip_weights, config.clip_weights)
  ),
  'range': lambda config, schedules: _projection(config.range, lambda x: jnp.clip(x, *config.range)),
  'unit_norm': lambda config, schedules: _projection(config.unit_norm, unit_norm),
  'unit_ball': lambda config, schedules: _projection(config.unit_ball, unit_ball),
  'positive_definite': lambda config, schedules: (
    positive_definite() if config.positive_definite else None
  ),
  'rows': lambda config, schedules: only_rows(config.rows) if config.rows else None,
}
"""The links of an optimizer's chain, in their order: (settings, {setting: schedule}) -> link or None.

What is None is not there, so that the state of a run without it is as it always was.
"""


def clip_each(norm: float) -> optax.GradientTransformation:
  """The gradient of each array cut to at most `norm`, on its own (torch's clip_grad_norm_ is global)."""

  def clip(u):
    length = jnp.sqrt(jnp.square(u).sum())
    return u * jnp.minimum(1, norm / jnp.maximum(length, 1e-12))

  return optax.stateless(lambda updates, params: jax.tree.map(clip, updates))


def _clip(norm: float, link):
  return link(norm) if norm else None


def _projection(asked, project):
  return projected(project) if asked else None


def make_optimizer(
  config: ConfigDict, num_steps: int, anneal: Mapping[str, tuple] | None = None
) -> optax.GradientTransformationExtraArgs:
  """One group's optimizer.

  Args:
    config: the settings of `config.optimizer` (defaults.py has them all).
    num_steps: where a decay that starts at `decay_start_step` ends.
    anneal: {'learning_rate' or 'b2': (end, steps, shape)}, see schedules.py.
  """
  if config.name not in SCALERS:
    raise UserError(f'optimizer.name={config.name!r} is unknown; there are {listing(SCALERS)}.')
  anneal = dict(anneal or {})
  for field in anneal:
    if field not in ('learning_rate', 'b2') or (field == 'b2' and not config.name.startswith('adam')):
      raise UserError(f'anneal.optimizer.{field}: there are learning_rate and, for adam and adamw, b2.')
  schedules = {
    field: schedule(config[field], entry, f'anneal.optimizer.{field}') for field, entry in anneal.items()
  }
  if 'learning_rate' not in schedules:
    end = num_steps if config.decay_end_step < 0 else config.decay_end_step
    start = end if config.decay_start_step < 0 else config.decay_start_step
    every = max(1, config.decay_every_steps)
    schedules['learning_rate'] = linear_decay(config.learning_rate, end, start, every)
  links = [make(config, schedules) for make in LINKS.values()]
  chain = optax.chain(*[link for link in links if link is not None])
  return sparse_rows(chain) if config.sparse_rows else chain


def make_optimizers(
  config: ConfigDict, groups: Iterable[str], lazy_updates: Mapping[str, float] | None = None
) -> dict:
  """{group: optimizer} from `config.optimizer` and the differences in `config.optimizer_of.<group>`.

  `config.anneal.optimizer` and `.optimizer_of.<group>` have the settings that change with the step.

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
    if group in config.frozen:  # moments would take the memory of two more networks
      made[group] = optax.set_to_zero()
      continue
    own = config.optimizer.copy_and_resolve_references()
    unknown = set(config.optimizer_of.get(group, {})) - set(own)
    if unknown:
      raise UserError(
        f'optimizer_of.{group}.{min(unknown)}: there is no such setting; there are {listing(own, 40)}.'
      )
    own.update(config.optimizer_of.get(group, {}))
    if own.lazy_correction:
      own = corrected(own, (lazy_updates or {}).get(group, 0))
    anneal = dict(entry_of(config.anneal, 'optimizer') or {})
    anneal |= dict(entry_of(config.anneal, 'optimizer_of', group) or {})
    made[group] = make_optimizer(own, config.num_steps, anneal)
  return made
