"""Norms by name and spectral layers, on literal numbers and against plain numpy."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from decoupled_gan.errors import UserError
from decoupled_gan.layers import named_norms
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.layers.linear import Embed, Linear
from decoupled_gan.layers.named_norms import Norm

RNG = np.random.default_rng(0)


class Layer(nn.Module):
  norm: Norm

  @nn.compact
  def __call__(self, x, labels=None):
    return self.norm('norm', x, labels)


def normal(*shape):
  return jnp.asarray(RNG.normal(size=shape) + 1, jnp.float32)


def train(norm, x, labels=None, params=None):
  """(output in training, variables after it) of a layer at its start."""
  layer = Layer(norm)
  variables = layer.init(jax.random.key(0), x, labels)
  if params:
    variables = {**variables, 'params': {'norm': variables['params']['norm'] | params}}
  mutable = [name for name in variables if name != 'params']
  return layer.apply(variables, x, labels, mutable=mutable)


@pytest.mark.parametrize('kind', ['batch', 'conditional_batch'])
def test_batch_norms_take_the_batch_in_training_and_running_averages_otherwise(kind):
  x, labels = normal(4, 3, 3, 2), jnp.array([[0], [1], [0], [1]])
  norm = Norm(kind, counts=(2,))
  layer = Layer(norm)
  variables = layer.init(jax.random.key(0), x, labels)
  y, stats = layer.apply(variables, x, labels, mutable=['batch_stats'])
  mean, var = x.mean((0, 1, 2), keepdims=True), x.var((0, 1, 2), keepdims=True)
  np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), rtol=1e-4, atol=1e-5)
  means, variances = sorted(jax.tree.leaves(stats), key=lambda leaf: float(jnp.abs(leaf).max()))
  np.testing.assert_allclose(means, 0.1 * mean.ravel(), rtol=1e-5)
  np.testing.assert_allclose(variances, 0.9 + 0.1 * var.ravel(), rtol=1e-5)
  again = layer.apply({**variables, **stats}, x, labels)
  scale = np.sqrt(0.9 + 0.1 * var + 1e-5)
  np.testing.assert_allclose(again, (x - 0.1 * mean) / scale, rtol=1e-4, atol=1e-5)


def test_each_example_has_the_scale_and_shift_of_its_labels_and_attributes_add_up():
  x, labels = normal(3, 2, 2, 2), jnp.array([[0, 1], [1, 0], [1, 1]])
  offsets = {f'{name}_{k}': normal(2, 2) for name in ('scale', 'shift') for k in (0, 1)}
  y, _ = train(Norm('conditional_batch', counts=(2, 2)), x, labels, offsets)
  plain, _ = train(Norm('batch'), x)
  for i, (a, b) in enumerate(labels):
    scale = 1 + offsets['scale_0'][a] + offsets['scale_1'][b]
    shift = offsets['shift_0'][a] + offsets['shift_1'][b]
    expected = plain[i] * scale[None, None] + shift[None, None]
    np.testing.assert_allclose(y[i], expected, rtol=1e-4, atol=1e-5)


def test_layer_norm_is_over_all_of_an_example_and_over_no_other():
  x = normal(2, 3, 3, 4)
  y, _ = train(Norm('layer'), x)
  mean, var = x.mean((1, 2, 3), keepdims=True), x.var((1, 2, 3), keepdims=True)
  np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), rtol=1e-4, atol=1e-5)
  assert jax.tree.map(jnp.shape, Layer(Norm('layer')).init(jax.random.key(0), x)['params']) == {
    'norm': {'scale': (4,), 'bias': (4,)}
  }


def test_no_norm_is_the_very_array_without_parameters():
  x = normal(2, 3)
  layer = Layer(Norm('none', spectral=True))
  assert not layer.init(jax.random.key(0), x)
  assert layer.apply({}, x) is x


def test_dcgans_scales_start_around_one_with_a_deviation_of_a_fiftieth():
  found = Layer(Norm('batch', scale_std=0.02)).init(jax.random.key(0), normal(2, 2, 2, 500))
  scale = found['params']['norm']['norm']['scale']
  assert float(scale.mean()) == pytest.approx(1, abs=0.005)
  assert float(scale.std()) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize('text', ['none', 'batch', 'conditional_batch+spectral', 'spectral'])
def test_names_are_read(text):
  norm = named_norms.parse(text, 'model.norm_generator')
  assert norm.kind in text or norm.kind == 'none'
  assert norm.spectral == ('spectral' in text)


@pytest.mark.parametrize('text', ['bach', 'batch+layer', 'spectral+spectral', '', 'virtual'])
def test_a_name_that_there_is_not_is_told_with_those_that_there_are(text):
  allowed = ('none', 'batch', 'layer')
  known = 'there are none, batch, layer, spectral'
  with pytest.raises(UserError, match=rf'model.norm_x=.* is unknown; {known}'):
    named_norms.parse(text, 'model.norm_x', allowed)


# Spectral layers. The matrix is [out, rest]: kernels have the outputs last.

W = np.array([[1.0, 2, 0, -1], [0, 1, 3, 1], [2, -1, 1, 0]])  # [out, in]
U = np.ones(3) / np.sqrt(3)
SIGMAS = {1: 3.26422616, 2: 3.40149309, 5: 3.44257837}
LARGEST = 3.44297865


def spectral_linear(steps):
  """(layer, variables) after so many power iterations from U."""
  layer = Linear(3, use_bias=False, spectral=True)
  variables = {'params': {'kernel': jnp.asarray(W.T, jnp.float32)}}
  state = {'u': jnp.asarray(U, jnp.float32), 'v': jnp.ones(4)}
  for _ in range(steps):
    _, state = layer.apply({**variables, 'spectral': state}, jnp.ones((1, 4)), mutable=['spectral'])
    state = state['spectral']
  return layer, {**variables, 'spectral': state}


@pytest.mark.row(92)
@pytest.mark.parametrize('steps', SIGMAS)
def test_power_iterations_estimate_the_norm_as_published_and_never_above_it(steps):
  layer, variables = spectral_linear(steps)
  found = layer.apply(variables, jnp.eye(4)).T
  np.testing.assert_allclose(found, W / SIGMAS[steps], rtol=1e-5)
  assert SIGMAS[steps] <= LARGEST
  if steps == 1:
    np.testing.assert_allclose(
      variables['spectral']['u'], [0.39821609, 0.79643217, 0.4551041], rtol=1e-5
    )
    v = variables['spectral']['v']
    np.testing.assert_allclose(v, [0.55708601, 0.37139068, 0.74278135, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.row(92)
def test_the_gradient_is_that_of_equation_12_with_both_its_terms():
  """Without the second, where sigma is detached, it would be G / sigma."""
  layer, variables = spectral_linear(1)
  weights = jnp.arange(12.0).reshape(3, 4) / 10

  def loss(params):
    y = layer.apply({**variables, 'params': params}, jnp.eye(4))
    return (weights * y.T).sum()

  value, gradient = jax.value_and_grad(loss)(variables['params'])
  assert float(value) == pytest.approx(1.40921608, rel=1e-5)
  expected = [
    (-0.09577197, -0.03321285, -0.06642569, 0.0919054),
    (-0.0690034, 0.02547971, -0.07158112, 0.21444593),
    (0.13562738, 0.20274707, 0.16041309, 0.33698645),
  ]
  np.testing.assert_allclose(gradient['kernel'].T, expected, rtol=1e-4, atol=1e-6)


LAYERS = {
  'linear': (Linear(5, spectral=True), normal(2, 4), 'kernel'),
  'conv': (SameConv(5, 3, 1, spectral=True), normal(1, 4, 4, 3), 'kernel'),
  'transposed': (SameConv(5, 4, 2, transposed=True, spectral=True), normal(1, 4, 4, 3), 'kernel'),
  'grouped': (SameConv(6, 3, 1, groups=2, spectral=True), normal(1, 4, 4, 4), 'kernel'),
  'embed': (Embed(7, 5, spectral=True), jnp.array([3, 1]), 'embedding'),
}


@pytest.mark.row(92)
@pytest.mark.parametrize('name', LAYERS)
def test_every_kind_of_layer_is_divided_by_the_norm_of_its_kernel_and_its_bias_is_not(name):
  layer, x, field = LAYERS[name]
  variables = layer.init(jax.random.key(0), x)
  kernel = np.asarray(variables['params'][field])
  matrix = kernel.swapaxes(2, 3) if name == 'transposed' else kernel.T if name == 'embed' else kernel
  v, (sigma, *_), u = np.linalg.svd(matrix.reshape(-1, matrix.shape[-1]), full_matrices=False)
  vectors = {'u': jnp.asarray(u[0]), 'v': jnp.asarray(v[:, 0])}
  assert jax.tree.map(jnp.shape, vectors) == jax.tree.map(jnp.shape, variables['spectral'])
  variables = {**variables, 'spectral': vectors}
  plain = layer.copy(spectral=False)
  normed = {'params': {**variables['params'], field: kernel / sigma}}
  if 'bias' in variables['params']:
    for params in (variables['params'], normed['params']):
      params['bias'] = jnp.arange(len(params['bias']), dtype=jnp.float32)
  np.testing.assert_allclose(
    layer.apply(variables, x), plain.apply(normed, x), rtol=1e-3, atol=1e-4
  )


@pytest.mark.row(92)
def test_the_bound_of_a_convolution_is_loose_as_published():
  """The norm of the reshaped 3 x 3 mean kernel is 1/3; that of the convolution is 1."""
  layer = SameConv(1, 3, 1, use_bias=False, spectral=True)
  x = jnp.ones((1, 9, 9, 1))
  variables = layer.init(jax.random.key(0), x)
  kernel = jnp.full((3, 3, 1, 1), 1 / 9)
  y, _ = layer.apply({**variables, 'params': {'kernel': kernel}}, x, mutable=['spectral'])
  assert float(y[0, 4, 4, 0]) == pytest.approx(3, rel=1e-5)


# Virtual batch normalisation.


@pytest.mark.parametrize('shape', [(3, 1), (3, 1, 1, 1)])
def test_virtual_batch_norm_mixes_the_reference_with_the_example(shape):
  x = jnp.array([1.0, 3.0, 5.0]).reshape(shape)
  zeros = {'log_scale': jnp.zeros(1)}
  y, _ = train(Norm('virtual', reference=2), x, params=zeros)
  np.testing.assert_allclose(y.ravel(), [-0.999995, 0.999995, 1.22474258], rtol=1e-5)


def test_virtual_batch_norm_shows_an_example_no_other_but_the_reference():
  x = normal(5, 2, 2, 3)
  norm = Norm('virtual', reference=2)
  y, _ = train(norm, x)
  other, _ = train(norm, x.at[4].add(1.0))
  np.testing.assert_array_equal(y[:4], other[:4])
  moved, _ = train(norm, x.at[0].add(1.0))
  assert (moved[3] != y[3]).any()
