"""Terms: what the two players of the generic method can be asked beside the adversarial loss.

A term is a function of a `Scene` whose name *is* the row of the table, the key of the log and the title
of the plot. Its keyword arguments are its constants, with the paper's values; `config.losses.<term>`
has others. A term reads no other's constants, is at most 15 lines, and goes into the phase that its
decorator names. TERMS has them once the modules of this folder are imported.
"""

import functools
import inspect
import zlib
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError, listing
from decoupled_gan.losses.classification import CLASSIFICATION

TERMS: dict[str, dict[str, Callable]] = {'discriminate': {}, 'generate': {}, 'regularise': {}}
"""{phase: {name: term(scene, **constants)}}."""


def term(*phases: str) -> Callable:
  """Registers a function as a term of the named phases."""

  def register(function):
    for phase in phases:
      TERMS[phase][function.__name__] = function
    return function

  return register


class Scene:
  """What the losses of one phase share, each thing made when it is first asked for.

  So a hinge loss in `generate` never calls the discriminator on real examples, whose spectral norms
  would else iterate once more. What is random is drawn from a key of its own name: another row of the
  table changes no other loss's numbers by one bit.

  Attributes:
    gan: the module, inside `gan.apply`.
    real: examples [B, ...]; points or images in [-1, 1].
    labels: [B, K] or None; fakes are made under the labels of the real examples of their rows.
    frozen: whether fakes are constants: they are, where the discriminator learns.
  """

  def __init__(self, gan, batch: Examples, frozen: bool):
    self.gan, self.frozen = gan, frozen
    self.real, self.labels, self.index = batch

  @functools.cached_property
  def _key(self) -> Array:
    return self.gan.make_rng('noise')

  def key(self, name: str) -> Array:
    """A random key that belongs to `name`."""
    return jax.random.fold_in(self._key, zlib.crc32(name.encode()))

  @functools.cached_property
  def z(self) -> Array:
    """Latents [B, z_dim] of the prior."""
    return self.gan.prior(self.key('z'), len(self.real))

  @functools.cached_property
  def fake(self) -> Array:
    """What the generator makes of `z`, as `real`."""
    fake = self.gan.generator(self.z, self.labels)
    return stop_gradient(fake) if self.frozen else fake

  @functools.cached_property
  def judged_real(self):
    """What the discriminator says of `real`: a Verdict, see networks/heads.py."""
    return self.gan.judge(self.real, self.labels)

  @functools.cached_property
  def judged_fake(self):
    """What the discriminator says of `fake`."""
    return self.gan.judge(self.fake, self.labels)

  @property
  def on_real(self) -> Array:
    """Outputs [B, K]."""
    return self.judged_real.outputs

  @property
  def on_fake(self) -> Array:
    """Outputs [B, K]."""
    return self.judged_fake.outputs

  @functools.cached_property
  def critic(self) -> Callable[[Array], Array]:
    """x -> outputs [B, K]: the discriminator as a pure function, whose statistics stay as they are."""
    module, variables = self.gan.discriminator.unbind()
    return lambda x: module.apply(variables, x, self.labels).outputs

  @functools.cached_property
  def between(self) -> Array:
    """Points on the lines from real to fake, one number of U(0, 1) for each example."""
    share = jax.random.uniform(self.key('between'), self._one_each())
    return self.real + share * (self.fake - self.real)

  def _one_each(self) -> tuple[int, ...]:
    return (len(self.real), *[1] * (self.real.ndim - 1))


def slopes(critic: Callable[[Array], Array], x: Array) -> Array:
  """|grad D| at each x, [B]: over all axes but the first, of the sum of an example's outputs.

  Its own gradient is 0, not NaN, where the critic is flat.
  """
  gradient = jax.grad(lambda x: critic(x).astype(jnp.float32).sum())(x)
  return jnp.sqrt(jnp.square(gradient).reshape(len(x), -1).sum(-1) + 1e-12)


def offered(phase: str, scene: Scene, constants: Mapping[str, Mapping]) -> dict[str, Callable]:
  """{name: thunk} of all terms of a phase, with their `constants`."""
  return {
    name: functools.partial(function, scene, **constants.get(name, {}))
    for name, function in TERMS[phase].items()
  }


def check_constants(constants: Mapping[str, Mapping]):
  """Raises UserError for constants of a term that there is not, or that a term does not have."""
  known = {name: function for terms in TERMS.values() for name, function in terms.items()}
  for name, given in constants.items():
    if name in CLASSIFICATION:  # checked where one is chosen
      continue
    if name not in known:
      raise UserError(f'losses.{name}: there is no such term; there are {listing(sorted(known), 60)}.')
    parameters = list(inspect.signature(known[name]).parameters)[1:]
    for constant in given:
      if constant not in parameters:
        raise UserError(
          f'losses.{name}.{constant}: {name} has no such constant; it has {listing(parameters)}.'
        )
