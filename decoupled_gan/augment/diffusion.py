"""Diffusion-GAN's view: images noised for a random number of steps (Wang et al., ICLR 2023, 2206.02262).

  y = sqrt(abar_t) x + sqrt(1 - abar_t) sigma n,  beta_k from 1e-4 to 2e-2 in T even steps

Half of the images stay clean; the others have t in 1..T with a weight of t - 1 ('priority', the code's
form of eq. 11) or an equal one ('uniform'). The longest chain T = t_min + round(p (t_max - t_min))
follows the strength p, which the controller moves as ADA's; the schedule is stretched over T.

*Where we differ*: times are drawn afresh for each image from this law; the official code draws a table
of 64 from it at each move of the controller, and images pick from the table.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from decoupled_gan.augment.seen import Draws, Seen
from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing

BETAS = (1e-4, 2e-2)
CLEAN = 0.5  # the share of images without noise
TIMES = ('priority', 'uniform')


def longest(p: Array, t_min: int, t_max: int) -> Array:
  """T, as a float; half is rounded to even."""
  return jnp.clip(t_min + jnp.round(p * (t_max - t_min)), t_min, t_max)


def signal(t: Array, last: Array, t_max: int) -> Array:
  """abar_t: the share of the variance that is still the image after t of `last` <= t_max steps."""
  k = jnp.arange(t_max, dtype=jnp.float32)
  betas = BETAS[0] + (BETAS[1] - BETAS[0]) * k / jnp.maximum(last - 1, 1)
  logs = jnp.where(k < last, jnp.log1p(-jnp.minimum(betas, BETAS[1])), 0)
  sums = jnp.concatenate([jnp.zeros(1), jnp.cumsum(logs)])
  return jnp.exp(sums[t.astype(jnp.int32)])


def noised(x: Array, signal: Array, noise: Array) -> Array:
  """x [B, ...] with shares `signal` [B] of its variance; `noise` as x, sigma included."""
  share = signal.reshape(-1, *[1] * (x.ndim - 1))
  return jnp.sqrt(share) * x + jnp.sqrt(1 - share) * noise


def times(u: Array, last: Array, law: str) -> Array:
  """U(0, 1) numbers as times of 1..last under a law of TIMES; 0 where last is 0."""
  if law == 'uniform':
    t = 1 + jnp.floor(u * last)
  else:  # the sum of weights up to t is t (t - 1) / (last (last - 1))
    t = jnp.maximum(jnp.ceil((1 + jnp.sqrt(1 + 4 * u * last * (last - 1))) / 2), 2)
  return jnp.clip(t, 0, last)


@dataclass(frozen=True)
class Diffusion:
  """(key, examples, p) -> noised examples [B, ...], whose times [B, 1] the discriminator may be told.

  Attributes: see the module; `noise` is sigma, `told` whether the times are told.
  """

  t_min: int = 10
  t_max: int = 1000
  noise: float = 0.05
  times: str = 'priority'
  told: bool = True

  def __call__(self, key: Array, examples: Array, p: Array) -> Seen:
    x, draws = examples.astype(jnp.float32), Draws(key, len(examples), 1 - CLEAN)
    last = longest(p, self.t_min, self.t_max)
    t = jnp.where(draws.fires('diffusion'), times(draws.uniform('time'), last, self.times), 0)
    noise = self.noise * draws.normal('noise', x[0].size).reshape(x.shape)
    y = noised(x, signal(t[:, 0], last, self.t_max), noise)
    return Seen(y, told=t if self.told else None)


def build(config) -> Diffusion:
  """The view that `config.augment` describes."""
  augment = config.augment
  if augment.times not in TIMES:
    raise UserError(f'augment.times={augment.times!r} is unknown; there are {listing(TIMES)}.')
  if not 0 <= augment.t_min <= augment.t_max or augment.t_max < 1:
    raise UserError(
      f'augment.t_min={augment.t_min}, augment.t_max={augment.t_max}: they are numbers of steps, the '
      'first at most the second, as in 10 and 1000.'
    )
  return Diffusion(augment.t_min, augment.t_max, augment.noise, augment.times, bool(augment.tell_time))
