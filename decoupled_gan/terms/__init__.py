"""Terms: what the two players of the generic method can be asked beside the adversarial loss.

A term is a function of a `Scene` whose name *is* the row of the table, the key of the log and the title
of the plot. Its keyword arguments are its constants, with the paper's values; `config.losses.<term>`
has others. A term reads no other's constants, is at most 15 lines, and goes into the phase that its
decorator names. TERMS has them once the modules of this folder are imported.

What the players are shown is the scene's business. The plain one shows the data; `config.model.scene`
names others of SCENES, which show other examples, other latents, and tell both networks of it.
"""

import functools
import inspect
import zlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.state import clock
from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError

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

  A scene of another kind changes `real`, `z` or `condition`. Its further arguments are its constants.

  Attributes:
    gan: the module, inside `gan.apply`.
    real: examples [B, ...]; points or images in [-1, 1].
    labels: [B, K] or None; fakes are made under the labels of the real examples of their rows.
    condition: [B, n] or None: numbers that both networks are told beside labels, see `tell`.
    frozen: whether fakes are constants: they are, where the discriminator learns.
  """

  told: tuple[float, ...] = ()
  """The condition under which data is drawn, after training."""

  def __init__(self, gan, batch: Examples, frozen: bool):
    self.gan, self.frozen, self.condition = gan, frozen, None
    self.real, self.labels, self.index = batch

  @functools.cached_property
  def _key(self) -> Array:
    return self.gan.make_rng('noise')

  def key(self, name: str) -> Array:
    """A random key that belongs to `name`."""
    return jax.random.fold_in(self._key, zlib.crc32(name.encode()))

  def uniform(self, name: str, shape: tuple[int, ...]) -> Array:
    """Numbers of U(0, 1), drawn by the key of `name`."""
    return jax.random.uniform(self.key(name), shape)

  @property
  def one_each(self) -> tuple[int, ...]:
    """[B, 1, ...]: the shape of one number for each example."""
    return (len(self.real), *[1] * (self.real.ndim - 1))

  @property
  def step(self) -> Array:
    """How many steps were done before this one."""
    return clock(self.gan)

  @functools.cached_property
  def z(self) -> Array:
    """Latents [B, z_dim] of the prior; where fakes are trained, `fakes_per_real` times as many."""
    times = 1 if self.frozen else self.gan.fakes_per_real
    return self.gan.prior(self.key('z'), times * len(self.real))

  def told_to(self, x: Array) -> tuple[Array | None, Array | None]:
    """(condition, labels) of the rows of x, which are as many as `real` or some times as many."""
    given, times = (self.condition, self.labels), len(x) // len(self.real)
    return tuple(None if y is None else jnp.tile(y, (times, 1)) for y in given)

  def draw(self, z: Array) -> Array:
    """What the generator makes of latents, as `real`."""
    condition, labels = self.told_to(z)
    fake = self.gan.generator(tell(z, condition), labels)
    return stop_gradient(fake) if self.frozen else fake

  @functools.cached_property
  def fake(self) -> Array:
    """What it makes of `z`."""
    return self.draw(self.z)

  def judge(self, x: Array, learning: bool = False):
    """What the discriminator says of examples: a Verdict, see networks/heads.py."""
    condition, labels = self.told_to(x)
    return self.gan.judge(x, labels, condition, learning)

  def layers(self, x: Array) -> dict[str, Array]:
    """{stage: what it gives} of the discriminator's backbone on examples, see networks/staged.py."""
    return self.gan.discriminator.outputs(tell(x, self.condition), self.labels)

  @functools.cached_property
  def judged_real(self):
    """What it says of `real`."""
    return self.judge(self.real, learning=self.frozen)

  @functools.cached_property
  def judged_fake(self):
    """What it says of `fake`."""
    return self.judge(self.fake)

  @property
  def on_real(self) -> Array:
    """Outputs [B, K]."""
    return self.judged_real.outputs

  @property
  def on_fake(self) -> Array:
    """Outputs [B, K]."""
    return self.judged_fake.outputs

  @functools.cached_property
  def critic(self) -> Callable[..., Array]:
    """x (and a condition that is not the scene's) -> outputs: the discriminator as a pure function.

    Its statistics stay as they are. x may be the first rows only. Raises UserError if it normalises by
    its batch: it would be another function than the one that learns, and not one of each example.
    """
    module, variables = self.gan.discriminator.unbind()
    if 'batch_stats' in variables:
      raise UserError(
        'a term on the slope of the discriminator needs one that treats each example on its own, and '
        "this one has batch normalisation: choose another model.norm_discriminator, such as 'none'."
      )

    def outputs(x: Array, condition: Array | None = self.condition) -> Array:
      given = [None if rows is None else rows[: len(x)] for rows in (condition, self.labels)]
      return module.apply(variables, tell(x, given[0]), given[1]).outputs

    return outputs

  @functools.cached_property
  def witness(self) -> Callable[[Array], Array]:
    """x -> what tells real from fake, [B, ...]: the function whose slope penalties bound.

    The outputs, unless the adversarial loss takes them for features, see losses/adversarial.py.
    """
    judge, critic = self.gan.adversarial.witness, self.critic
    if judge is None:
      return critic
    real, fake = self.on_real, self.on_fake  # before any differentiation begins
    return lambda x: judge(critic(x), real, fake)

  @functools.cached_property
  def between(self) -> Array:
    """Points on the lines from real to fake, one number of U(0, 1) for each example."""
    return self.real + self.uniform('between', self.one_each) * (self.fake - self.real)

  def recall(self, name: str, first: Array) -> Array:
    """What was last remembered under `name`, `first` at first; it is saved with the run."""
    if self.gan.is_initializing():
      self.gan.put_variable('terms', name, first)
    return self.gan.get_variable('terms', name, first)

  def remember(self, name: str, value: Array):
    """Keeps `value`, as a constant, for the steps to come."""
    if self.gan.is_mutable_collection('terms') and not self.gan.is_initializing():
      self.gan.put_variable('terms', name, stop_gradient(value))

  def average(self, name: str, value: Array, decay: float, start: int = 0) -> Array:
    """The running average of `value` over the steps, this one's in it; a constant for gradients.

    It begins at 0. Before step `start` it is the value itself.
    """
    value = stop_gradient(value.astype(jnp.float32))
    moved = decay * self.recall(name, jnp.zeros_like(value)) + (1 - decay) * value
    moved = jnp.where(self.step < start, value, moved)
    self.remember(name, moved)
    return moved


