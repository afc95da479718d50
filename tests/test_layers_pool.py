"""The image pool against the official one, with its draws given."""

import jax
import jax.numpy as jnp
import numpy as np

from decoupled_gan.layers.pool import ImagePool, exchange

# What the official ImagePool(3) did with scalar images: (in, out, stored, chances, places); a draw that
# it did not make is 0.
OFFICIAL = [
  ((0, 1), (0, 1), (0, 1), (0, 0), (0, 0)),
  ((2, 3), (2, 3), (0, 1, 2), (0, 0.324), (0, 0)),
  ((4, 5), (4, 0), (5, 1, 2), (0.151, 0.651), (0, 0)),
  ((6, 7), (5, 7), (6, 1, 2), (0.821, 0.366), (0, 0)),
  ((8, 9), (8, 6), (9, 1, 2), (0.058, 0.507), (0, 0)),
]


def images(*values):
  return jnp.array(values, jnp.float32).reshape(-1, 1, 1, 1)


def test_the_pool_gives_back_and_stores_what_the_official_one_does():
  held, count = images(-1, -1, -1), jnp.int32(0)
  for given, expected, stored, chances, places in OFFICIAL:
    out, held, count = exchange(
      held, count, images(*given), jnp.array(chances, jnp.float32), jnp.array(places)
    )
    assert tuple(out.ravel()) == expected
    assert tuple(held.ravel())[: len(stored)] == stored
    assert count == len(stored)


def test_an_image_of_this_very_batch_can_come_back_later_in_it():
  full, always = images(1, 2), jnp.ones(2)
  out, held, _ = exchange(full, jnp.int32(2), images(3, 4), always, jnp.array([1, 1]))
  assert tuple(out.ravel()) == (2, 3)
  assert tuple(held.ravel()) == (1, 4)


def test_the_pool_is_empty_after_initialisation_and_stays_as_it_is_where_nothing_may_change():
  pool, batch = ImagePool(4), images(1, 2)
  variables = pool.init({'params': jax.random.key(0), 'noise': jax.random.key(1)}, batch)
  assert variables['pool']['count'] == 0
  _, changed = pool.apply(variables, batch, mutable=['pool'], rngs={'noise': jax.random.key(0)})
  assert changed['pool']['count'] == 2
  np.testing.assert_array_equal(changed['pool']['images'].ravel(), [1, 2, 0, 0])


def test_half_of_the_images_of_a_full_pool_are_older_ones_and_none_has_a_gradient():
  pool, batch = ImagePool(8), jnp.arange(64.0).reshape(64, 1, 1, 1)
  variables = {'pool': {'images': -jnp.ones((8, 1, 1, 1)), 'count': jnp.int32(8)}}

  def given(batch):
    return pool.apply(variables, batch, mutable=['pool'], rngs={'noise': jax.random.key(0)})[0]

  older = int((given(batch) != batch).sum())
  assert 20 <= older <= 44
  assert not jax.grad(lambda x: given(x).sum())(batch).any()


def test_a_pool_of_size_0_changes_nothing_and_keeps_nothing():
  out, variables = ImagePool(0).init_with_output(jax.random.key(0), images(5, 6))
  assert tuple(out.ravel()) == (5, 6)
  assert not variables
