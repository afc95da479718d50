"""A method as a declared value: what it trains, and what a trained run of it can do."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from decoupled_gan.core.routing import Objective
from decoupled_gan.core.types import Batch
from decoupled_gan.errors import UserError, listing

ABILITIES = {
  'translate': 'turns images of one domain into another (--mode=translate)',
  'edit': 'changes attributes of an image (--mode=generate --attributes=...)',
  'draw': 'draws images from seeds (--mode=generate --seeds=...)',
  'at_size': 'draws images of any size (--mode=generate --size=HxW)',
  'reconstruct': 'gives an image back (--mode=reconstruct)',
  'complete': 'fills holes of an image (--mode=inpaint)',
  'classify': 'tells classes apart (--mode=evaluate)',
  'attack': 'makes adversarial examples for itself (--mode=evaluate)',
  'encode': 'gives examples codes (--mode=evaluate, by a linear probe of them)',
  'assign': 'tells the clusters that it found apart (--mode=evaluate)',
  'detect': 'tells how unlike its training examples others are (--mode=evaluate, --mode=reconstruct)',
  'judge': 'tells how real examples look (--mode=generate --sampler=...)',
  'cut': 'can be searched at a layer (--mode=project --layer=...)',
}


@dataclass(frozen=True)
class Event:
  """Something that the host does between two steps; in all processes alike.

  Attributes:
    name: `config.events.<name>` = n: before every n-th step (0: never).
    happen: (run, state, dataset, step) -> (state, dataset). It may change values, never shapes. What it
      makes must be a function of (seed, step) and of the state: a resumed run must find the same.
    memory: (config, dataset) -> pytree of arrays: what the event keeps in `state.memory[name]`, as it is
      at first. It is saved with the run; objectives can read it as the collection `memory`.
    recall: (run, state, dataset) -> dataset: what the last event made of the data, where a run goes on.
    settle: (config) -> {field: value}: what of files that only training reads the networks depend on.
  """

  name: str
  happen: Callable
  memory: Callable | None = None
  recall: Callable | None = None
  settle: Callable | None = None


@dataclass(frozen=True)
class Method:
  """What the house has to know of a method; a module of `methods/` ends with one, METHOD.

  Attributes:
    batch: the kind of its batches, see types.py.
    objectives: {phase: objective(gan, batch)} in the order of play; what an objective offers are
      scalars, or thunks of scalars that are computed only if the table asks.
    build: (config) -> the linen module whose attributes are the networks. A module with a `__call__`
      of its own is initialised by it; another one by what the table asks of its objectives.
    sample: (gan, batch) -> {column: images} of the sample grid.
    translate: (gan, images, target domain 'a' or 'b') -> images.
    targets: the domains that `translate` can make; of Aligned batches that is 'b', their target.
    edit: (gan, images, labels) -> images.
    decode: (gan, images, labels) -> images, as an edit's reconstruction alone has them: by it an image's
      own labels are guessed, and told what other labels change.
    style, draw: (gan, z, truncation) -> codes [B, D]; (gan, codes, noise) -> images or points.
    at_size: (gan, (H, W) or None, scale) -> gan that draws images of this size, with fixed noise below
      the scale: of methods whose images may have any.
    conditional: whether `draw` takes labels [B, K] as well, where a run has attributes.
    reconstruct: (gan, images) -> images.
    complete: (gan, images, holes [B, H, W, 1]) -> images whose holes are filled.
    classify: (gan, examples) -> {attribute: (features [B, F], logits [B, K] or None)}.
    attack: (gan, examples, labels [B, K], steps) -> examples that it tells apart worst.
    encode: (gan, examples) -> codes [B, D], which know nothing of labels.
    assign: (gan, examples) -> logits [B, K] of clusters that it found itself.
    detect: (gan, examples) -> [B], how unlike the training examples they are.
    judge: (gan, examples, labels) -> logits [B, 1]: how real they look to its discriminator.
    cut: (gan, x, labels, upto, from_) -> array: the generator of `draw` between two of its stages, see
      networks/backbones/staged.py.
    lacks: (gan) -> {ability: why this run does not have it}, where a table leaves one out.
    few_labels: the losses that leave out examples whose labels are unknown, below 0.
    events: what happens between steps.
  """

  batch: type[Batch]
  objectives: Mapping[str, Objective]
  build: Callable
  sample: Callable
  translate: Callable | None = None
  targets: tuple[str, ...] = ('a', 'b')
  edit: Callable | None = None
  decode: Callable | None = None
  style: Callable | None = None
  draw: Callable | None = None
  at_size: Callable | None = None
  conditional: bool = False
  reconstruct: Callable | None = None
  complete: Callable | None = None
  classify: Callable | None = None
  attack: Callable | None = None
  encode: Callable | None = None
  assign: Callable | None = None
  detect: Callable | None = None
  judge: Callable | None = None
  cut: Callable | None = None
  lacks: Callable[[Any], Mapping[str, str]] = lambda gan: {}
  few_labels: Collection[str] = ()
  events: tuple[Event, ...] = ()


def able(method: Method, gan, ability: str) -> bool:
  """Whether a run of `method` can do it."""
  return getattr(method, ability) is not None and ability not in method.lacks(gan)


def require(method: Method, gan, ability: str, name: str):
  """Raises UserError if the run cannot do it, with what it can do; `name` is the method's."""
  if able(method, gan, ability):
    return
  lacking = method.lacks(gan).get(ability, f'no run of {name} {ABILITIES[ability]}')
  can = [text for other, text in ABILITIES.items() if able(method, gan, other)]
  raise UserError(f'{lacking}. This one {listing(can) if can else "can be trained and sampled only"}.')
