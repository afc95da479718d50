"""Examples under the numbers of clusters that the discriminator's features have: Self-Conditioned GAN.

Liu, Wang, Bau, Zhu, Torralba, CVPR 2020, arXiv 2006.10728. Nothing is labelled; the event `clusters`
(methods/events/clusters.py) finds the clusters between steps, and keeps the number of each training
example's in `state.memory`. Heads and generators take them for labels of `config.data.clusters`
classes.
"""

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError
from decoupled_gan.terms.scenes import SCENES, Scene, by_latent

SHARES = 'shares of clusters'
"""What the event tells the drawing of: how large each cluster is, [K]."""


class Clustered(Scene):
  """The labels are the clusters of the examples; fakes are made under those of the real rows."""

  can_judge = False

  def __init__(self, gan, batch: Examples, frozen: bool):
    if batch.index is None or batch.labels is not None:
      raise UserError(
        "model.scene='clustered' labels examples by their numbers: it needs data.index=True, "
        'data.clusters=<how many>, events.clusters=<steps> and no attributes.'
      )
    super().__init__(gan, batch, frozen)
    kept = gan.get_variable('memory', 'clusters', {'labels': jnp.zeros(1, jnp.int32)})
    self.labels = kept['labels'][self.index][:, None]
    self.recall(SHARES, jnp.full(gan.kept['clusters'], 1 / max(gan.kept['clusters'], 1)))

  @staticmethod
  def under(gan, codes: Array, labels: Array | None) -> Array:
    """A cluster for each code, by the clusters' shares and the code alone: [B, 1]."""
    shares = jnp.log(jnp.maximum(gan.get_variable('terms', SHARES), 1e-12))
    return by_latent(codes, lambda key: jax.random.categorical(key, shares))[:, None]


SCENES['clustered'] = Clustered
"""Latents are fresh in each phase, where the official code has one for both updates of a step."""
