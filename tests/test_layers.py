"""Layers against their formulas in plain numpy: normalisation, spectral norms, initial values."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from decoupled_gan.core.types import Pair
from decoupled_gan.layers import conv_ops
from decoupled_gan.layers.conv import Conv, Dense, spectral_norm, torch_bias, torch_kernel
from decoupled_gan.layers.domain import PerDomain
from decoupled_gan.layers.norm import LIN, AdaLIN, mixed_normalise

RNG = np.random.default_rng(0)


def normal(*shape):
  return RNG.normal(size=shape).astype(np.float32)


# Normalisation.


def reference(x, rho, gamma, beta):
  """Eq. 2 of U-GAT-IT in float64, with torch.var's unbiased variances; rho [2, C]."""
  x = x.astype(np.float64)
  n, h, w, c = x.shape
  y = np.zeros_like(x)
  for i in range(n):
    layer = (x[i] - x[i].mean()) / np.sqrt(x[i].var() * h * w * c / (h * w * c - 1) + 1e-5)
    for j in range(c):
      one = x[i, :, :, j]
      instance = (one - one.mean()) / np.sqrt(one.var() * h * w / (h * w - 1) + 1e-5)
      mixed = rho[0, j] * instance + rho[1, j] * layer[..., j]
      y[i, :, :, j] = gamma[i, j] * mixed + beta[i, j]
  return y


@pytest.mark.parametrize('shape', [(2, 5, 4, 3), (1, 2, 2, 1), (3, 1, 2, 7)])
@pytest.mark.parametrize('offset', [0.0, 30.0])
def test_mixed_normalise_is_the_formula(shape, offset):
  x = normal(*shape) * np.arange(1, shape[-1] + 1, dtype=np.float32) + np.float32(offset)
  rho, gamma, beta = normal(2, shape[3]), normal(shape[0], shape[3]), normal(shape[0], shape[3])
  ours = mixed_normalise(*map(jnp.asarray, (x, rho, gamma, beta)))
  np.testing.assert_allclose(ours, reference(x, rho, gamma, beta), rtol=1e-4, atol=1e-4)


def test_variances_are_unbiased():
  # Pixels -1 and 1: the variance is 2 with N - 1 and 1 with N.
  x = jnp.array([-1.0, 1.0]).reshape(1, 1, 2, 1)
  y = mixed_normalise(x, jnp.array([[1.0], [0.0]]), jnp.ones((1, 1)), jnp.zeros((1, 1)))
  np.testing.assert_allclose(y.reshape(-1), [-(0.5**0.5), 0.5**0.5], rtol=1e-5)


def test_rho_chooses_between_instance_and_layer():
  x = normal(1, 4, 4, 2) * np.array([1, 5], np.float32)
  ones, zeros = jnp.ones((1, 2)), jnp.zeros((1, 2))
  instance = mixed_normalise(x, jnp.array([[1.0, 1], [0, 0]]), ones, zeros)
  layer = mixed_normalise(x, jnp.array([[0.0, 0], [1, 1]]), ones, zeros)
  np.testing.assert_allclose(instance.std((1, 2), ddof=1), [[1, 1]], rtol=1e-4)
  np.testing.assert_allclose(layer.std(ddof=1), 1, rtol=1e-4)
  assert layer[..., 1].std() > 3 * layer[..., 0].std(), 'channels keep their proportions'


def test_mixed_normalises_gradients_and_their_gradients_are_those_of_the_formula():
  def formula(x, rho, gamma, beta):
    normed = lambda axes: (x - x.mean(axes, keepdims=True)) / jnp.sqrt(  # noqa: E731
      x.var(axes, keepdims=True, ddof=1) + 1e-5
    )
    instance, layer = rho[:, None, None, None]
    return gamma[:, None, None] * (instance * normed((1, 2)) + layer * normed((1, 2, 3))) + (
      beta[:, None, None]
    )

  x, target = normal(2, 4, 3, 5) + np.arange(5, dtype=np.float32).reshape(1, 1, 1, 5), normal(2, 4, 3, 5)
  arguments = (x, np.abs(normal(2, 5)), normal(2, 5), normal(2, 5))

  def derivatives(normalise):
    loss = lambda *a: jnp.sum(jnp.sin(normalise(*a)) * target)  # noqa: E731
    first = jax.grad(loss, (0, 1, 2, 3))
    norm = lambda *a: sum(jnp.sum(g**2) for g in first(*a))  # noqa: E731
    return jax.jit(lambda *a: (first(*a), jax.grad(norm, (0, 1, 2, 3))(*a)))(*arguments)

  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max()),
    derivatives(mixed_normalise),
    derivatives(formula),
  )


