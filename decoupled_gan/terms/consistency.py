"""Consistency: the discriminator is to say the same of an example and of its like.

  consistency         CR (Zhang et al., ICLR 2020, arXiv 1910.12027); bCR's half on real examples
  consistency_fake    bCR's other half (Zhao et al., AAAI 2021, arXiv 2002.04724)
  latent_consistency, latent_diversity    zCR's two halves (Zhao et al., AAAI 2021)

An image's like is mirrored with probability 1/2 and shifted by up to an eighth of its size, the border
reflected, as in StudioGAN; drawn for each image of each kind on its own. Gradients flow through both
outputs. The radius and weights of zCR are StudioGAN's (0.05, 20, 0.5); the paper's differ.
"""

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.losses.pixels import mse
from decoupled_gan.terms import term
from decoupled_gan.terms.scenes import Scene

REACH = 1 / 8  # of the size


def alike(key: Array, images: Array) -> Array:
  """Images [B, H, W, C], each mirrored or not and shifted; raises UserError for points."""
  if images.ndim != 4:
    raise UserError('consistency mirrors and shifts images, and points have no such likes.')
  count, height, width, channels = images.shape
  reach = [int(REACH * n) for n in (height, width)]
  padded = jnp.pad(images, ((0, 0), *((n, n) for n in reach), (0, 0)), 'reflect')

  def one(key, padded):
    flip, *shifts = jax.random.split(key, 3)
    start = [jax.random.randint(k, (), 0, 2 * n + 1) for k, n in zip(shifts, reach, strict=True)]
    image = jax.lax.dynamic_slice(padded, (*start, 0), (height, width, channels))
    return jnp.where(jax.random.bernoulli(flip), image[:, ::-1], image)

  return jax.vmap(one)(jax.random.split(key, count), padded)


@term('discriminate')
def consistency(scene: Scene) -> Array:
  """mean (D(x) - D(T x))^2 on real images; weight 10."""
  like = scene.judge(alike(scene.key('consistency'), scene.real), 'consistency', 'real').outputs
  return mse(scene.on_real, like)


@term('discriminate')
def consistency_fake(scene: Scene) -> Array:
  """mean (D(g) - D(T g))^2 on fakes; weight 10."""
  like = scene.judge(alike(scene.key('consistency_fake'), scene.fake), 'consistency_fake').outputs
  return mse(scene.on_fake, like)


@term('discriminate')
def latent_consistency(scene: Scene, radius: float = 0.05) -> Array:
  """mean (D(G z) - D(G(z + e)))^2, e = radius N(0, 1); weight 20."""
  near = scene.draw(_near(scene, 'latent_consistency', radius))
  return mse(scene.on_fake, scene.judge(near, 'latent_consistency').outputs)


@term('generate')
def latent_diversity(scene: Scene, radius: float = 0.05) -> Array:
  """-mean (G z - G(z + e))^2, over pixels too: a difference is rewarded; weight 0.5."""
  return -mse(scene.fake, scene.draw(_near(scene, 'latent_diversity', radius)))


def _near(scene: Scene, name: str, radius: float) -> Array:
  return scene.z + radius * jax.random.normal(scene.key(name), scene.z.shape)