SCENES: dict[str, type[Scene]] = {'plain': Scene}
"""Name -> kind of scene; modules of this folder add theirs."""


def tell(x: Array, numbers: Array | None) -> Array:
  """`x` [B, ..., C] with numbers [B, n] behind its last axis: in images, channels of one value each."""
  if numbers is None:
    return x
  planes = numbers.astype(x.dtype).reshape(len(x), *[1] * (x.ndim - 2), -1)
  return jnp.concatenate([x, jnp.broadcast_to(planes, (*x.shape[:-1], planes.shape[-1]))], -1)


def slopes(critic: Callable[[Array], Array], x: Array) -> Array:
  """|grad D| at each x, [B]: over all axes but the first, of the sum of an example's outputs.

  Its own gradient is 0, not NaN, where the critic is flat.
  """
  gradient = jax.grad(lambda x: critic(x).astype(jnp.float32).sum())(x)
  return jnp.sqrt(jnp.square(gradient).reshape(len(x), -1).sum(-1) + 1e-12)


def stage(gan, batch: Examples, frozen: bool) -> Scene:
  """The scene that `gan.scene` names, with its constants."""
  return SCENES[gan.scene](gan, batch, frozen, **gan.constants.get(gan.scene, {}))


def offered(phase: str, scene: Scene) -> dict[str, Callable]:
  """{name: thunk} of all terms of a phase, with their constants."""
  return {
    name: functools.partial(function, scene, **scene.gan.constants.get(name, {}))
    for name, function in TERMS[phase].items()
  }


def constants_of() -> dict[str, list[str]]:
  """{term or scene: the constants that it has}."""
  known = {name: function for terms in TERMS.values() for name, function in terms.items()}
  own = {name: list(inspect.signature(function).parameters)[1:] for name, function in known.items()}
  scenes = {name: list(inspect.signature(scene).parameters)[3:] for name, scene in SCENES.items()}
  return own | scenes
