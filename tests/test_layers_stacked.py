"""Stacked networks: a member is what a single network is."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from decoupled_gan.layers.conv import Conv
from decoupled_gan.layers.stacked import stacked


class Small(nn.Module):
  """A convolution with a spectral norm, and noise."""

  @nn.compact
  def __call__(self, x):
    y = Conv(3, 3, padding=1, spectral=True, name='conv')(x)
    if self.has_rng('noise'):
      y += jax.random.normal(self.make_rng('noise'))
    return y


X = jax.random.normal(jax.random.key(1), (2, 4, 4, 2))


def council(in_axes=None):
  return stacked(Small, 3, in_axes)()


def member(tree, i):
  return jax.tree.map(lambda x: x[i], tree)


def test_each_member_has_parameters_and_statistics_of_its_own():
  variables = council().init(jax.random.key(0), X)
  kernel = variables['params']['conv']['kernel']
  assert kernel.shape == (3, 3, 3, 2, 3)
  assert not np.allclose(kernel[0], kernel[1])
  assert variables['spectral']['conv']['u'].shape == (3, 3)


def test_a_member_is_a_single_network_in_value_gradient_and_power_iteration():
  variables = council().init(jax.random.key(0), X)

  def total(params, module, stats):
    y, after = module.apply({'params': params, **stats}, X, mutable=['spectral'])
    return jnp.square(y).sum(), (y, after)

  stats = {'spectral': variables['spectral']}
  gradient, (y, after) = jax.grad(total, has_aux=True)(variables['params'], council(), stats)
  for i in range(3):
    own, (y_i, after_i) = jax.grad(total, has_aux=True)(
      member(variables['params'], i), Small(), member(stats, i)
    )
    np.testing.assert_allclose(y[i], y_i, rtol=1e-6, atol=1e-6)
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), member(gradient, i), own
    )
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), member(after, i), after_i
    )


def test_members_may_have_inputs_of_their_own_and_draw_noise_of_their_own():
  variables = council().init(jax.random.key(0), X)
  each = council(in_axes=0).apply(variables, jnp.stack([X, 2 * X, X]))
  shared = council().apply(variables, X)
  np.testing.assert_allclose(each[0], shared[0], rtol=1e-6)
  noisy = council().apply(variables, X, rngs={'noise': jax.random.key(2)}) - shared
  assert not np.allclose(noisy[0], noisy[1])
