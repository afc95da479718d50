"""FIR resampling and StyleGAN2's layers against their plain definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from decoupled_gan.layers import conv_ops
from decoupled_gan.layers.equalised import (
  EqualisedConv,
  EqualisedDense,
  StyledConv,
  ToImage,
  append_deviation,
)
from decoupled_gan.layers.resample import TAPS, conv_resampled, downsample, upfirdn, upsample


def normal(*shape, seed=0):
  return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)


def zeros_between(x, up):
  """Each pixel followed by up - 1 zeros."""
  batch, height, width, channels = x.shape
  out = np.zeros((batch, up * height, up * width, channels), np.float64)
  out[:, ::up, ::up] = x
  return out


def plain_upfirdn(x, taps, up, down, pad, gain):
  """The definition, pixel by pixel."""
  x = np.pad(zeros_between(x, up), ((0, 0), pad, pad, (0, 0)))
  kernel = np.outer(taps, taps)[::-1, ::-1] * gain / np.sum(taps) ** 2
  n = len(taps)
  height, width = (size - n + 1 for size in x.shape[1:3])
  y = sum(kernel[i, j] * x[:, i : i + height, j : j + width] for i in range(n) for j in range(n))
  return y[:, ::down, ::down]


@pytest.mark.parametrize(
  ('taps', 'up', 'down', 'pad', 'gain'),
  [
    (TAPS, 1, 1, (2, 1), 1),
    (TAPS, 2, 1, (2, 1), 4),
    (TAPS, 1, 2, (1, 1), 1),
    (TAPS, 1, 1, (2, 2), 4),
    (TAPS, 3, 2, (0, 1), 9),
    ((1, 2, 5), 2, 1, (1, 1), 4),
    ((1, 2, 5), 1, 3, (2, 0), 1),
  ],
)
def test_upfirdn_is_zeros_padding_convolution_and_every_nth_pixel(taps, up, down, pad, gain):
  x = normal(2, 7, 6, 3)
  expected = plain_upfirdn(x, taps, up, down, pad, gain)
  np.testing.assert_allclose(upfirdn(x, taps, up, down, pad, gain), expected, atol=1e-5)


def test_up_and_downsampling_keep_constants_away_from_the_border_and_double_and_halve():
  x = jnp.ones((1, 8, 6, 2))
  assert upsample(x).shape == (1, 16, 12, 2)
  assert downsample(x).shape == (1, 4, 3, 2)
  np.testing.assert_allclose(upsample(x)[:, 2:-2, 2:-2], 1, atol=1e-6)
  np.testing.assert_allclose(downsample(x)[:, 1:-1, 1:-1], 1, atol=1e-6)


def correlate(x, kernel, padding, stride=1, spread=1):
  return lax.conv_general_dilated(
    x, kernel, (stride, stride), padding, (spread, spread), dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )


def plain_conv(x, kernel, up, down):
  """By dilated `lax` convolutions and the FIR as one of 4x4."""
  size = kernel.shape[0]
  fir = np.outer(TAPS, TAPS).astype(np.float32)[:, :, None, None] / 64

  def filtered(x, low, high, gain=1.0, **options):
    channels = np.moveaxis(np.asarray(x), -1, 0)[..., None]
    pad = ((low, high), (low, high))
    return jnp.concatenate([correlate(c, fir * gain, pad, **options) for c in channels], -1)

  if size == 1:
    x = filtered(x, 1, 1, stride=2) if down else x
    y = correlate(x, kernel, 'VALID')
    return filtered(y, 2, 2, 4.0, spread=2) if up else y
  if up:
    y = correlate(x, kernel[::-1, ::-1], ((2, 2), (2, 2)), spread=2)
    return filtered(y, 1, 1, 4.0)
  if down:
    return correlate(filtered(x, 2, 2), kernel, 'VALID', stride=2)
  return correlate(x, kernel, ((1, 1), (1, 1)))


@pytest.mark.parametrize('size', [1, 3])
@pytest.mark.parametrize(('up', 'down'), [(False, False), (True, False), (False, True)])
def test_resampled_convolutions_equal_their_definition(size, up, down):
  x, kernel = normal(2, 8, 6, 3), normal(size, size, 3, 5, seed=1)
  expected = plain_conv(x, kernel, up, down)
  np.testing.assert_allclose(conv_resampled(x, kernel, up, down), expected, atol=1e-4)


def test_resampled_convolutions_equal_torch():
  torch = pytest.importorskip('torch', reason='the extra `interop` is not installed')
  functional = torch.nn.functional
  x, kernel = normal(2, 8, 6, 3), normal(3, 3, 3, 5, seed=1)
  nchw = torch.tensor(x.transpose(0, 3, 1, 2))
  fir = torch.outer(torch.tensor(TAPS), torch.tensor(TAPS)) / 64

  def filtered(y, pad, gain):
    stacked = (fir * gain)[None, None].repeat(y.shape[1], 1, 1, 1)
    return functional.conv2d(functional.pad(y, [pad] * 4), stacked, groups=y.shape[1])

  up = functional.conv_transpose2d(nchw, torch.tensor(kernel.transpose(2, 3, 0, 1)), stride=2)
  down = functional.conv2d(filtered(nchw, 2, 1), torch.tensor(kernel.transpose(3, 2, 0, 1)), stride=2)
  for ours, theirs in (
    (conv_resampled(x, kernel, up=True), filtered(up, 1, 4)),
    (conv_resampled(x, kernel, down=True), down),
  ):
    np.testing.assert_allclose(ours, theirs.permute(0, 2, 3, 1), atol=1e-4)


@pytest.mark.parametrize(('up', 'down'), [(True, False), (False, True)])
def test_second_derivatives_through_resampling_equal_those_of_the_definition(up, down):
  """What R1 and the path length need: the gradient of a squared gradient norm."""
  x, kernel = normal(1, 4, 4, 2), normal(3, 3, 2, 3, seed=1)

  def penalty(conv):
    def squared(kernel):
      gradient = jax.grad(lambda x: (conv(x, kernel, up, down) ** 3).sum())(x)
      return (gradient**2).sum()

    return jax.grad(squared)(kernel)

  def plain(x, kernel, up, down):
    fir = (np.outer(TAPS, TAPS).astype(np.float32) / 64)[:, :, None, None]
    if up:
      y = correlate(x, kernel[::-1, ::-1], ((2, 2), (2, 2)), spread=2)
      depthwise = jnp.tile(fir, (1, 1, 1, 3)) * 4
      groups, pad, stride = 3, ((1, 1), (1, 1)), 1
    else:
      y, depthwise = x, jnp.tile(fir, (1, 1, 1, 2))
      groups, pad, stride = 2, ((2, 2), (2, 2)), 1
    y = lax.conv_general_dilated(
      y, depthwise, (stride, stride), pad, dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
      feature_group_count=groups,
    )  # fmt: skip
    return y if up else correlate(y, kernel, 'VALID', stride=2)

  np.testing.assert_allclose(penalty(conv_resampled), penalty(plain), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_conv_transpose_is_the_adjoint_of_conv(stride):
  x, kernel = normal(2, 5, 4, 3), normal(3, 3, 3, 2, seed=1)
  y = conv_ops.conv_transpose(x, kernel, stride)
  assert y.shape == (2, 4 * stride + 3, 3 * stride + 3, 2)
  other = normal(*y.shape, seed=2)
  back = conv_ops.conv(other, kernel.swapaxes(2, 3), stride)
  np.testing.assert_allclose((y * other).sum(), (x * back).sum(), rtol=1e-4)


# Layers.


def test_a_layer_keeps_the_variance_of_its_input_at_initialisation():
  x = jax.random.normal(jax.random.key(1), (64, 8, 8, 32))
  for layer, value in [
    (EqualisedConv(64, activation='linear'), x[:, 2:-2, 2:-2]),
    (EqualisedDense(512), x[:, 0, 0]),
    (EqualisedDense(512, lr_multiplier=0.01), x[:, 0, 0]),
  ]:
    y = layer.init_with_output(jax.random.key(0), value)[0]
    y = y[:, 1:-1, 1:-1] if y.ndim == 4 else y
    np.testing.assert_allclose(y.std(), 1, atol=0.05)


def test_stored_weights_have_unit_variance_divided_by_the_rate_multiplier():
  params = EqualisedDense(512, lr_multiplier=0.01).init(jax.random.key(0), jnp.ones((1, 256)))
  np.testing.assert_allclose(params['params']['kernel'].std(), 100, rtol=0.02)


@pytest.mark.parametrize('layer', [StyledConv(5), ToImage(5)])
def test_modulation_equals_a_convolution_by_a_kernel_of_each_images_own(layer):
  x, w = normal(3, 6, 6, 4), normal(3, 7, seed=1)
  extra = ('none',) if isinstance(layer, StyledConv) else ()
  variables = layer.init(jax.random.key(0), x, w, *extra)
  params = variables['params']
  style = w @ params['affine']['kernel'] / 7**0.5 + params['affine']['bias'][None]
  expected = []
  for image, s in zip(x, style, strict=True):
    if extra:
      kernel = params['kernel'] * s[None, None, :, None]
      kernel = kernel / jnp.sqrt((kernel**2).sum((0, 1, 2)) + 1e-8)[None, None, None]
      y = correlate(image[None], kernel, 'SAME')
      expected.append(jnp.where(y > 0, y, 0.2 * y) * 2**0.5)
    else:
      kernel = params['kernel'] * (s / 2)[None, None, :, None]  # 1 / sqrt(4 inputs)
      expected.append(correlate(image[None], kernel, 'SAME'))
  np.testing.assert_allclose(layer.apply(variables, x, w, *extra), jnp.concatenate(expected), atol=1e-4)


def test_the_clamp_limits_activations_before_the_gain():
  layer = EqualisedConv(3, 1, gain=0.5, clamp=0.1)
  y = layer.init_with_output(jax.random.key(0), 100 * normal(1, 4, 4, 3))[0]
  assert np.abs(y).max() == np.float32(0.05)


def test_the_minibatch_deviation_is_that_of_every_nth_image():
  x = normal(6, 2, 2, 3)
  y = append_deviation(x, 3)
  assert y.shape == (6, 2, 2, 4)
  np.testing.assert_array_equal(y[..., :3], x)
  for n in range(6):
    group = x[n % 2 :: 2]  # images n, n + 2, n + 4
    deviation = np.sqrt(group.var(0) + 1e-8).mean()
    np.testing.assert_allclose(y[n, :, :, 3], deviation, rtol=1e-5)


@pytest.mark.parametrize(('batch', 'asked', 'size'), [(2, 4, 2), (6, 4, 2), (5, 4, 1), (8, 4, 4)])
def test_groups_of_a_size_that_does_not_divide_the_batch_are_smaller(batch, asked, size):
  x = normal(batch, 2, 2, 3)
  np.testing.assert_array_equal(append_deviation(x, asked), append_deviation(x, size))
