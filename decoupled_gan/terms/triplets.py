"""Triplets: a discriminator whose outputs are an embedding (Zieba and Wang, 2017, arXiv 1704.02227).

Few examples have labels. Distances of outputs T(x) learn by triplets of those; all examples, and fakes,
teach the same T by a GAN's loss that reads its outputs as logits of classes: `k_plus_one` of
losses/adversarial.py with as many outputs as the embedding has. The generator matches their means.

*Where we differ* (maciejzieba/tripletGAN): a triplet for each labelled example of a batch, with a
positive that is not the anchor itself and a negative that is of another class. The official MNIST
script misaligns them, so that one negative in nine has the anchor's class, and one positive in ten is
the anchor. The triplets see the same noise of D as the adversarial loss.
"""

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.losses import f32
from decoupled_gan.terms import term
from decoupled_gan.terms.scenes import Scene


@term('discriminate', few_labels=True)
def triplet(scene: Scene) -> Array:
  """mean softplus(|T a - T p| - |T a - T n|) over labelled anchors a of the batch; weight 1."""
  if scene.labels is None or jnp.issubdtype(scene.labels.dtype, jnp.floating):
    raise UserError('triplet goes by classes: name some of the data in config.attributes.')
  labels, key = scene.labels[:, 0], scene.key('triplet')
  positive, negative, there = drawn(key, labels)
  t = f32(scene.on_real)
  losses = triplet_losses(t, t[positive], t[negative])
  return jnp.where(there, losses, 0).sum() / jnp.maximum(there.sum(), 1)


@term('generate')
def output_matching(scene: Scene) -> Array:
  """The mean square of mean T(G z) - mean T(x): of the outputs themselves; instead of `adversarial`."""
  return jnp.square(f32(scene.on_fake).mean(0) - f32(scene.on_real).mean(0)).mean()


def drawn(key: Array, labels: Array) -> tuple[Array, Array, Array]:
  """(another example of each one's class, one of another class, whether there are both): [B] each.

  Labels below 0 are unknown: such examples are in no triplet.
  """
  same, known = labels[:, None] == labels[None], labels >= 0
  of_class = same & ~jnp.eye(len(labels), dtype=bool) & known[None]
  others = ~same & known[None]
  scores = jax.random.uniform(key, (2, *same.shape))
  chosen = [jnp.where(mask, x, -1).argmax(1) for mask, x in zip((of_class, others), scores, strict=True)]
  return *chosen, known & of_class.any(1) & others.any(1)


def triplet_losses(anchor: Array, positive: Array, negative: Array) -> Array:
  """softplus(|a - p| - |a - n|), [B]: distances, not their squares, and no margin."""

  def distance(x):  # with a slope of 0, not NaN, where two examples are one
    return jnp.sqrt(jnp.square(anchor - x).sum(-1) + 1e-12)

  return jax.nn.softplus(distance(positive) - distance(negative))
