"""A Gaussian mixture of latents, whose parameters learn by Stein's identities.

Drawing a latent chooses a component, which has no derivative. What a loss l of the latents asks of the
mixture's parameters is known all the same (Bonnet's and Price's theorems; Lin, Khan and Schmidt,
2019): with responsibilities r_ic of component c for z_i and the slope dl/dz_i,

  mean        sum_i r_ic dl/dz_i
  covariance  sum_i r_ic Sigma_c^-1 (z_i - mu_c) dl/dz_i^T, made symmetric

A drawn z_i is therefore written as sum_c r_ic [mu_c + Sigma_c a_ic], where r_ic and
a_ic = Sigma_c^-1 (z_i - mu_c) are constants: its value is z_i, and these two are its derivatives. So any
loss of the latents, and any row of the table, trains the mixture with no code of its own.

*Where we differ*: nowhere from SLOGAN's code, but from mathematics: the exact slope with respect to
Sigma is half of the above. SLOGAN steps by all of it, and so do we; its rate is twice what it seems.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array


class Mixture(nn.Module):
  """Standard normal [B, z_dim] -> latents [B, z_dim], through which the parameters learn; z_dim >= 2.

  Parameters: `mean` [K, D] of N(0, 0.1^2), `covariance` [K, D, D] of 1, `logit` [K], equal.
  """

  components: int
  z_dim: int

  def setup(self):
    k, d = self.components, self.z_dim
    self.mean = self.param('mean', nn.initializers.normal(0.1), (k, d))
    self.covariance = self.param('covariance', lambda _: jnp.tile(jnp.eye(d)[None], (k, 1, 1)))
    self.logit = self.param('logit', nn.initializers.constant(1 / k), (k,))

  def __call__(self, normal: Array) -> Array:
    z = stop_gradient(self.place(normal))
    return learning(z, *self.parameters)

  @property
  def parameters(self) -> tuple[Array, Array, Array]:
    """(mean, covariance, logit)."""
    return self.mean, self.covariance, self.logit

  def place(self, normal: Array) -> Array:
    """Latents of standard normal numbers, a function of each row alone.

    The angle of the first two numbers, which is uniform, chooses the component. Where it is between that
    component's ends is uniform again, and is the angle within it. So a smaller scale (truncation) is one
    within each component.
    """
    mean, covariance, logit = self.parameters
    shares = jax.nn.softmax(logit)
    ends, angle = jnp.cumsum(shares), jnp.arctan2(normal[:, 1], normal[:, 0]) / (2 * jnp.pi) % 1
    which = jnp.minimum(jnp.searchsorted(ends, angle, side='right'), self.components - 1)
    within = 2 * jnp.pi * (angle - (ends - shares)[which]) / shares[which]
    radius = jnp.hypot(normal[:, 0], normal[:, 1])
    turned = jnp.stack([radius * jnp.cos(within), radius * jnp.sin(within)], 1)
    normal = jnp.concatenate([turned, normal[:, 2:]], 1)
    root = of_each(jnp.linalg.cholesky, covariance)
    return jnp.asarray(mean)[which] + jnp.einsum('bde,be->bd', root[which], normal)


def of_each(function: Callable, *arrays: Array) -> Array:
  """`function` of the matrices of each component, one component after the other: [K, ...].

  jaxlib 0.10 divides a batch of LAPACK's calls among the very threads that wait for it, so that two such
  batches at once on a machine of two cores wait for ever: seen in this module's test, once.
  """
  return jnp.stack([function(*matrices) for matrices in zip(*arrays, strict=True)])


def log_joint(z: Array, mean: Array, covariance: Array, logit: Array) -> Array:
  """log of pi_c N(z_i; mu_c, Sigma_c), [B, K]."""
  root = of_each(jnp.linalg.cholesky, covariance)
  away = jnp.moveaxis(z[:, None] - mean[None], 0, -1)  # [K, D, B]
  scaled = of_each(functools.partial(jax.scipy.linalg.solve_triangular, lower=True), root, away)
  volume = jnp.log(jnp.diagonal(root, axis1=1, axis2=2)).sum(-1) + z.shape[1] / 2 * jnp.log(2 * jnp.pi)
  return (jax.nn.log_softmax(logit) - volume)[None] - jnp.square(scaled).sum(1).T / 2


def responsibilities(z: Array, mean: Array, covariance: Array, logit: Array) -> Array:
  """r_ic, the posterior of component c given z_i, [B, K]."""
  return jax.nn.softmax(log_joint(z, mean, covariance, logit))


def learning(z: Array, mean: Array, covariance: Array, logit: Array) -> Array:
  """z [B, D], with the derivatives of this module's header with respect to mean and covariance."""
  share = responsibilities(z, mean, covariance, logit)
  away = jnp.moveaxis(z[:, None] - mean[None], 0, -1)  # [K, D, B]
  solved = stop_gradient(of_each(jnp.linalg.solve, covariance, away))
  symmetric = (covariance + covariance.swapaxes(1, 2)) / 2
  whole = mean.T[None] + jnp.einsum('kde,keb->bdk', symmetric, solved)
  path = jnp.einsum('bk,bdk->bd', stop_gradient(share), whole)
  return z + (path - stop_gradient(path))


def weight_loss(z: Array, losses: Array, mean: Array, covariance: Array, logit: Array) -> Array:
  """A number whose slope is mean_i (r_ic - pi_c) l_i with respect to the logits, and 0 to all else.

  Args:
    losses: l_i [B].
  """
  share = responsibilities(z, mean, covariance, logit) - jax.nn.softmax(logit)[None]
  slope = (share * losses[:, None]).mean(0)
  return (stop_gradient(slope) * logit).sum()
