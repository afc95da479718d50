"""StyleGAN2's projector: the style w, and the noise images, that draw a given photograph.

Karras et al., CVPR 2020, section 5 and appendix D, as the official PyTorch code of StyleGAN2-ADA has it
(projector.py), whose constants these are. One w for all layers begins at the average of 10,000 and is
found by Adam under noise that fades; noise images are found with it, kept free of signal by a penalty
on their autocorrelation at all scales, and brought to mean 0 and mean square 1 after each step.

  minimise  LPIPS(target, G(w + n, noise)) + 1e5 sum over noises, scales of (mean n roll(n))^2

*Where we differ*: LPIPS is that of AlexNet (the official is VGG's, whose weights are 528 MB that nobody
fetches unasked), on images of the network's own values rather than of 0..255, which is what it is made
for. The picture that is written is drawn with the noise that was found; the official script draws it
with the network's own, because the search works on a copy. Draws are JAX's.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from decoupled_gan.core.types import Array
from decoupled_gan.sampling import degradations
from decoupled_gan.sampling import search as engine
from decoupled_gan.sampling.frozen import Frozen
from decoupled_gan.sampling.search import Search

STEPS = 1000
RATE = 0.1
AVERAGED = 10_000  # w, of which average and spread are taken
AVERAGED_SEED = 123
NOISE = 0.05  # of w at first, in spreads of w
NOISE_RAMP = 0.75  # the share of the steps in which it fades
RAMP_UP, RAMP_DOWN = 0.05, 0.25  # of the rate
WEIGHT = 1e5  # of the noise images' penalty
LARGEST = 256  # px, at which images are compared
SMALLEST = 8  # px, the last scale of a noise image


def noise_factor(step, steps: int = STEPS):
  """How many spreads the noise on w has at a step: 0.05 (1 - t / 0.75)^2, and then none."""
  return NOISE * jnp.square(jnp.maximum(0.0, 1.0 - step / steps / NOISE_RAMP))


def rate(step, steps: int = STEPS):
  """The learning rate of a step: up in a line, down in half a cosine; 0 at step 0."""
  t = step / steps
  down = 0.5 - 0.5 * jnp.cos(jnp.pi * jnp.minimum(1.0, (1.0 - t) / RAMP_DOWN))
  return RATE * down * jnp.minimum(1.0, t / RAMP_UP)


def autocorrelation(noise: Array) -> Array:
  """The penalty of one noise image [H, W]: squared correlations with its neighbours, at each scale."""
  total = jnp.float32(0)
  while True:
    total += sum(jnp.square((noise * jnp.roll(noise, 1, axis)).mean()) for axis in (0, 1))
    if len(noise) <= SMALLEST:
      return total
    noise = noise.reshape(len(noise) // 2, 2, len(noise) // 2, 2).mean((1, 3))


def normalised(noise: Array) -> Array:
  """Noise images [B, H, W, 1], each of mean 0 and mean square 1."""
  noise = noise - noise.mean((1, 2, 3), keepdims=True)
  return noise * jax.lax.rsqrt(jnp.square(noise).mean((1, 2, 3), keepdims=True))


def statistics(style: Callable[[Array], Array], z_dim: int) -> tuple[Array, Array]:
  """(the average w [w_dim], its spread): the root of the mean squared length of w - average.

  A length, summed over w's entries, not averaged; z are those of the official seed.

  Args:
    style: z [N, z_dim] -> w [N, w_dim].
  """
  z = np.random.RandomState(AVERAGED_SEED).randn(AVERAGED, z_dim).astype(np.float32)
  w = style(z)
  average = w.mean(0)
  return average, jnp.sqrt(jnp.square(w - average[None]).sum() / len(w))


def optimizer(steps: int = STEPS) -> optax.GradientTransformation:
  return optax.adam(lambda step: rate(step, steps))


def begin(frozen: Frozen, average: Array, keys: Array, steps: int = STEPS) -> Search:
  """The search at its start, for a key of each target [B]."""

  def noises(key):
    leaves, tree = jax.tree.flatten(frozen.variables['noise'])
    keys = jax.random.split(jax.random.fold_in(key, 0), len(leaves))
    drawn = [jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, drawn)

  w = jnp.broadcast_to(average[None], (len(keys), len(average)))
  return engine.begin({'w': w, 'noise': jax.vmap(noises)(keys)}, optimizer(steps), len(keys))


def advance(
  frozen: Frozen,
  search: Search,
  targets: Array,
  keys: Array,
  spread: Array,
  distance: Callable[[Array, Array], Array],
  number: int,
  steps: int = STEPS,
) -> Search:
  """`number` steps more, of `steps` in all.

  Args:
    targets: [B, S, S, C] in [-1, 1].
    spread: of w, see `statistics`.
    distance: (images, targets) -> [B].
  """

  def shaken(w, key, step):
    drawn = jax.random.normal(jax.random.fold_in(key, step + 1), w.shape)
    return w + spread * noise_factor(step, steps) * drawn

  def loss(variables, step):
    w = jax.vmap(shaken, (0, 0, None))(variables['w'], keys, step)
    images = paint(frozen, w, variables['noise'])
    return distance(compared(images), compared(targets)) + WEIGHT * penalties(variables['noise'])

  return engine.advance(search, loss, optimizer(steps), number, tidy)


def penalties(noises: Any) -> Array:
  """[B]: the sum over the noise images of each row, [B, H, W, 1]."""
  each = [jax.vmap(lambda n: autocorrelation(n[..., 0]))(noise) for noise in jax.tree.leaves(noises)]
  return jnp.stack(each).sum(0)


def tidy(variables: dict) -> dict:
  """The variables after a step: noise images normalised."""
  return {**variables, 'noise': jax.tree.map(normalised, variables['noise'])}


def paint(frozen: Frozen, w: Array, noises: Any) -> Array:
  """Images [B, S, S, C] of styles [B, w_dim], each with noise images of its own."""
  return jax.vmap(lambda w, noise: frozen.replace(noise=noise).paint(w[None])[0])(w, noises)


def compared(images: Array) -> Array:
  """Images at the size at which they are compared: means over areas where they are larger."""
  factor = images.shape[1] // LARGEST
  return degradations.pool(images, factor) if factor > 1 else images
