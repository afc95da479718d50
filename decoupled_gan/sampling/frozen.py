"""A trained run as samplers and searches see it: pure functions of arrays, and nothing of it learns.

Methods' functions live inside `gan.apply`, where JAX's transformations must not reach over a module's
boundary; a sampler differentiates, loops and maps. `of` takes the networks out of there.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array


class Frozen(NamedTuple):
  """The networks of a run with the numbers that they have; what is left out of `variables` is theirs."""

  method: Method
  module: nn.Module
  variables: Mapping[str, Any]

  def apply(self, function: Callable, *args):
    """function(gan, *args), on these networks."""
    return self.module.apply(self.variables, *args, method=function)

  def replace(self, **collections) -> 'Frozen':
    """With other variables in some collections; gradients reach those."""
    return self._replace(variables={**self.variables, **collections})

  def latents(self, key: Array) -> Array:
    """Standard normal z [z_dim], of one key."""
    return jax.random.normal(key, (self.module.z_dim,))

  def codes(self, z: Array, truncation: float = 1.0) -> Array:
    """What the generator makes data of, for standard normal z [B, z_dim]."""
    return self.apply(self.method.style, z, truncation)

  def paint(self, codes: Array, labels: Array | None = None) -> Array:
    """Examples of codes, with the networks' own noise."""
    given = () if labels is None else (labels,)
    return self.apply(self.method.draw, codes, 'const', *given)

  def draw(self, z: Array, labels: Array | None = None) -> Array:
    """Examples of standard normal z [B, z_dim]."""
    return self.paint(self.codes(z), labels)

  def of_seeds(self, seeds: Array, labels: Array | None = None, name: int = 0) -> Array:
    """Examples of seeds [B], by the keys that `keys_of` gives them."""
    return self.draw(jax.vmap(self.latents)(keys_of(seeds, name)), labels)

  def score(self, x: Array, labels: Array | None = None) -> Array:
    """Logits [B]: how real the discriminator finds examples."""
    return self.apply(self.method.judge, x, labels).astype(jnp.float32).mean(-1)

  def cut(
    self, x: Array, labels: Array | None = None, upto: str | None = None, from_: str | None = None
  ) -> Array:
    """The generator from codes, or what stage `from_` gave, up to a stage or the example."""
    return self.apply(self.method.cut, x, labels, upto, from_)


def of(method: Method, gan) -> Frozen:
  """The networks of `gan`, inside `gan.apply`, as constants."""
  module, variables = gan.unbind()
  return Frozen(method, module, stop_gradient(variables))


def keys_of(seeds: Array, name: int = 0) -> Array:
  """A key for each seed [B]: what is drawn by it is a function of that seed alone."""
  return jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(name), seed))(seeds)


def each(keys: Array, step) -> Array:
  """The keys [B] of a step."""
  return jax.vmap(lambda key: jax.random.fold_in(key, step))(keys)
