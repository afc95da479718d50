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
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.augment.seen import Seen
from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError, listing

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
    self.gan, self.frozen, self._made = gan, frozen, {}
    self.real, self.labels, self.index = batch
    if frozen and gan.view.pseudo:
      self.real = gan.view.disguise(self.real, self.generated('pseudo'), self.key('disguise'))

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

  def generated(self, name: str) -> Array:
    """Other fakes, of latents that belong to `name`."""
    return self.gan.generator(self.gan.prior(self.key(name), len(self.real)), self.labels)

  @functools.cached_property
  def seen_real(self) -> Seen:
    """`real` as the discriminator sees it, see augment/."""
    return self.gan.view(self.real, self.view_key('seen_real'))

  @functools.cached_property
  def seen_fake(self) -> Seen:
    """`fake` as the discriminator sees it."""
    return self.gan.view(self.fake, self.view_key('seen_fake'))

  def view_key(self, name: str) -> Array | None:
    """The key of a view, none where examples are seen as they are."""
    return None if self.gan.view.plain else self.key(name)

  @functools.cached_property
  def judged_real(self):
    """What the discriminator says of `real`: a Verdict, see networks/heads.py."""
    return self.gan.verdict(self.seen_real, self.labels)

  @functools.cached_property
  def judged_fake(self):
    """What the discriminator says of `fake`."""
    return self.gan.verdict(self.seen_fake, self.labels)

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
    """x -> outputs [B, K]: the discriminator as a pure function, whose statistics stay as they are.

    It sees x through the view, so that a slope is one of examples before their augmentation.
    """
    module, variables = self.gan.discriminator.unbind()
    lens = self.gan.view.lens(self.view_key('critic'))
    return lambda x: judged(functools.partial(module.apply, variables), lens(x), self.labels).outputs

  @functools.cached_property
  def between(self) -> Array:
    """Points on the lines from real to fake, one number of U(0, 1) for each example."""
    share = jax.random.uniform(self.key('between'), self._one_each())
    return self.real + share * (self.fake - self.real)

  def once(self, name: str, make: Callable[[], Any]):
    """What `make` gives, made when it is first asked for: what terms share beside the above."""
    if name not in self._made:
      self._made[name] = make()
    return self._made[name]

  def recall(self, name: str, first: Array) -> Array:
    """What was last remembered under `name`, `first` at first; it is saved with the run."""
    if self.gan.is_initializing():
      self.gan.put_variable('terms', name, first)
    return self.gan.get_variable('terms', name, first)

  def remember(self, name: str, value: Array):
    """Keeps `value`, as a constant, for the steps to come."""
    if self.gan.is_mutable_collection('terms') and not self.gan.is_initializing():
      self.gan.put_variable('terms', name, stop_gradient(value))

  def _one_each(self) -> tuple[int, ...]:
    return (len(self.real), *[1] * (self.real.ndim - 1))


def judged(discriminator: Callable, seen: Seen, labels: Array | None):
  """The Verdict of `discriminator` on what it sees, with what it is told of that."""
  if seen.told is None:
    return discriminator(seen.x, labels)
  return discriminator(seen.x, labels, seen.told)


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


def constants_of(config: ConfigDict) -> dict[str, dict]:
  """{term: {constant: value}} of `config.losses`.

  Raises UserError for constants of a term that there is not, or that a term does not have.
  """
  constants = {name: x.to_dict() for name, x in config.losses.items() if isinstance(x, ConfigDict)}
  known = {name: function for terms in TERMS.values() for name, function in terms.items()}
  for name, given in constants.items():
    if name not in known:
      raise UserError(f'losses.{name}: there is no such term; there are {listing(sorted(known), 60)}.')
    parameters = list(inspect.signature(known[name]).parameters)[1:]
    for constant in given:
      if constant not in parameters:
        raise UserError(
          f'losses.{name}.{constant}: {name} has no such constant; it has {listing(parameters)}.'
        )
  return constants
