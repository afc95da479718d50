"""How far examples are from what is searched for: (x, targets) -> a number for each row."""

from collections.abc import Callable

import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.pretrained import lpips

NAMES = ('lpips', 'mse')


def mse(x: Array, targets: Array) -> Array:
  """Mean squared differences [B]."""
  return jnp.square(x - targets).mean(tuple(range(1, x.ndim)))


def named(name: str, size: int) -> Callable[[Array, Array], Array]:
  """The distance that --distance names; '': LPIPS of images of `size` px if it sees them, else mse.

  Raises UserError if there is none, or LPIPS's weights cannot be had.
  """
  if name not in ('', *NAMES):
    raise UserError(f'--distance={name} is unknown; there are {listing(NAMES)}.')
  if name == 'mse' or (not name and size < lpips.SMALLEST):
    return mse
  if size < lpips.SMALLEST:
    raise UserError(
      f'--distance=lpips: it needs images of at least {lpips.SMALLEST} px, and these have {size}; there '
      'is --distance=mse.'
    )
  weights = lpips.load()
  return lambda x, targets: lpips.distance(weights, x, targets)
