"""Self-attention on literal numbers (specified in numpy), and at its start."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from decoupled_gan.layers.attention import SelfAttention, attend
from decoupled_gan.machine.sharding import jit

ARRAYS = np.load(Path(__file__).parent / 'fixtures/attention.npz')
PIXELS = jnp.array([[1.0, 0], [0, 1], [1, 1], [-1, 0.5]])
WEIGHTS = {'theta': [[1], [-1]], 'phi': [[0.5], [1]], 'g': [[1], [2]], 'o': [[1, -1]]}


def params(weights, gamma):
  """Parameters of a layer by its 1 x 1 kernels [I, O]."""
  kernels = {name: {'kernel': jnp.asarray(x, jnp.float32)[None, None]} for name, x in weights.items()}
  return {'params': {**kernels, 'gamma': jnp.asarray(gamma, jnp.float32)}}


@pytest.mark.row(109)
def test_weights_are_a_softmax_over_keys_without_scaling():
  """Over queries the first pixel's would be (0.442, 0.631, 0.771, 0.25)."""
  theta, phi = (PIXELS @ jnp.array(WEIGHTS[name], jnp.float32) for name in ('theta', 'phi'))
  weights = attend(theta[None], phi[None])
  expected = [0.1674051, 0.27600434, 0.45505423, 0.10153632]
  np.testing.assert_allclose(weights[0, 0], expected, rtol=1e-5)
  mixed = weights[0] @ (PIXELS @ jnp.array(WEIGHTS['g'], jnp.float32))
  np.testing.assert_allclose(mixed[:, 0], [2.08457649, 0.91542351, 1.5, 0.68567235], rtol=1e-5)


@pytest.mark.row(109)
def test_the_layer_is_x_plus_gamma_o_as_specified():
  layer = SelfAttention()
  weights = {name: ARRAYS[name] for name in WEIGHTS}
  variables = params(weights, ARRAYS['gamma'])
  x = jnp.asarray(ARRAYS['x'], jnp.float32)
  y, sown = layer.apply(variables, x, mutable=['attention'])
  np.testing.assert_allclose(y, ARRAYS['y'], rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(sown['attention']['weights'][0], ARRAYS['attention'], rtol=1e-5)
  assert sown['attention']['weights'][0].shape == (2, 16, 4), 'keys are pooled 2 x 2'


@pytest.mark.row(109)
def test_it_starts_as_the_identity_and_only_gamma_moves_at_first():
  layer, x = SelfAttention(spectral=True), jax.random.normal(jax.random.key(0), (2, 4, 4, 16))
  variables = jit(layer.init, quick=True)(jax.random.key(1), x)
  assert set(variables) == {'params', 'spectral'}, 'no maps in the state'
  np.testing.assert_array_equal(jit(layer.apply, quick=True)(variables, x), x)

  def loss(params):
    return jnp.square(layer.apply({**variables, 'params': params}, x)).sum()

  gradients = jit(jax.grad(loss), quick=True)(variables['params'])
  assert gradients.pop('gamma') != 0
  assert not any(leaf.any() for leaf in jax.tree.leaves(gradients))


@pytest.mark.row(109)
@pytest.mark.parametrize(('channels', 'expected'), [(64, 5121), (128, 20_481), (256, 81_921)])
def test_it_has_the_published_number_of_parameters(channels, expected):
  x = jax.ShapeDtypeStruct((1, 4, 4, channels), jnp.float32)
  found = jax.eval_shape(SelfAttention().init, jax.random.key(0), x)
  assert sum(leaf.size for leaf in jax.tree.leaves(found)) == expected


def test_it_can_be_differentiated_twice_and_computes_in_its_dtype():
  x = jax.random.normal(jax.random.key(0), (1, 4, 4, 8))
  layer = SelfAttention()
  variables = params({name: ARRAYS[name] for name in WEIGHTS}, 0.7)

  def slope(x):
    return jnp.square(jax.grad(lambda x: jnp.sin(layer.apply(variables, x)).sum())(x)).sum()

  second = jit(jax.grad(slope), quick=True)(x)
  assert np.isfinite(second).all() and second.any()
  half = SelfAttention(dtype=jnp.bfloat16)
  y = jit(half.apply, quick=True)(variables, x.astype(jnp.bfloat16))
  assert y.dtype == jnp.bfloat16
  np.testing.assert_allclose(y.astype(jnp.float32), layer.apply(variables, x), atol=0.05)