def test_images_are_normalised_one_by_one():
  x, rho = normal(2, 4, 4, 3), jnp.full((2, 3), 0.5)
  gamma, beta = normal(2, 3), normal(2, 3)
  both = mixed_normalise(x, rho, jnp.asarray(gamma), jnp.asarray(beta))
  for i in range(2):
    one = mixed_normalise(x[i : i + 1], rho, jnp.asarray(gamma[i : i + 1]), beta[i : i + 1])
    np.testing.assert_allclose(both[i], one[0], rtol=1e-5, atol=1e-6)


def test_a_constant_image_is_finite_in_value_and_gradient():
  def total(x):
    y = mixed_normalise(x, jnp.full((2, 3), 0.5), jnp.ones((1, 3)), jnp.zeros((1, 3)))
    return jnp.square(y - 1).sum()

  value, gradient = jax.value_and_grad(total)(jnp.full((1, 4, 4, 3), 7.0))
  assert np.isfinite(value)
  assert np.isfinite(gradient).all()


def test_bfloat16_images_stay_bfloat16_and_are_normalised_with_float32_statistics():
  x = jnp.asarray(normal(1, 32, 32, 4) + 20, jnp.bfloat16)
  layer = LIN()
  variables = layer.init(jax.random.key(0), x)
  y = layer.apply(variables, x)
  assert y.dtype == jnp.bfloat16
  exact = layer.apply(variables, x.astype(jnp.float32))
  np.testing.assert_allclose(y.astype(jnp.float32), exact, atol=0.02)
  assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))


def test_lin_starts_at_a_tenth_instance_with_identity_affine():
  x = normal(2, 4, 4, 3)
  params = LIN().init(jax.random.key(0), x)['params']
  np.testing.assert_allclose(nn.softmax(params['rho']), [[0.0998, 0.9002]] * 3, atol=5e-5)
  assert params['gamma'].tolist() == [1, 1, 1]
  assert params['beta'].tolist() == [0, 0, 0]


def test_adalin_starts_at_nine_tenths_instance_and_owns_only_rho():
  x = normal(2, 4, 4, 3)
  params = AdaLIN().init(jax.random.key(0), x, jnp.ones((2, 3)), jnp.zeros((2, 3)))['params']
  assert set(params) == {'rho'}
  np.testing.assert_allclose(nn.softmax(params['rho']), [[0.9002, 0.0998]] * 3, atol=5e-5)


def test_lin_is_the_formula_with_its_own_parameters():
  x, logits = normal(2, 4, 5, 3), normal(3, 2)
  params = {'rho': logits, 'gamma': normal(3), 'beta': normal(3)}
  rho = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).T
  expected = reference(x, rho, *(np.tile(params[k], (2, 1)) for k in ('gamma', 'beta')))
  ours = LIN().apply({'params': jax.tree.map(jnp.asarray, params)}, x)
  np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_adalin_is_the_formula_with_each_images_gamma_and_beta():
  x, gamma, beta = normal(2, 4, 5, 3), jnp.asarray(normal(2, 3)), jnp.asarray(normal(2, 3))
  variables = AdaLIN().init(jax.random.key(0), x, gamma, beta)
  rho = np.array([[0.9002495] * 3, [0.0997505] * 3])
  ours = AdaLIN().apply(variables, x, gamma, beta)
  np.testing.assert_allclose(ours, reference(x, rho, gamma, beta), rtol=1e-4, atol=1e-5)


# Spectral normalisation.


