"""Scenes: what the losses of one phase of the generic method share, and what its players are shown.

The plain one shows the data; `config.model.scene` names others of SCENES, which show other examples,
other latents, and tell both networks of it. Modules of this folder add theirs when `terms` is imported.
"""

import functools
import zlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.augment.seen import Seen
from decoupled_gan.core.state import clock
from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError


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
  can_judge = True
  """Whether the discriminator can be asked after training: it is told nothing of single examples."""

  def __init__(self, gan, batch: Examples, frozen: bool):
    self.gan, self.frozen, self.condition, self._made = gan, frozen, None, {}
    self.real, self.labels, self.index = batch

  def pretend(self) -> 'Scene':
    """The scene, in which fakes stand in for some real examples if the view says so (APA)."""
    if self.frozen and self.gan.view.pseudo:
      pseudo, key = self.generated('pseudo'), self.key('disguise')
      self.real = self.gan.view.disguise(self.real, pseudo, key)
    return self

  @classmethod
  def addressed(cls, gan, z: Array) -> Array | None:
    """Numbers [B, n] that the generator is told beside latents, after training; None: nothing."""
    return jnp.broadcast_to(jnp.array([cls.told]), (z.shape[0], len(cls.told))) if cls.told else None

  @staticmethod
  def under(gan, codes: Array, labels: Array | None) -> Array | None:
    """The labels under which the generator makes data of codes, where `labels` are given."""
    return labels

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

  def generated(self, name: str) -> Array:
    """Other fakes, of latents that belong to `name`."""
    return self.draw(self.gan.prior(self.key(name), len(self.real)))

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
  def fake(self) -> Array:
    """What it makes of `z`."""
    return self.draw(self.z)

  def judge(self, x: Array, name: str, like: str = 'fake'):
    """What the discriminator says of x, in a view that belongs to `name`: a Verdict, see heads.py.

    Args:
      like: what the rows of x are made of, 'real' or 'fake': scenes may tell it something of those.
    """
    return self.verdict(self.gan.view(x, self.view_key(f'view of {name}')))

  def verdict(self, seen: Seen, learning: bool = False):
    """What it says of what it sees; `learning`: whether of the real examples that it learns from."""
    condition, labels = self.told_to(seen.x)
    return self.gan.verdict(told_of(seen, condition), labels, learning)

  def layers(self, seen: Seen) -> dict[str, Array]:
    """{stage: what it gives} of the discriminator's backbone on what it sees: backbones/staged.py."""
    condition, labels = self.told_to(seen.x)
    return self.gan.discriminator.outputs(tell(seen.x, condition), labels)

  @functools.cached_property
  def judged_real(self):
    """What it says of `real`."""
    return self.verdict(self.seen_real, learning=self.frozen)

  @functools.cached_property
  def judged_fake(self):
    """What it says of `fake`."""
    return self.verdict(self.seen_fake)

  @property
  def on_real(self) -> Array:
    """Outputs [B, K]."""
    return outputs_of(self.judged_real)

  @property
  def on_fake(self) -> Array:
    """Outputs [B, K]."""
    return outputs_of(self.judged_fake)

  @functools.cached_property
  def critic(self) -> Callable[..., Array]:
    """x (and a condition that is not the scene's) -> outputs: the discriminator as a pure function.

    It sees x through the view, so that a slope is one of examples before their augmentation. Its
    statistics stay as they are. x may be the first rows only. Raises UserError if it normalises by its
    batch: it would be another function than the one that learns, and not one of each example.
    """
    module, variables = self.gan.discriminator.unbind()
    if 'batch_stats' in variables:
      raise UserError(
        'a term on the slope of the discriminator needs one that treats each example on its own, and '
        "this one has batch normalisation: choose another model.norm_discriminator, such as 'none'."
      )
    if not getattr(getattr(module, 'head', None), 'of_one_example', True):
      raise UserError(
        'a term on the slope of the discriminator needs one that treats each example on its own, and '
        'its head compares examples, or says nothing of them: choose another model.head.'
      )
    lens, apply = self.gan.view.lens(self.view_key('critic')), functools.partial(module.apply, variables)

    def outputs(x: Array, condition: Array | None = self.condition) -> Array:
      times = -(-len(x) // len(self.real))
      given = [
        None if rows is None else jnp.tile(rows, (times, 1))[: len(x)]
        for rows in (condition, self.labels)
      ]
      return outputs_of(judged(apply, told_of(lens(x), given[0]), given[1]))

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
"""Name -> kind of scene."""


def tell(x: Array, numbers: Array | None) -> Array:
  """`x` [B, ..., C] with numbers [B, n] behind its last axis: in images, channels of one value each."""
  if numbers is None:
    return x
  planes = numbers.astype(x.dtype).reshape(len(x), *[1] * (x.ndim - 2), -1)
  return jnp.concatenate([x, jnp.broadcast_to(planes, (*x.shape[:-1], planes.shape[-1]))], -1)


def outputs_of(verdict) -> Array:
  """The outputs [B, K] of a Verdict; raises UserError where the head makes none."""
  if not verdict.outputs.shape[-1]:
    raise UserError(
      "model.head='none' has no output, and a row of the table asks for one: leave that row "
      '(adversarial, a penalty) out, or take another head. classify, classify_fake and rows on features '
      'need none.'
    )
  return verdict.outputs


def by_latent(codes: Array, draw: Callable[[Array], Array]) -> Array:
  """`draw(key)` for each row of codes [B, n], by a key that the row's first number alone makes."""
  bits = jax.lax.bitcast_convert_type(codes[:, 0].astype(jnp.float32), jnp.uint32)
  return jax.vmap(lambda n: draw(jax.random.fold_in(jax.random.key(0), n)))(bits)


def told_of(seen: Seen, numbers: Array | None) -> Seen:
  """What is seen, with numbers [B, n] told by `tell`."""
  return seen._replace(x=tell(seen.x, numbers))


def judged(discriminator: Callable, seen: Seen, labels: Array | None):
  """The Verdict of `discriminator` on what it sees, with what it is told of that."""
  if seen.told is None:
    return discriminator(seen.x, labels)
  return discriminator(seen.x, labels, seen.told)


def as_data(gan, x: Array) -> Seen:
  """Examples as they are, told what the view and the scene tell of data as it is."""
  told = jnp.array([SCENES[gan.scene].told] * len(x))
  return told_of(gan.view.as_is(x), told if told.size else None)


def lacking(gan) -> dict[str, str]:
  """{ability: why a run of the generic method does not have it}.

  Samplers ask a discriminator whose output says, of one example alone, how real it looks.
  """
  alone = getattr(gan.discriminator.head, 'of_one_example', True)
  if SCENES[gan.scene].can_judge and alone and not gan.adversarial.witness:
    return {}
  return {'judge': 'this discriminator does not say of an example alone how real it looks'}


def stage(gan, batch: Examples, frozen: bool) -> Scene:
  """The scene that `gan.scene` names, with its constants."""
  return SCENES[gan.scene](gan, batch, frozen, **gan.constants.get(gan.scene, {})).pretend()
