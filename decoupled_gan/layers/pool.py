"""The image pool: fakes of earlier steps, so that a discriminator does not forget what they taught it.

Shrivastava et al., CVPR 2017, section 2.3, as CycleGAN (Zhu et al., ICCV 2017) has it. The images are a
variable in the collection 'pool': state without gradients that is updated within the step, and saved
with the run. (The official code does not save its pools.)
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array


def exchange(
  held: Array, count: Array, images: Array, chance: Array, places: Array
) -> tuple[Array, Array, Array]:
  """Puts images into a pool, one after the other, and takes as many out: (images out, held, count).

  While the pool is not full an image is stored and given back. After that it is given back and not
  stored if its chance is 0.5 at most; else it changes places with a stored one, which may be of this
  very batch.

  Args:
    held: [P, H, W, C], of which the first `count` are stored images.
    images: [B, H, W, C].
    chance: [B], U(0, 1).
    places: [B], of 0 .. P-1.
  """

  def step(pool, given):
    held, count = pool
    image, chance, place = given
    filling = count < len(held)
    place = jnp.where(filling, count, place)
    stores = filling | (chance > 0.5)
    stored = jax.lax.dynamic_index_in_dim(held, place, keepdims=False)
    out = jnp.where(stores & ~filling, stored, image)
    new = jnp.where(stores, image, stored)
    held = jax.lax.dynamic_update_index_in_dim(held, new, place, 0)
    return (held, count + filling), out

  (held, count), out = jax.lax.scan(step, (held, count), (images, chance, places))
  return out, held, count


class ImagePool(nn.Module):
  """Images [B, H, W, C] -> as many, some of them older; constants. A size of 0 changes nothing.

  Attributes:
    size: how many are kept.
  """

  size: int = 50

  @nn.compact
  def __call__(self, images: Array) -> Array:
    images = jax.lax.stop_gradient(images)
    if not self.size:
      return images
    held = self.variable('pool', 'images', jnp.zeros, (self.size, *images.shape[1:]), images.dtype)
    count = self.variable('pool', 'count', jnp.zeros, (), jnp.int32)
    if self.is_initializing():
      return images
    chance, places = self.draws(len(images))
    out, held.value, count.value = exchange(held.value, count.value, images, chance, places)
    return out

  def draws(self, number: int) -> tuple[Array, Array]:
    """(chance, places) of so many images, see `exchange`."""
    chance, place = jax.random.split(self.make_rng('noise'))
    return jax.random.uniform(chance, (number,)), jax.random.randint(place, (number,), 0, self.size)
