"""Terms: what the two players of the generic method can be asked beside the adversarial loss.

A term is a function of a `Scene` whose name *is* the row of the table, the key of the log and the title
of the plot. Its keyword arguments are its constants, with the paper's values; `config.losses.<term>`
has others. A term reads no other's constants, is at most 15 lines, and goes into the phase that its
decorator names. TERMS has them all.
"""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.losses.adversarial import ADVERSARIAL
from decoupled_gan.losses.classification import CLASSIFICATION
from decoupled_gan.terms.scenes import SCENES, Scene

TERMS: dict[str, dict[str, Callable]] = {'discriminate': {}, 'generate': {}, 'regularise': {}}
"""{phase: {name: term(scene, **constants)}}."""
FEW_LABELS: set[str] = set()
"""Terms that leave out examples whose labels are unknown, below 0."""


def term(*phases: str, few_labels: bool = False) -> Callable:
  """Registers a function as a term of the named phases, and of FEW_LABELS if so."""

  def register(function):
    if few_labels:
      FEW_LABELS.add(function.__name__)
    for phase in phases:
      TERMS[phase][function.__name__] = function
    return function

  return register


def slopes(critic: Callable[[Array], Array], x: Array) -> Array:
  """|grad D| at each x, [B]: over all axes but the first, of the sum of an example's outputs.

  Its own gradient is 0, not NaN, where the critic is flat.
  """
  gradient = jax.grad(lambda x: critic(x).astype(jnp.float32).sum())(x)
  return jnp.sqrt(jnp.square(gradient).reshape(len(x), -1).sum(-1) + 1e-12)


def offered(phase: str, scene: Scene) -> dict[str, Callable]:
  """{name: thunk} of all terms of a phase, with their constants."""
  return {
    name: functools.partial(function, scene, **scene.gan.constants.get(name, {}))
    for name, function in TERMS[phase].items()
  }


def constants_of(config: ConfigDict) -> dict[str, dict]:
  """{term, scene or loss: {constant: value}} of `config.losses`.

  Raises UserError for constants of something that there is not, or that it does not have.
  """
  constants = {name: x.to_dict() for name, x in config.losses.items() if isinstance(x, ConfigDict)}
  known = _known()
  for name, given in constants.items():
    if name in CLASSIFICATION:  # checked where one is chosen
      continue
    if name not in known:
      raise UserError(f'losses.{name}: there is no such term; there are {listing(sorted(known), 80)}.')
    for constant in given:
      if constant not in known[name]:
        raise UserError(
          f'losses.{name}.{constant}: {name} has no such constant; it has {listing(known[name])}.'
        )
  return constants


def _known() -> dict[str, list[str]]:
  """{term, scene or adversarial loss: the constants that it has}."""
  made = {name: list(inspect.signature(make).parameters) for name, make in ADVERSARIAL.items()}
  known = {name: function for terms in TERMS.values() for name, function in terms.items()}
  own = {name: list(inspect.signature(function).parameters)[1:] for name, function in known.items()}
  scenes = {name: list(inspect.signature(scene).parameters)[3:] for name, scene in SCENES.items()}
  return made | own | scenes


for _module in pkgutil.walk_packages(__path__, f'{__name__}.'):  # so that TERMS and SCENES are whole
  importlib.import_module(_module.name)
