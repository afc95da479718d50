"""What an exported file computes: one function of a run, with the names and shapes of its inputs.

Images are float32 [B, H, W, C] in -1..1, going in (`image`) and coming out; `labels` int32 [B, K] (of
quantities float32) for editing and for drawing under labels; `z` float32 [B, D] for drawing. Constants
are the weights.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import numpy as np

from decoupled_gan.core import method as core_method
from decoupled_gan.core.proof import readers
from decoupled_gan.core.types import DIRECTIONS, Labels, image_shape
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import sharding

ABILITIES = ('translate', 'edit', 'draw', 'reconstruct')
"""Those that can be exported, in the order in which one is chosen where none is named."""


@dataclass(frozen=True)
class Signature:
  """A function of arrays and what it takes.

  Attributes:
    title: what it does, 'translate a_to_b'.
    function: (*inputs) -> float32 [B, H, W, C], or [B, D] of points.
    inputs: {name: (shape without the batch, dtype)} in the function's order.
    values: how many values each column of `labels` has; 0: it is a quantity.
  """

  title: str
  function: Callable
  inputs: Mapping[str, tuple[tuple[int, ...], type]]
  values: tuple[int, ...] = ()

  def specs(self, batch=1) -> list[jax.ShapeDtypeStruct]:
    """The inputs' shapes and types; `batch` may be a symbol of jax.export."""
    return [jax.ShapeDtypeStruct((batch, *shape), dtype) for shape, dtype in self.inputs.values()]

  def examples(self, count: int, seed: int = 0) -> list[np.ndarray]:
    """Inputs to check a file with: noise of the right range, every label in turn."""
    draw, found = np.random.default_rng(seed), []
    for name, (shape, dtype) in self.inputs.items():
      if name == 'labels':
        columns = [np.arange(count) % n if n else draw.uniform(0, 1, count) for n in self.values]
        found.append(np.stack(columns, -1).astype(dtype))
      elif name == 'z':
        found.append(draw.standard_normal((count, *shape)).astype(dtype))
      else:
        found.append(draw.uniform(-1, 1, (count, *shape)).astype(dtype))
    return found


def of(trained, ability: str = '', direction: str = '', truncation: float = 1.0) -> Signature:
  """The function of a run that is exported.

  Args:
    ability: of ABILITIES; '': the first that the run has.
    direction: of a translator; '' is a_to_b.
    truncation: psi of drawing.

  Raises UserError for what the run cannot do.
  """
  run = trained.run
  if ability and ability not in ABILITIES:
    raise UserError(f'ability={ability!r} is unknown; there are {listing(ABILITIES)}.')
  able = [name for name in ABILITIES if run.able(name)]
  if not ability and not able:
    raise UserError(
      f'a run of {run.config.method} has none of {listing(ABILITIES)} that could be exported.'
    )
  ability = ability or able[0]
  run.require(ability)
  if direction and ability != 'translate':
    raise UserError(f'--direction={direction} is of translators; this file would {ability}.')
  image = (*image_shape(run.config), run.config.image_channels)
  values = tuple(len(names) for _, names in sorted(run.config.attributes.items()))
  labels = {'labels': spec} if (spec := Labels.spec(run.config)) else {}
  title, inputs, method = ability, {'image': (image, np.float32)}, getattr(run.method, ability)
  static = ()
  if ability == 'translate':
    trained.check(direction or 'a_to_b')
    static, title = (DIRECTIONS[direction or 'a_to_b'],), f'translate {direction or "a_to_b"}'
  elif ability == 'edit':
    inputs |= labels
  elif ability == 'draw':
    inputs = {'z': ((run.gan.z_dim,), np.float32)}
    inputs |= labels if run.method.conditional and values else {}
    method = _drawing(run.method, truncation)

  def function(*arrays):
    return run.gan.apply(trained.variables, *arrays, *static, method=method)

  return Signature(title, sharding.exact(function), inputs, values)


def networks_read(trained) -> set[str]:
  """Those without which the run could do less; all of them, where it can do what is not traced here."""
  run, networks = trained.run, trained.variables['params']
  able = [name for name in core_method.ABILITIES if run.able(name)]
  if not able or set(able) - {*ABILITIES, 'at_size'}:
    return set(networks)
  ways = [('translate', way) for way, target in DIRECTIONS.items() if target in run.method.targets]
  asked = [x for x in [*ways, *[(name, '') for name in ABILITIES[1:]]] if x[0] in able]

  def reads(network: str, ability: str, way: str) -> bool:
    def answer(own, *arrays):
      variables = {**trained.variables, 'params': {**networks, network: own}}
      what = of(dataclasses.replace(trained, variables=variables), ability, way)
      return {'answer': what.function(*arrays)}

    return bool(readers(answer, networks[network], *of(trained, ability, way).specs()))

  return {network for network in networks if any(reads(network, *way) for way in asked)}


def _drawing(method, truncation: float) -> Callable:
  """(gan, z, labels) -> what the seed with this z draws; the noise per pixel is the constant one."""

  def draw(gan, z, *labels):
    return method.draw(gan, method.style(gan, z, truncation), 'const', *labels)

  return draw
