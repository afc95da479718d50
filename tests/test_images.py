"""Between uint8 and [-1, 1]."""

import jax
import jax.numpy as jnp
import numpy as np

from decoupled_gan.core.images import to_float, to_uint8
from decoupled_gan.core.types import Pair

LEVELS = np.arange(256, dtype=np.uint8)


def test_all_256_levels_come_back():
  np.testing.assert_array_equal(to_uint8(to_float(jnp.asarray(LEVELS))), LEVELS)


def test_all_256_levels_come_back_from_inside_jit():
  np.testing.assert_array_equal(to_uint8(jax.jit(to_float)(LEVELS)), LEVELS)


def test_to_float_is_the_official_normalisation():
  floats = to_float(jnp.array([0, 51, 102, 255], jnp.uint8))
  assert floats.dtype == jnp.float32
  np.testing.assert_allclose(floats, [-1, -0.6, -0.2, 1], atol=1e-6)


def test_to_float_takes_numpy_arrays_as_well():
  np.testing.assert_allclose(to_float(np.array([0, 255], np.uint8)), [-1, 1])


def test_to_float_reaches_into_pairs_and_leaves_what_is_no_uint8():
  labels, image = jnp.array([3], jnp.int32), jnp.array([0], jnp.uint8)
  batch = to_float({'images': Pair(image, jnp.float32(7)), 'labels': labels})
  assert batch['images'].a.tolist() == [-1]
  assert batch['images'].b == 7
  assert batch['labels'] is labels


def test_to_float_twice_is_to_float_once():
  once = to_float(jnp.asarray(LEVELS))
  np.testing.assert_array_equal(to_float(once), once)


def test_to_uint8_rounds_to_the_nearest_level():
  step = 2 / 255
  values = [-1 + 0.4 * step, -1 + 0.6 * step, 1 - 0.4 * step, 1 - 0.6 * step]
  assert to_uint8(values).tolist() == [0, 1, 255, 254]


def test_to_uint8_clips_what_is_outside():
  assert to_uint8(np.array([-1.5, -1, 1, 1.01, 30])).tolist() == [0, 0, 255, 255, 255]


def test_to_uint8_takes_bfloat16_and_gives_numpy():
  image = to_uint8(jnp.array([-1, 0, 1], jnp.bfloat16))
  assert isinstance(image, np.ndarray)
  assert image.dtype == np.uint8
  assert image.tolist() == [0, 128, 255]