class Normalised(nn.Module):
  """A kernel over its spectral norm."""

  shape: tuple[int, ...]

  @nn.compact
  def __call__(self):
    kernel = self.param('kernel', nn.initializers.normal(1.0), self.shape)
    return kernel / spectral_norm(self, kernel)


def spectral(shape):
  """(evaluate, train, variables) of a `Normalised` of this shape, compiled."""
  layer = Normalised(shape)
  evaluate = jax.jit(layer.apply)
  train = jax.jit(functools.partial(layer.apply, mutable=['spectral']))
  return evaluate, train, layer.init(jax.random.key(0))


@pytest.fixture(scope='module')
def square():
  return spectral((3, 3, 2, 5))


def matrix(kernel):
  return np.asarray(kernel).reshape(-1, kernel.shape[-1])


def test_many_training_calls_find_the_largest_singular_value(square):
  _, train, variables = square
  kernel = variables['params']['kernel']
  for _ in range(200):
    y, stats = train(variables)
    variables = {**variables, **stats}
  largest = np.linalg.svd(matrix(kernel), compute_uv=False)[0]
  np.testing.assert_allclose(y, kernel / largest, rtol=1e-4)
  np.testing.assert_allclose(np.linalg.svd(matrix(y), compute_uv=False)[0], 1, rtol=1e-4)


