"""The state of training: arrays only, one pytree."""

from collections.abc import Callable, Mapping
from typing import Any

import flax
import jax
import jax.numpy as jnp
import optax

from decoupled_gan.core.types import Array, Batch
from decoupled_gan.errors import UserError, listing


@flax.struct.dataclass
class TrainState:
  """Everything that a step changes.

  Attributes:
    step: steps done, int32 scalar.
    params: {group: parameters}; a group is a network of the method's module.
    stats: {collection: variables} that forward passes update (spectral vectors, running averages).
    opt: {group: optimizer state}.
    ema: {group: exponential moving average of its parameters}, for the groups that have one.
  """

  step: Array
  params: dict[str, Any]
  stats: dict[str, Any]
  opt: dict[str, Any]
  ema: dict[str, Any]


def create(gan, optimizers: Mapping[str, Any], batch: Batch, key: Array, ema=()) -> TrainState:
  """A fresh state for `batch`'s shapes; `ema` names the groups that are averaged. Jittable."""
  variables = flax.core.unfreeze(gan.init(key, batch))
  params = variables.pop('params')
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    stats=variables,
    opt={group: optimizers[group].init(params[group]) for group in params},
    ema={group: jax.tree.map(jnp.copy, params[group]) for group in ema},
  )


def ema_decays(halflife_kimg: Mapping[str, float], batch_size: int, groups) -> dict[str, float]:
  """{group: decay per step} from half-lives in thousands of images."""
  for group, halflife in halflife_kimg.items():
    if group not in groups:
      raise UserError(
        f'ema_halflife_kimg.{group}: no such parameter group; there are {listing(groups)}.'
      )
    if halflife <= 0:
      raise UserError(f'ema_halflife_kimg.{group}={halflife} must be positive.')
  return {g: 0.5 ** (batch_size / (1000 * halflife)) for g, halflife in halflife_kimg.items()}


def update_ema(
  state: TrainState, decays: Mapping[str, float], rampup: float = 0.0
) -> TrainState:
  """`state` with each average moved towards its parameters.

  Args:
    rampup: if positive, a half-life is at most this share of the steps done, so that the average
      forgets the first, bad networks (0.05 in StyleGAN2-ADA's 'auto' setting).
  """
  share = {group: 1 - decay for group, decay in decays.items()}
  if rampup:
    least = 1 - 0.5 ** (1 / jnp.maximum(rampup * state.step, 1e-8))
    share = {group: jnp.maximum(x, least) for group, x in share.items()}
  ema = {
    group: optax.incremental_update(state.params[group], average, share[group])
    for group, average in state.ema.items()
  }
  return state.replace(ema=ema)


def inference_variables(state: TrainState) -> dict[str, Any]:
  """The variables for sampling and translation: averages in place of parameters where they exist."""
  return {'params': {**state.params, **state.ema}, **state.stats}


def count(tree) -> int:
  """How many numbers a pytree holds."""
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def finite(tree) -> Callable[[Any], Array]:
  """Whether all floating-point leaves are finite, a boolean scalar."""
  leaves = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]
  return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()
