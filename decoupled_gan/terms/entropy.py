"""MEE: a discriminator whose outputs are an embedding (Liu et al., AAAI 2023, arXiv 2208.12055).

The score is the mean of its k outputs (MaF-GAN), so that the adversarial loss is `wasserstein` with
config.model.outputs = k. Two terms give the embedding its structure, one spreads it out:

  dlle     D(x) is near D of x flipped
  disomap  D of a line through a real example and a fake runs straight, beyond both as well
  entropy  -log of the mean distance of a code to its nearest neighbour in a memory of codes

Targets and memories are constants. *Where we differ*: the released memory compares each code with its
own column of a buffer that shrinks to one row within 17 steps: with the code at its place in the batch
before. `official=True` has that row from the first step on. Ours is the paper's meaning, a ring of the
last codes, with distances to all. Latents of G's step are fresh, and points are not flipped.
"""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array
from decoupled_gan.losses import f32
from decoupled_gan.losses.pixels import mse
from decoupled_gan.terms import term
from decoupled_gan.terms.scenes import Scene


@term('discriminate')
def dlle(scene: Scene, noise: float = 0.001) -> Array:
  """mse(D(x), stop D(flipped x + noise)) of real examples plus that of fakes; weight 1."""
  axis, found = jax.random.bernoulli(scene.key('axis of dlle')), 0.0
  for name, x, outputs in (('real', scene.real, scene.on_real), ('fake', scene.fake, scene.on_fake)):
    if x.ndim == 4:
      x = jnp.where(axis, x[:, ::-1], x[:, :, ::-1])
    x = x + noise * jax.random.normal(scene.key(f'dlle of {name}'), x.shape)
    found += mse(outputs, stop_gradient(scene.judge(x, f'dlle of {name}', name).outputs))
  return found


@term('discriminate')
def disomap(scene: Scene, noise: float = 0.05) -> Array:
  """mse(D(a real + (1 - a) fake), stop(a D(real) + (1 - a) D(fake) + noise)), a ~ N(0, 1); weight 1."""
  real, fake = scene.on_real, scene.on_fake
  share = jax.random.normal(scene.key('share of disomap'), (len(real), 1))
  noise = noise * jax.random.normal(scene.key('noise of disomap'), real.shape)
  target = stop_gradient(share * f32(real) + (1 - share) * f32(fake) + noise)
  share = share.reshape(-1, *[1] * (scene.real.ndim - 1))
  x = share * scene.real + (1 - share) * scene.fake
  return mse(scene.judge(x, 'disomap').outputs, target)


@term('discriminate', 'generate')
def entropy(scene: Scene, memory: int = 1024, official: bool = False) -> Array:
  """-log mean_i min_j mean_k (code_ik - memory_jk)^2: of real codes for D, of fakes for G.

  The weight 5e-4 rises to its value over 100 epochs. The memory begins as numbers of U(-1, 1).
  """
  codes = f32(scene.on_real if scene.frozen else scene.on_fake)
  name = f'codes of {"real" if scene.frozen else "fake"}'
  rows = len(codes) if official else memory
  start = jax.random.uniform(jax.random.key(0), (rows, codes.shape[1]), minval=-1)
  kept = scene.recall(name, start)
  scene.remember(name, jnp.concatenate([kept, codes])[-rows:])
  distances = jnp.square(codes - kept).mean(1) if official else nearest(codes, kept)
  return -jnp.log(distances.mean())


def nearest(codes: Array, memory: Array) -> Array:
  """The least mean squared distance of each code [B, k] to the rows of a memory [M, k]: [B]."""
  return jnp.square(codes[:, None] - memory[None]).mean(2).min(1)