def test_one_training_call_is_one_power_iteration_v_first_and_stores_both_unit_vectors(square):
  _, train, variables = square
  w = matrix(variables['params']['kernel']).astype(np.float64)
  u = np.asarray(variables['spectral']['u'], np.float64)
  v = w @ u / np.linalg.norm(w @ u)
  u = v @ w / np.linalg.norm(v @ w)
  y, stats = train(variables)
  np.testing.assert_allclose(stats['spectral']['v'], v, rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(stats['spectral']['u'], u, rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(matrix(y), w / (v @ w @ u), rtol=1e-5, atol=1e-6)


def test_evaluation_uses_the_stored_vectors_and_does_not_iterate(square):
  evaluate, _, variables = square
  u, v = normal(5), normal(18)
  variables = {**variables, 'spectral': {'u': jnp.asarray(u), 'v': jnp.asarray(v)}}
  kernel = variables['params']['kernel']
  expected = kernel / (v @ matrix(kernel) @ u)
  for _ in range(2):
    np.testing.assert_allclose(evaluate(variables), expected, rtol=1e-5)


def test_evaluation_uses_the_stored_vectors_with_the_kernel_of_now(square):
  evaluate, _, variables = square
  once = evaluate(variables)
  doubled = {**variables, 'params': jax.tree.map(lambda x: 2 * x, variables['params'])}
  np.testing.assert_allclose(evaluate(doubled), once, rtol=1e-6)


@pytest.mark.parametrize('shape', [(4, 4, 3, 1), (7, 1)])
def test_one_output_is_normalised_exactly_after_one_call(shape):
  _, train, variables = spectral(shape)
  kernel = variables['params']['kernel']
  stale = {'u': jnp.ones(1), 'v': jnp.asarray(normal(kernel.size))}
  y, _ = train({**variables, 'spectral': stale})
  np.testing.assert_allclose(y, kernel / np.linalg.norm(kernel), rtol=1e-5)


def test_initialisation_leaves_unit_vectors_that_were_iterated_once(square):
  evaluate, _, variables = square
  u, v = variables['spectral']['u'], variables['spectral']['v']
  assert (u.shape, v.shape) == ((5,), (18,))
  np.testing.assert_allclose([np.linalg.norm(u), np.linalg.norm(v)], 1, rtol=1e-5)
  w = matrix(variables['params']['kernel'])
  np.testing.assert_allclose(u, v @ w / np.linalg.norm(v @ w), rtol=1e-4, atol=1e-5)
  largest = np.linalg.svd(matrix(evaluate(variables)), compute_uv=False)[0]
  assert 1 <= largest < 2, 'torch is at random here: 1e6 and either sign'


def test_the_gradient_of_sigma_is_u_v_transposed(square):
  _, train, variables = square
  kernel = variables['params']['kernel']

  def sigma(kernel):  # kernel / sigma at one fixed place gives sigma back
    y, stats = train({'params': {'kernel': kernel}, 'spectral': variables['spectral']})
    fixed = jax.lax.stop_gradient(kernel)
    share = jnp.vdot(y, fixed) / jnp.vdot(kernel, fixed)
    return 1 / share, stats['spectral']

  gradient, vectors = jax.grad(sigma, has_aux=True)(kernel)
  expected = np.outer(vectors['v'], vectors['u'])
  np.testing.assert_allclose(matrix(gradient), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('size', [4, 12])  # the output is smaller than the kernel, and larger
def test_a_spectral_convolution_is_one_of_the_normalised_kernel_in_value_and_gradients(size):
  layer, x = Conv(3, 4, spectral=True), jnp.asarray(normal(1, size, size, 2))
  variables = layer.init(jax.random.key(0), x)
  vectors = variables['spectral']

  def plain(params, x):
    kernel = params['kernel']
    sigma = vectors['v'] @ kernel.reshape(-1, 3) @ vectors['u']
    return conv_ops.conv(x, kernel / sigma) + params['bias'].reshape(1, 1, 1, 3)

  def ours(params, x):
    return layer.apply({'params': params, 'spectral': vectors}, x)

  def loss(function, *arguments):
    return jnp.sin(function(*arguments)).sum()

  np.testing.assert_allclose(ours(variables['params'], x), plain(variables['params'], x), atol=1e-5)
  found, expected = (
    jax.grad(functools.partial(loss, f), argnums=(0, 1))(variables['params'], x)
    for f in (ours, plain)
  )
  jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-5, rtol=1e-4), found, expected)


def test_the_gradient_reaches_the_kernel_only_and_not_the_vectors(square):
  evaluate, _, variables = square

  def total(spectral):
    return evaluate({'params': variables['params'], 'spectral': spectral}).sum()

  gradients = jax.grad(total)(variables['spectral'])
  assert all(not leaf.any() for leaf in jax.tree.leaves(gradients))


def test_the_gradient_through_the_normalised_kernel_agrees_with_finite_differences(square):
  evaluate, _, variables = square
  target = jnp.asarray(normal(3, 3, 2, 5))

  def total(kernel):
    return jnp.vdot(evaluate({**variables, 'params': {'kernel': kernel}}), target)

  kernel, direction = variables['params']['kernel'], jnp.asarray(normal(3, 3, 2, 5))
  slope = jnp.vdot(jax.grad(total)(kernel), direction)
  step = 1e-2
  numeric = (total(kernel + step * direction) - total(kernel - step * direction)) / (2 * step)
  np.testing.assert_allclose(slope, numeric, rtol=1e-2, atol=1e-3)


# Convolution.


def test_conv_pads_by_reflection_and_slides_by_its_stride():
  x = jnp.arange(5.0).reshape(1, 1, 5, 1) + 10 * jnp.arange(5.0).reshape(1, 5, 1, 1)
  params = {'kernel': jnp.zeros((3, 3, 1, 1)).at[0, 0].set(1.0)}  # picks the upper left neighbour
  y = Conv(1, 3, 2, 1, use_bias=False).apply({'params': params}, x)
  assert y.shape == (1, 3, 3, 1)
  assert y[0, ..., 0].tolist() == [[11, 11, 13], [11, 11, 13], [31, 31, 33]]


def test_conv_adds_its_bias_to_each_channel():
  params = {'kernel': jnp.zeros((1, 1, 2, 3)), 'bias': jnp.array([1.0, 2, 3])}
  y = Conv(3, 1).apply({'params': params}, jnp.ones((2, 4, 4, 2)))
  assert (y == jnp.array([1.0, 2, 3]).reshape(1, 1, 1, 3)).all()


def uniform_within(values, bound):
  """Whether `values` look drawn from U(-bound, bound): inside, and with its deviation."""
  values = np.asarray(values)
  return abs(values).max() <= bound and abs(values.std() / (bound / 3**0.5) - 1) < 0.1


def test_kernel_and_bias_start_as_torchs_uniform_of_the_same_bound():
  params = Conv(512, 4).init(jax.random.key(0), jnp.zeros((1, 4, 4, 8)))['params']
  assert params['kernel'].shape == (4, 4, 8, 512)
  assert params['bias'].shape == (512,)
  bound = 1 / (4 * 4 * 8) ** 0.5
  assert uniform_within(params['kernel'], bound)
  assert uniform_within(params['bias'], bound)
  assert abs(params['kernel']).max() > 0.99 * bound


def test_dense_starts_as_torchs_and_has_no_bias():
  params = Dense(256).init(jax.random.key(0), jnp.zeros((1, 64)))['params']
  (kernel,) = jax.tree.leaves(params)
  assert kernel.shape == (64, 256)
  assert uniform_within(kernel, 1 / 8)


def test_initialisers_of_a_layer_by_hand_agree_with_those_of_conv():
  assert uniform_within(torch_kernel(jax.random.key(0), (100, 100)), 0.1)
  assert uniform_within(torch_bias(100)(jax.random.key(0), (4096,)), 0.1)


@pytest.mark.parametrize('spectral', [False, True])
def test_conv_computes_in_its_dtype_with_float32_variables(spectral):
  layer, x = Conv(4, 3, spectral=spectral, dtype=jnp.bfloat16), jnp.asarray(normal(1, 6, 6, 3))
  variables = layer.init(jax.random.key(0), x)
  assert layer.apply(variables, x).dtype == jnp.bfloat16
  assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype('float32')}


