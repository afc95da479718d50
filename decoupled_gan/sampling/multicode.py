"""Latents that draw a given example: one, or several that share the work of a layer.

mGANprior (Gu, Shen and Zhou, CVPR 2020, arXiv 1912.07116): N latents, whose features at a layer are
weighted for each channel and added; the rest of the generator makes the image of the sum.

  F_n = G up to the layer (z_n),  x = G after it (sum_n F_n * alpha_n),   least |phi(x) - phi(target)|^2

phi is a degradation (degradations.py): what a mask hides, or a small or grey image lacks, comes from the
generator. Without a layer it is the search for one z.

*Where we differ*: the sum is the paper's; the official code divides it by N once more, though alpha
begins at 1 / N (`averaged` does that). Adam, whose rate falls over the second half, rather than SGD at a
rate of 1, which fits their loss and networks alone. Their loss adds 0.001 of VGG16's relu3_3; here one
names a distance. N = 1 with weights is more than one z: compare with it.

Measured: `main.py --mode=project` on a generator of digits, configs/r1_gan.py:digits with
--config.model.backbone=dcgan, model.width=24, model.z_dim=16, r1 0.05 and 1,500 steps, one seed, 8 of
the set's digits: PSNR 21.5 dB with one z, 28.3 with --layer=start --codes=1, 50.2 with --codes=5. On
images of 8 px that says what many codes can fit, not what they restore.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from decoupled_gan.core.types import Array
from decoupled_gan.sampling import search as engine
from decoupled_gan.sampling.frozen import Frozen
from decoupled_gan.sampling.search import Search

STEPS = 500
RATE = 0.05  # ours, see above
RESTARTS = 4  # of a search for one z, which ends in local minima


def compose(features: Array, alpha: Array, averaged: bool = False) -> Array:
  """[B, N, ..., C] features and [B, N, C] weights -> [B, ..., C]."""
  batch, count, channels = alpha.shape
  weights = alpha.reshape(batch, count, *[1] * (features.ndim - 3), channels)
  total = (features * weights).sum(1)
  return total / count if averaged else total


def features(frozen: Frozen, z: Array, labels: Array | None, layer: str) -> Array:
  """What the layer gives of latents [B, N, z_dim]: [B, N, ..., C]."""
  batch, count, size = z.shape
  told = None if labels is None else jnp.repeat(labels, count, 0)
  found = frozen.cut(frozen.codes(z.reshape(-1, size)), told, upto=layer)
  return found.reshape(batch, count, *found.shape[1:])


def paint(
  frozen: Frozen, variables: dict, labels: Array | None = None, layer: str = '', averaged: bool = False
) -> Array:
  """The examples [B, ...] of {'z': [B, N, z_dim], 'alpha': [B, N, C]}; without a layer, of the one z."""
  if not layer:
    return frozen.draw(variables['z'][:, 0], labels)
  found = features(frozen, variables['z'], labels, layer)
  return frozen.cut(compose(found, variables['alpha'], averaged), labels, from_=layer)


def begin(
  frozen: Frozen, keys: Array, labels: Array | None = None, layer: str = '', codes: int = 1,
  steps: int = STEPS,
) -> Search:  # fmt: skip
  """The search at its start, for a key of each target [B]: z of N(0, 1), alpha 1 / N."""
  size = frozen.module.z_dim
  z = jax.vmap(lambda key: jax.random.normal(key, (codes, size)))(keys)
  variables = {'z': z}
  if layer:
    shape = jax.eval_shape(lambda z: features(frozen, z, labels, layer), z)
    variables['alpha'] = jnp.full((len(keys), codes, shape.shape[-1]), 1 / codes)
  return engine.begin(variables, optimizer(steps), len(keys))


def optimizer(steps: int) -> optax.GradientTransformation:
  return optax.adam(engine.decaying(RATE, steps))


def advance(
  frozen: Frozen,
  search: Search,
  targets: Array,
  labels: Array | None,
  distance: Callable[[Array, Array], Array],
  number: int,
  steps: int = STEPS,
  layer: str = '',
) -> Search:
  """`number` steps more, of `steps` in all.

  Args:
    distance: (examples, targets) -> [B], of what is seen of both: with phi in it.
  """

  def loss(variables, step):
    return distance(paint(frozen, variables, labels, layer), targets)

  return engine.advance(search, loss, optimizer(steps), number)
