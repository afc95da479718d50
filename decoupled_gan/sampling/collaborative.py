"""Collaborative sampling (Liu, Kothari and Alahi, AAAI 2020, arXiv 1902.00813).

A trained discriminator mends what the generator draws: activations h at a layer (or the example itself)
are moved down the slope of softplus(-D(after(h))), and the best point of the path is taken. A chain as
MH-GAN's then accepts such examples or not. A discriminator that was trained to the end misleads
refinement; `shaped` first trains it further, against examples from a random place of their paths, the
generator frozen.

  momentum  m <- 0.9 m + rate g,  h <- h - m
  ladam     Adam's direction, times max(e + 1/2, 0)^2, e an average of how much less real it looks than
            real examples do: large steps where the discriminator is sure, none once it is fooled

*Where we differ*: each sample has a chain of its own, of 20 proposals (theirs are the 20th, 40th, ...
states of one). The slope is each example's own, as in their image code (their points' divides by the
batch). Networks normalise by running averages, not by the batch. Refinement changes the proposals' law,
so that the chain is exact in neither.

Measured: benchmarks/samplers.py --seeds=0, 2,500 points of 25 Gaussians (configs/r1_gan.py:grid25, 3,000
steps), modes, share within 3 std, KL of the modes: generator 22, 0.194, 0.032; refined 23, 0.804, 0.032;
with 300 steps of shaping 25, 0.900, 0.067 (the last by main.py --mode=generate, the same run).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from decoupled_gan.core.types import Array
from decoupled_gan.sampling import metropolis
from decoupled_gan.sampling.calibration import Calibration
from decoupled_gan.sampling.frozen import Frozen, each

STEPS = 50  # of refinement
RATE = 0.1
THINNING = 20  # proposals of a chain
SHAPE_RATE = 1e-3  # Adam's; ours, for small networks (their digits: 1e-5)
RULES = ('ladam', 'momentum')


class Momentum(NamedTuple):
  """The rule `momentum`; `m` has the shape of h."""

  m: Array

  @classmethod
  def begin(cls, h: Array) -> 'Momentum':
    return cls(jnp.zeros_like(h))

  def next(self, first: Array, g: Array, loss: Array, rate: float) -> tuple[Array, 'Momentum']:
    """(what is subtracted from h, the memory after it)."""
    m = jnp.where(first, rate * g, 0.9 * self.m + rate * g)
    return m, Momentum(m)


class Ladam(NamedTuple):
  """The rule `ladam`: averages of g, of g^2 and of the loss [B], each begun by the first."""

  m: Array
  v: Array
  e: Array

  @classmethod
  def begin(cls, h: Array) -> 'Ladam':
    return cls(jnp.zeros_like(h), jnp.zeros_like(h), jnp.zeros(len(h)))

  def next(self, first: Array, g: Array, loss: Array, rate: float) -> tuple[Array, 'Ladam']:
    m = jnp.where(first, g, 0.9 * self.m + 0.1 * g)
    v = jnp.where(first, g * g, 0.5 * self.v + 0.5 * g * g)
    e = jnp.where(first, loss, 0.5 * self.e + 0.5 * loss)
    size = jnp.square(jnp.maximum(e + 0.5, 0)).reshape(-1, *[1] * (g.ndim - 1))
    return rate * m / (jnp.sqrt(v) + 1e-8) * size, Ladam(m, v, e)


def refine(
  score: Callable[[Array], Array], h: Array, real: Array, steps: int = STEPS, rate: float = RATE,
  rule: str = 'ladam', stop: Array | None = None,
) -> Array:  # fmt: skip
  """h [B, ...] moved: to the best-scored point of its path, h itself among them.

  Args:
    score: h -> logits [B].
    real: the mean of sigmoid(D) on real examples.
    stop: int [B], in 0..steps: the point of the path that is taken instead, whatever its score.
  """
  memory = {'momentum': Momentum, 'ladam': Ladam}[rule].begin(h)

  def look(h):
    def total(h):
      logits = score(h)
      return jax.nn.softplus(-logits).sum(), logits

    (_, logits), g = jax.value_and_grad(total, has_aux=True)(h)
    return logits, g

  def step(carry, number):
    h, memory, kept, best = carry
    logits, g = look(h)
    kept, best = _better(number, h, logits, kept, best, stop)
    away, memory = memory.next(number == 0, g, real - jax.nn.sigmoid(logits), rate)
    return (h - away, memory, kept, best), None

  begun = (h, memory, h, jnp.full((len(h),), -jnp.inf))
  (h, _, kept, best), _ = jax.lax.scan(step, begun, jnp.arange(steps))
  return _better(steps, h, score(h), kept, best, stop)[0]


def _better(number, h, logits, kept, best, stop):
  chosen = logits > best if stop is None else stop == number
  rows = chosen.reshape(-1, *[1] * (h.ndim - 1))
  return jnp.where(rows, h, kept), jnp.where(chosen, logits, best)


def refined(
  frozen: Frozen, keys: Array, labels: Array | None, real: Array, layer: str = '', steps: int = STEPS,
  rate: float = RATE, rule: str = 'ladam', anywhere: bool = False,
) -> Array:  # fmt: skip
  """Examples [B, ...] of each key's z, refined; `anywhere`: at a random place of the path."""
  codes = frozen.codes(jax.vmap(frozen.latents)(each(keys, 0)))
  h = frozen.cut(codes, labels, upto=layer) if layer else frozen.paint(codes, labels)

  def after(h):
    return frozen.cut(h, labels, from_=layer) if layer else h

  stop = None
  if anywhere:
    stop = jax.vmap(lambda key: jax.random.randint(key, (), 0, steps + 1))(each(keys, 1))
  return after(refine(lambda h: frozen.score(after(h), labels), h, real, steps, rate, rule, stop))