def test_a_spectral_convs_kernel_is_normalised_and_its_bias_is_not():
  layer, x = Conv(4, 3, spectral=True), jnp.asarray(normal(1, 6, 6, 3))
  variables = layer.init(jax.random.key(0), x)
  assert set(variables) == {'params', 'spectral'}
  large = jax.tree.map(lambda p: 100 * p, variables['params'])
  bias = variables['params']['bias'].reshape(1, 1, 1, 4)
  y = layer.apply(variables, x) - bias
  np.testing.assert_allclose(
    layer.apply({**variables, 'params': large}, x) - 100 * bias, y, rtol=1e-3, atol=1e-4
  )


# PerDomain.


class Part(nn.Module):
  features: int = 2

  @nn.compact
  def __call__(self, x, shift=0.0):
    y = nn.Dense(self.features)(x + shift)
    return y, {'sum': y.sum(-1)}


@pytest.fixture(scope='module')
def parts():
  layer = PerDomain(functools.partial(Part, 2))
  real = Pair(jnp.ones((4, 3)), 2 * jnp.ones((4, 3)))
  return layer, layer.init(jax.random.key(0), real), real


def test_per_domain_has_two_networks_of_different_weights(parts):
  _, variables, _ = parts
  assert set(variables['params']) == {'a', 'b'}
  a, b = (variables['params'][domain]['Dense_0']['kernel'] for domain in 'ab')
  assert not (a == b).any()


def test_per_domain_gives_the_networks_structure_with_pairs_for_leaves(parts):
  layer, variables, real = parts
  y, extra = layer.apply(variables, real)
  assert isinstance(y, Pair)
  assert isinstance(extra['sum'], Pair)
  assert (y.a.shape, extra['sum'].b.shape) == ((4, 2), (4,))


def test_each_domain_goes_through_its_own_network_and_no_other(parts):
  layer, variables, real = parts
  y, _ = layer.apply(variables, real)
  for domain in 'ab':
    alone, _ = Part(2).apply(
      {'params': variables['params'][domain]}, getattr(real, domain)
    )  # fmt: skip
    np.testing.assert_array_equal(getattr(y, domain), alone)


def test_per_domain_takes_several_pairs(parts):
  layer, variables, real = parts
  y, _ = layer.apply(variables, real, Pair(1.0, -1.0))
  expected, _ = Part(2).apply({'params': variables['params']['a']}, real.a, 1.0)
  np.testing.assert_array_equal(y.a, expected)
