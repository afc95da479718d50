"""Kernels of vectors, and the squared maximum mean discrepancy that they define; in float32.

Binkowski, Sutherland, Arbel and Gretton, ICLR 2018 (arXiv 1801.01401), and mbinkowski/MMD-GAN. A kernel
takes x [N, K] and y [M, K] to [N, M].

  rbf                      sum over s of exp(-d^2 / (2 s^2))
  rational_quadratic       sum over a of (1 + d^2 / (2 a))^(-a)
  rational_quadratic_dot   the same and <x, y>: `mix_rq_1dot` of the official scripts
  distance                 |x| + |y| - |x - y|: the energy distance
  dot                      <x, y>: the distance of the means
  cubic                    (<x, y> / K + 1)^3: KID's

The scales are the official code's; the paper's own rational quadratic has 0.2, 0.5, 1, 2 and 5.
"""

import functools
from collections.abc import Callable, Sequence

import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.losses import f32

Kernel = Callable[[Array, Array], Array]


def length(x: Array, epsilon: float = 1e-5) -> Array:
  """|x| along the last axis as sqrt(x^2 + epsilon), whose gradient at 0 is 0; the official epsilon."""
  return jnp.sqrt(jnp.square(x).sum(-1) + epsilon)


def squared_distances(x: Array, y: Array) -> Array:
  """|x_i - y_j|^2, [N, M]; from differences, not from products, whose difference loses digits."""
  return jnp.square(x[:, None] - y[None]).sum(-1)


def rbf(x: Array, y: Array, scales: Sequence[float] = (2, 5, 10, 20, 40, 80)) -> Array:
  squares = squared_distances(x, y)
  return sum(jnp.exp(-squares / (2 * s**2)) for s in scales)


def rational_quadratic(x: Array, y: Array, scales: Sequence[float] = (0.1, 1, 10)) -> Array:
  squares = squared_distances(x, y)
  return sum((1 + squares / (2 * a)) ** -a for a in scales)


def dot(x: Array, y: Array) -> Array:
  return jnp.matmul(x, y.T, precision='highest')


def rational_quadratic_dot(x: Array, y: Array, scales: Sequence[float] = (0.1, 1, 10)) -> Array:
  return rational_quadratic(x, y, scales) + dot(x, y)


def distance(x: Array, y: Array) -> Array:
  return length(x)[:, None] + length(y)[None] - length(x[:, None] - y[None])


def cubic(x: Array, y: Array) -> Array:
  return (dot(x, y) / x.shape[-1] + 1) ** 3


KERNELS: dict[str, Callable] = {
  kernel.__name__: kernel
  for kernel in (rbf, rational_quadratic, rational_quadratic_dot, distance, dot, cubic)
}
SCALED = ('rbf', 'rational_quadratic', 'rational_quadratic_dot')
ESTIMATES = ('unbiased', 'biased', 'published')


def get(name: str, scales: Sequence[float] = ()) -> Kernel:
  """The kernel `name`, of `scales` if any are given; raises UserError where there is none such."""
  if name not in KERNELS:
    raise UserError(f'losses.mmd.kernel={name!r} is unknown; there are {listing(KERNELS)}.')
  if scales and name not in SCALED:
    raise UserError(f'losses.mmd.scales: the kernel {name} has none; {listing(SCALED)} have.')
  return functools.partial(KERNELS[name], scales=tuple(scales)) if scales else KERNELS[name]


def squared_mmd(kernel: Kernel, x: Array, y: Array, estimate: str = 'unbiased') -> Array:
  """MMD^2 of two samples [N, K] and [M, K], a scalar; raises UserError for an unknown `estimate`.

  Args:
    estimate: 'unbiased' (eq. 4) leaves out each sample's diagonal, 'biased' has it; 'published' is what
      the official code does for `mix_rq_1dot`: it takes away a diagonal of k(0, 0), the constant one
      that the kernel would have without its product, so that |x|^2 and |y|^2 stay in the sum.
  """
  if estimate not in ESTIMATES:
    raise UserError(f'losses.mmd.estimate={estimate!r} is unknown; there are {listing(ESTIMATES)}.')
  x, y = f32(x), f32(y)
  between = 2 * kernel(x, y).mean()
  if estimate == 'biased':
    return kernel(x, x).mean() + kernel(y, y).mean() - between
  return _off_diagonal(kernel, x, estimate) + _off_diagonal(kernel, y, estimate) - between


def _off_diagonal(kernel: Kernel, x: Array, estimate: str) -> Array:
  """The mean of k(x_i, x_j) over i != j."""
  count, matrix = len(x), kernel(x, x)
  origin = jnp.zeros_like(x[:1])
  diagonal = count * kernel(origin, origin)[0, 0] if estimate == 'published' else jnp.trace(matrix)
  return (matrix.sum() - diagonal) / (count * (count - 1))
