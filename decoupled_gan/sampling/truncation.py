"""BigGAN's truncation trick (Brock, Donahue and Simonyan, ICLR 2019, arXiv 1809.11096, section 3.1).

Latents of N(0, 1) whose numbers beyond a threshold are drawn again (not clipped): better examples, and
less varied ones. StyleGAN2's truncation moves w to its average: that is `--truncation`.
"""

import jax

from decoupled_gan.core.types import Array
from decoupled_gan.sampling.frozen import Frozen, each


def truncated(key: Array, size: int, threshold: float) -> Array:
  """z [size] of N(0, 1), given that each number is within the threshold."""
  return jax.random.truncated_normal(key, -threshold, threshold, (size,))


def sample(
  frozen: Frozen, keys: Array, labels: Array | None, threshold: float
) -> tuple[Array, dict[str, Array]]:
  """Examples [B, ...] of truncated latents; there is nothing to tell."""
  size = frozen.module.z_dim
  z = jax.vmap(lambda key: truncated(key, size, threshold))(each(keys, 0))
  return frozen.draw(z, labels), {}
