"""Conditions that are frozen features of training examples: Instance-Conditioned GAN.

Casanova, Careil, Verbeek, Drozdzal, Romero-Soriano, NeurIPS 2021, arXiv 2109.05070. The real partners
of an example's features h_i are the k nearest neighbours of i among all features; a real pair is h_i
and one of them, a fake pair is h_j and an example made of it, where j has nothing to do with i.
Features and neighbours are the event's (methods/events/instances.py), which also makes the data set one
of (i, neighbour).

*Where we differ* (facebookresearch/ic_gan): the generator has h behind its latents, and the
discriminator is told h as StyleGAN2's is told a condition (networks/told.py), in place of embeddings in
each norm and a projection. Without classes.
"""

import functools

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError
from decoupled_gan.terms.scenes import SCENES, Scene, by_latent

KEPT = 'instances to draw by'
"""What the event tells the drawing of: features of some examples, [M, F]."""


class Instances(Scene):
  """Real examples beside features of which they are a neighbour's, fakes beside those of any example."""

  def __init__(self, gan, batch: Examples, frozen: bool):
    if batch.index is None or batch.labels is not None:
      raise UserError(
        "model.scene='instances' finds features by the numbers of examples: it needs data.index=True, "
        'data.neighbours=<how many>, events.instances=<steps, more than there are> and no attributes.'
      )
    super().__init__(gan, batch, frozen)
    first = {'features': jnp.zeros((1, gan.kept['features']))}
    table = stop_gradient(gan.get_variable('memory', 'instances', first)['features'])
    chosen = jax.random.randint(self.key('instances'), (len(self.real),), 0, len(table))
    self.own, self.condition = table[self.index // gan.kept['neighbours']], table[chosen]
    self.recall(KEPT, jnp.zeros((gan.kept['instances'], gan.kept['features'])))

  can_judge = False

  def pretend(self):
    if self.gan.view.pseudo:
      raise UserError("augment.pseudo: with model.scene='instances' a fake is beside other features.")
    return self

  def verdict(self, seen, learning: bool = False):
    """What the discriminator says of fakes and their like."""
    return self.gan.verdict(beside(seen, self.told_to(seen.x)[0]), None, learning)

  def judge(self, x: Array, name: str, like: str = 'fake'):
    seen = self.gan.view(x, self.view_key(f'view of {name}'))
    return self.verdict(seen) if like == 'fake' else self.gan.verdict(beside(seen, self.own), None)

  @functools.cached_property
  def judged_real(self):
    return self.gan.verdict(beside(self.seen_real, self.own), None, self.frozen)

  @functools.cached_property
  def critic(self):
    raise UserError("model.scene='instances' has two conditions a row: there is no slope of one critic.")

  @staticmethod
  def addressed(gan, z: Array) -> Array:
    """Features of an example that is kept, chosen by the latent alone."""
    table = gan.get_variable('terms', KEPT)
    return table[by_latent(z, lambda key: jax.random.randint(key, (), 0, len(table)))]


def beside(seen, features: Array):
  """What is seen, with features told beside what a view tells already."""
  return seen._replace(told=features if seen.told is None else jnp.concatenate([seen.told, features], 1))


SCENES['instances'] = Instances
