"""conv_ops against `lax.conv_general_dilated`, jnp.pad and numpy: values, gradients, lowering."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from decoupled_gan.layers import conv_formulations, conv_ops

# batch, height, width, inputs, outputs, kernel, stride: each rule and each parity at least once.
FEW_OUTPUTS = (1, 15, 16, 4, 3, 7, 1)
ORDINARY = (3, 9, 8, 3, 5, 3, 1)
SMALL_MAP = (1, 6, 5, 4, 40, 4, 1)
SMALL_STRIDED = (1, 6, 7, 3, 30, 4, 2)
STRIDED = (3, 10, 12, 3, 5, 4, 2)
STRIDED_ODD = (3, 9, 11, 2, 5, 3, 2)
SHAPES = [
  FEW_OUTPUTS,
  ORDINARY,
  SMALL_MAP,
  SMALL_STRIDED,
  STRIDED,
  STRIDED_ODD,
  (3, 6, 5, 4, 7, 1, 1),
  (3, 6, 6, 2, 9, 4, 1),
  (3, 13, 12, 2, 5, 5, 2),
  (3, 7, 6, 3, 4, 1, 2),
  (1, 13, 14, 2, 5, 3, 3),
]


def quick_jit(f):
  """jax.jit that spares the optimiser: compiling is what these tests spend their time on."""
  return jax.jit(f, compiler_options={'xla_backend_optimization_level': 0})


def name(shape):
  return 'b{}_{}x{}_{}to{}_k{}_s{}'.format(*shape)


def arrays(shape, dtype=jnp.float32):
  batch, height, width, inputs, outputs, size, _ = shape
  keys = jax.random.split(jax.random.key(0))
  x = jax.random.normal(keys[0], (batch, height, width, inputs), dtype)
  return x, jax.random.normal(keys[1], (size, size, inputs, outputs), dtype) / size


def reference(x, kernel, stride):
  dims = ('NHWC', 'HWIO', 'NHWC')
  return lax.conv_general_dilated(x, kernel, (stride, stride), 'VALID', dimension_numbers=dims)


def derivatives(conv, stride):
  """(x, kernel) -> values, both gradients of a loss, and both of its squared gradient norm."""

  def loss(x, kernel):
    return jnp.sum(jnp.sin(conv(x, kernel, stride)))

  def squared_norm(x, kernel):
    return sum(jnp.sum(g**2) for g in jax.grad(loss, (0, 1))(x, kernel))

  def run(x, kernel):
    first = jax.grad(loss, (0, 1))(x, kernel)
    return conv(x, kernel, stride), first, jax.grad(squared_norm, (0, 1))(x, kernel)

  return run


def assert_close(actual, desired, tolerance=2e-5):
  """Equal but for `tolerance` of the largest entry: the sums are the same in another order."""
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max()),
    actual,
    desired,
  )


@pytest.mark.parametrize('shape', SHAPES, ids=name)
def test_conv_and_its_first_and_second_derivatives_equal_lax(shape):
  run = quick_jit(derivatives(conv_ops.conv, shape[-1]))
  assert_close(run(*arrays(shape)), quick_jit(derivatives(reference, shape[-1]))(*arrays(shape)))


def test_the_shapes_above_reach_every_formulation():
  reached = set()
  for shape in SHAPES:
    x, kernel = arrays(shape)
    dy = jax.eval_shape(lambda x, k, s=shape[-1]: reference(x, k, s), x, kernel).shape
    reached.add(conv_formulations.fast_forward(kernel.shape, shape[-1]))
    reached.add(conv_formulations.fast_input_gradient(kernel.shape, shape[-1], dy))
    reached.add(conv_formulations.fast_weight_gradient(kernel.shape, shape[-1], dy))
  written = {
    f for n, f in vars(conv_formulations).items()
    if n.startswith('_') and n.endswith(('_forward', '_gradient')) and not n.startswith('_grouped')
  }
  assert len(written) == 11 and written <= reached


@pytest.mark.parametrize(
  ('shape', 'groups'),
  [
    ((2, 6, 5, 6, 9, 3, 1), 3),
    ((2, 6, 6, 6, 9, 3, 1), 3),
    ((2, 7, 8, 4, 8, 4, 2), 2),
    ((2, 5, 5, 4, 6, 1, 1), 2),
  ],
)
def test_a_grouped_conv_and_its_derivatives_equal_lax(shape, groups):
  x, kernel = arrays(shape)
  kernel = kernel[:, :, : shape[3] // groups]

  def ours(x, kernel, stride):
    return conv_ops.conv(x, kernel, stride, groups)

  def plain(x, kernel, stride):
    dims = ('NHWC', 'HWIO', 'NHWC')
    return lax.conv_general_dilated(
      x, kernel, (stride, stride), 'VALID', dimension_numbers=dims, feature_group_count=groups
    )

  found, expected = (quick_jit(derivatives(f, shape[-1]))(x, kernel) for f in (ours, plain))
  assert_close(found, expected)


def test_a_grouped_conv_is_xlas_own_on_accelerators():
  x, kernel = arrays((2, 6, 5, 6, 8, 3, 1))
  run = derivatives(lambda x, k, s: conv_ops.conv(x, k, s, 2), 1)
  text = jax.jit(run).trace(x, kernel[:, :, :3]).lower(lowering_platforms=('tpu',)).as_text()
  assert 'feature_group_count = 2' in text
  assert 'stablehlo.while' not in text


def test_gradients_are_right_without_jit():
  x, kernel = arrays(ORDINARY)
  grad = lambda conv: jax.grad(lambda x, k: jnp.sum(conv(x, k, 1) ** 2), (0, 1))(x, kernel)  # noqa: E731
  assert_close(grad(conv_ops.conv), grad(reference))


@pytest.mark.parametrize(
  ('shape', 'axes'), [(ORDINARY, (0, 0)), (SMALL_MAP, (0, None)), (STRIDED, (None, 0))]
)
def test_conv_works_under_vmap(shape, axes):
  operands = arrays(shape)
  mapped = [
    a if axis is None else jnp.stack([a, -2 * a]) for a, axis in zip(operands, axes, strict=True)
  ]
  ours, plain = (
    quick_jit(jax.vmap(derivatives(conv, shape[-1]), axes))(*mapped)
    for conv in (conv_ops.conv, reference)
  )
  assert_close(ours, plain)


def test_conv_works_inside_scan_and_checkpoint():
  x, _ = arrays((3, 6, 6, 4, 4, 3, 1))
  kernels = jax.random.normal(jax.random.key(1), (3, 3, 3, 4, 4)) / 5

  def loss(conv, x, kernels):
    step = lambda x, k: (jnp.tanh(conv(conv_ops.reflect_pad(x, 1), k, 1)), None)  # noqa: E731
    return jnp.sum(lax.scan(jax.checkpoint(step), x, kernels)[0] ** 2)

  ours, plain = (
    quick_jit(jax.grad(lambda x, k, conv=conv: loss(conv, x, k), (0, 1)))(x, kernels)
    for conv in (conv_ops.conv, reference)
  )
  assert_close(ours, plain)


@pytest.mark.parametrize('shape', [ORDINARY, SMALL_STRIDED], ids=name)
def test_half_precision_stays_so_and_is_as_exact_as_its_last_rounding(shape):
  x, kernel = arrays(shape, jnp.bfloat16)
  exact = derivatives(reference, shape[-1])(x.astype(jnp.float32), kernel.astype(jnp.float32))
  ours = quick_jit(derivatives(conv_ops.conv, shape[-1]))(x, kernel)
  assert {a.dtype for a in jax.tree.leaves(ours)} == {jnp.dtype(jnp.bfloat16)}
  y, first, _ = jax.tree.map(lambda a: a.astype(jnp.float32), ours)
  assert_close(y, exact[0], 2**-8)
  assert_close(first, exact[1], 2**-5)  # sin and its derivative are rounded as well


def test_the_result_has_the_dtype_of_the_images():
  x, kernel = arrays(ORDINARY)
  assert conv_ops.conv(x.astype(jnp.bfloat16), kernel).dtype == jnp.bfloat16


@pytest.mark.parametrize(('platform', 'dtype'), [('tpu', jnp.bfloat16), ('cuda', jnp.float32)])
def test_accelerators_get_plain_convolutions_only(platform, dtype):
  for shape in SHAPES[:5]:
    operands = arrays(shape, dtype)
    ours, plain = (
      jax.jit(derivatives(conv, shape[-1])).trace(*operands).lower(lowering_platforms=(platform,))
      for conv in (conv_ops.conv, reference)
    )
    text = ours.as_text()
    assert 'stablehlo.convolution' in text
    for trick in ('dot_general', 'stablehlo.concatenate', 'stablehlo.pad', 'stablehlo.gather'):
      assert trick not in text
    # No more kinds of convolution than lax makes; ours are written once each, as functions.
    assert text.count('stablehlo.convolution') <= plain.as_text().count('stablehlo.convolution')


def test_a_batch_sharded_over_8_devices_gives_the_same_gradients():
  flags = {'XLA_FLAGS': '--xla_force_host_platform_device_count=8', 'JAX_PLATFORMS': 'cpu'}
  tests = Path(__file__).resolve().parent
  subprocess.run(
    [sys.executable, '-c', 'import test_layers_conv_ops as t; t.check_sharded()'],
    env={**os.environ, **flags, 'PYTHONPATH': str(tests.parent)},
    cwd=tests,
    check=True,
    timeout=120,
  )


def check_sharded():
  """Run in a process of its own: the number of devices is fixed at start-up."""
  assert jax.device_count() == 8
  mesh = jax.make_mesh((8,), ('data',), axis_types=(jax.sharding.AxisType.Auto,))
  spec = jax.sharding.PartitionSpec
  split, same = (jax.NamedSharding(mesh, spec(*axes)) for axes in (('data',), ()))
  for shape in (FEW_OUTPUTS, SMALL_MAP, STRIDED_ODD):
    shape = (8, *shape[1:])
    x, kernel = arrays(shape)
    run = quick_jit(derivatives(conv_ops.conv, shape[-1]))
    sharded = run(jax.device_put(x, split), jax.device_put(kernel, same))
    assert_close(sharded, quick_jit(derivatives(reference, shape[-1]))(x, kernel))


def test_reflect_pad_equals_numpy_and_its_gradient_that_of_jnp_pad():
  x = jax.random.normal(jax.random.key(0), (2, 5, 4, 3))
  for pad in (0, 1, 3):
    widths = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    np.testing.assert_array_equal(conv_ops.reflect_pad(x, pad), np.pad(x, widths, mode='reflect'))
    weights = jax.random.normal(jax.random.key(1), (2, 5 + 2 * pad, 4 + 2 * pad, 3))
    ours = jax.grad(lambda x, w=weights, p=pad: jnp.sum(w * conv_ops.reflect_pad(x, p) ** 2))(x)
    plain = lambda x, w=weights, p=widths: jnp.sum(w * jnp.pad(x, p, mode='reflect') ** 2)  # noqa: E731
    assert_close(ours, jax.grad(plain)(x), 1e-6)


def test_reflect_pad_refuses_to_mirror_more_than_there_is():
  with pytest.raises(ValueError, match=r'padding of 4 needs .* larger than 4 pixels, got 5x4'):
    conv_ops.reflect_pad(jnp.zeros((1, 5, 4, 1)), 4)


@pytest.mark.parametrize('factor', [2, 3])
def test_pixel_shuffle_takes_channels_in_the_order_of_torch(factor):
  x = np.random.default_rng(0).normal(size=(2, 3, 4, 5 * factor**2)).astype(np.float32)
  y = np.asarray(conv_ops.pixel_shuffle(jnp.asarray(x), factor))
  assert y.shape == (2, 3 * factor, 4 * factor, 5)
  for i in range(factor):
    for j in range(factor):
      np.testing.assert_array_equal(y[:, i::factor, j::factor], x[..., factor * i + j :: factor**2])
  back = jax.grad(lambda x: jnp.sum(conv_ops.pixel_shuffle(x, factor) * y))(jnp.asarray(x))
  np.testing.assert_array_equal(back, x)  # the transpose of a permutation is its inverse


def test_pixel_shuffle_refuses_channels_that_do_not_divide():
  with pytest.raises(ValueError, match='6 channels cannot be shuffled to 2x2 pixels'):
    conv_ops.pixel_shuffle(jnp.zeros((1, 2, 2, 6)))


def test_moments_equal_numpy_in_float32_whatever_the_dtype():
  x = 100 + jax.random.normal(jax.random.key(0), (2, 5, 4, 3))  # large mean: cancellation shows
  for ddof in (0, 1):
    mean, var = conv_ops.moments(x, (1, 2), ddof)
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(mean, exact.mean((1, 2), keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(var, exact.var((1, 2), keepdims=True, ddof=ddof), rtol=1e-4)
  mean, var = conv_ops.moments(x.astype(jnp.bfloat16), (1, 2))
  assert mean.shape == (2, 1, 1, 3) and mean.dtype == var.dtype == jnp.float32


# TensorFlow's SAME. The references are lax's own, which are TensorFlow's (facts: checked against it).


@pytest.mark.parametrize(('size', 'kernel_size', 'stride'), [(8, 5, 2), (7, 5, 1), (9, 4, 2), (8, 3, 3)])
def test_conv_same_is_laxs(size, kernel_size, stride):
  x, kernel = arrays((2, size, size + 2, 3, 4, kernel_size, stride))
  dims = ('NHWC', 'HWIO', 'NHWC')
  expected = lax.conv_general_dilated(x, kernel, (stride, stride), 'SAME', dimension_numbers=dims)
  np.testing.assert_allclose(conv_ops.conv_same(x, kernel, stride), expected, atol=1e-5)


@pytest.mark.parametrize(('size', 'kernel_size', 'stride'), [(4, 5, 2), (7, 5, 1), (1, 5, 2), (6, 4, 2)])
def test_conv_transpose_same_and_its_gradients_are_those_of_tensorflow(size, kernel_size, stride):
  x, _ = arrays((2, size, size + 1, 3, 4, kernel_size, stride))
  kernel = jax.random.normal(jax.random.key(1), (kernel_size, kernel_size, 4, 3))  # HWOI

  def expected(x, kernel):
    dims = ('NHWC', 'HWIO', 'NHWC')
    return lax.conv_transpose(x, kernel, [stride] * 2, 'SAME', None, dims, transpose_kernel=True)

  y, pullback = jax.vjp(lambda *a: conv_ops.conv_transpose_same(*a, stride), x, kernel)
  reference, reference_pullback = jax.vjp(expected, x, kernel)
  np.testing.assert_allclose(y, reference, atol=1e-4)
  for ours, theirs in zip(pullback(y), reference_pullback(y), strict=True):
    np.testing.assert_allclose(ours, theirs, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_a_bias_is_added_in_the_dtype_of_x_and_its_gradient_is_a_sum_in_float32(dtype):
  x = jnp.ones((2, 30, 30, 3), dtype)
  bias = jnp.array([0.5, -1.0, 2.0])
  np.testing.assert_array_equal(conv_ops.add_bias(x, bias)[0, 0, 0], 1 + bias)
  assert conv_ops.add_bias(x, bias).dtype == dtype
  scale = jnp.array([1.0, 2.0, 3.0], dtype).reshape(1, 1, 1, 3)
  dx, dbias = jax.grad(lambda *a: (conv_ops.add_bias(*a) * scale).sum(), argnums=(0, 1))(x, bias)
  assert (dx.dtype, dbias.dtype) == (dtype, jnp.float32)
  np.testing.assert_array_equal(dbias, [1800, 3600, 5400])  # bfloat16 cannot count so far
  np.testing.assert_array_equal(dx[0, 0, 0], [1, 2, 3])
  second = jax.grad(lambda b: (jax.grad(lambda b: (conv_ops.add_bias(x, b) ** 2).sum())(b) ** 2).sum())
  assert np.isfinite(second(bias)).all()