def sample(
  frozen: Frozen, keys: Array, labels: Array | None, calibration: Calibration, real: Array,
  layer: str = '', steps: int = STEPS, rate: float = RATE, rule: str = 'ladam',
  thinning: int = THINNING,
) -> tuple[Array, dict[str, Array]]:  # fmt: skip
  """Refined examples [B, ...] at the ends of each key's chain, and {what is told: [B]}.

  Args:
    real: the mean of sigmoid(D) on real examples, where chains begin.
  """

  def propose(keys):
    x = refined(frozen, keys, labels, real, layer, steps, rate, rule)
    return x, calibration(frozen.score(x, labels))

  start = calibration(jnp.full((len(keys),), jax.scipy.special.logit(real)))
  return metropolis.chain(propose, keys, start, thinning)


def shaping(rate: float = SHAPE_RATE) -> optax.GradientTransformation:
  """The optimizer of the discriminator's further training."""
  return optax.adam(rate)


def shaped(
  frozen: Frozen, discriminator: Any, memory: Any, examples: Array, labels: Array | None, keys: Array,
  **how,
) -> tuple[Any, Any, Array]:  # fmt: skip
  """(the discriminator's parameters after a step of shaping, the optimizer's memory, the loss).

  Args:
    discriminator: its parameters.
    examples: real ones [B, ...].
    keys: [B], of as many refined fakes.
    how: layer, steps, rate, rule of `refined`.
  """

  def judged(parameters):
    return frozen.replace(params={**frozen.variables['params'], 'discriminator': parameters})

  now = judged(discriminator)
  real = jax.nn.sigmoid(now.score(examples, labels)).mean()
  fakes = jax.lax.stop_gradient(refined(now, keys, labels, real, anywhere=True, **how))

  def loss(parameters):
    own = judged(parameters)
    on_real, on_fake = own.score(examples, labels), own.score(fakes, labels)
    return jax.nn.softplus(-on_real).mean() + jax.nn.softplus(on_fake).mean()

  value, gradient = jax.value_and_grad(loss)(discriminator)
  updates, memory = shaping().update(gradient, memory, discriminator)
  return optax.apply_updates(discriminator, updates), memory, value
