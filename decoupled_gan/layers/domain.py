"""Two networks of one architecture, one for each domain, called as one."""

from collections.abc import Callable

import flax.linen as nn
import jax

from decoupled_gan.core.types import Pair


class PerDomain(nn.Module):
  """Network `a` for domain a, network `b` for domain b: Pairs in, Pairs out.

  Attributes:
    make: builds one network; `functools.partial(Network, width=...)` is one.

  Keyword arguments go to both networks.

  A network that returns a structure gives that structure with Pairs for leaves:
  `z, logits = encoder(images)` makes both z and logits Pairs.
  """

  make: Callable[[], nn.Module]

  def setup(self):
    self.a, self.b = self.make(), self.make()

  def __call__(self, *pairs: Pair, **options):
    of_a = self.a(*(pair.a for pair in pairs), **options)
    of_b = self.b(*(pair.b for pair in pairs), **options)
    return jax.tree.map(Pair, of_a, of_b)


def over_domains(function: Callable, *pairs: Pair):
  """function of the pairs' values of domain a, plus the same of domain b."""
  return function(*(pair.a for pair in pairs)) + function(*(pair.b for pair in pairs))
