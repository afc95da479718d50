"""Overfitting by latent recovery (Webster, Rabin, Simon and Jurie, CVPR 2019, arXiv 1901.03396).

For each of some training and some held-out images, the nearest image that the generator can make:

  e(x) = min over z of mean (phi(G(z)) - phi(x))^2

If those of training are recovered better, the generator remembers them. Told are the medians of e (MRE),
their gap |MRE_test - MRE_train| / MRE_test, and p of the two-sample test of Kolmogorov and Smirnov. The
paper takes a gap above 0.1 with a small p for overfitting. Errors of the generator's own images tell
whether the search works: it can reach 0 there.

*Where we differ*: L-BFGS with a line search (zoom) and the best of 4 starts. The official one has no
line search, a rate of 1 and one start, and diverges on small networks. Medians are numpy's: of an even
number, the mean of the middle two (torch's is the lower one).

Measured: `main.py --mode=recover --images=40`, one seed each. GLO on 50 digits (configs/glo.py, with
digits,fifty): medians 3.4e-05 of training and 0.058 of held-out images, gap 0.999, p 2e-23, its own
3e-06. A GAN on 1,438 (configs/r1_gan.py:digits with dcgan of width 24, z_dim 16, r1 0.05, 1,500 steps):
0.024 and 0.036, gap 0.34, p 0.27, its own 4e-06. So p told them apart, and a gap above 0.1 did not.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import stats

from decoupled_gan.core.types import Array
from decoupled_gan.sampling.frozen import Frozen

STEPS = 100
RESTARTS = 4
LINE_SEARCH = 20  # evaluations of a step, at most


class Verdict(NamedTuple):
  """Medians of the errors of training and held-out images, their gap, p of equal laws."""

  train: float
  test: float
  gap: float
  p: float


def verdict(train: np.ndarray, test: np.ndarray) -> Verdict:
  """What errors [N] and [M] say."""
  medians = float(np.median(train)), float(np.median(test))
  gap = abs(medians[1] - medians[0]) / max(medians[1], 1e-12)
  return Verdict(*medians, gap, float(stats.ks_2samp(train, test).pvalue))


def minimise(loss: Callable[[Array], Array], start: Array, steps: int = STEPS) -> tuple[Array, Array]:
  """(where a function of [D] is least, its value there) by L-BFGS from `start`."""
  solver = optax.lbfgs(linesearch=optax.scale_by_zoom_linesearch(LINE_SEARCH))
  value_and_gradient = optax.value_and_grad_from_state(loss)

  def step(carry, _):
    x, state = carry
    value, gradient = value_and_gradient(x, state=state)
    updates, state = solver.update(gradient, state, x, value=value, grad=gradient, value_fn=loss)
    return (optax.apply_updates(x, updates), state), None

  (found, _), _ = jax.lax.scan(step, (start, solver.init(start)), None, length=steps)
  return found, loss(found)


def recover(
  frozen: Frozen, targets: Array, key: Array, phi: Callable[[Array], Array], labels: Array | None = None,
  restarts: int = RESTARTS, steps: int = STEPS,
) -> tuple[Array, Array]:  # fmt: skip
  """(z [B, z_dim], e [B]) of examples [B, ...]: the best of `restarts` starts of N(0, 1).

  Args:
    labels: [1, K], under which the generator draws; None where it has none.
  """
  starts = jax.random.normal(key, (restarts, len(targets), frozen.module.z_dim))

  def one(start, target):
    seen = phi(target[None])
    return minimise(lambda z: jnp.square(phi(frozen.draw(z[None], labels)) - seen).mean(), start, steps)

  found, errors = jax.vmap(jax.vmap(one), (0, None))(starts, targets)
  errors = jnp.where(jnp.isfinite(errors), errors, jnp.inf)
  best = errors.argmin(0)
  rows = jnp.arange(len(targets))
  return found[best, rows], errors[best, rows]
