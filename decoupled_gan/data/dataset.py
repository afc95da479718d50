"""What a source of images gives to the trainer: `Images`, and the `Dataset` made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from PIL import Image

from decoupled_gan.core.types import Batch, Pair, present
from decoupled_gan.errors import UserError, listing


class Images(Protocol):
  """Random access to decoded images; safe to read from several threads at once.

  `len(images)` is their number, `images[i]` a uint8 array [H, W, C] whose size may differ from one
  image to the next (C is config.image_channels), `images.names[i]` a relative path or a name that
  is unique within the set.
  """

  names: Sequence[str]

  def __len__(self) -> int: ...

  def __getitem__(self, index: int) -> np.ndarray: ...


class Law(Protocol):
  """What examples are drawn from, where that is known: `modes` of them, equally likely."""

  modes: int

  def assign(self, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the mode that each of the examples [N, ...] is of, whether it could be of the law): [N] both."""


@dataclass(frozen=True)
class Dataset:
  """Training and test examples, of the kind that batches are to be of.

  Attributes:
    name: what the source is called in logs.
    train: a Pair, Aligned or Examples whose fields are Images, or arrays [N, ...] of points (float32) or
      of labels; fields that there are not are None. Index i of each field is one example, but in a
      Pair the domains are drawn independently.
    test: of the same kind.
    domains: of the same kind, how the fields are called in logs; their own names if None.
    aligned_test: test.a[i] and test.b[i] show the same thing pixel by pixel, so that a translation
      can be scored against ground truth.
    edits: of a labelled set that knows the truth of edits, {(attribute, number of its value):
      Images}: the test images as they are at that value.
    notes: sentences that a reader of the start-up print should see.
    law: what the examples are drawn from, where it is known.
  """

  name: str
  train: Batch
  test: Batch
  domains: Batch | None = None
  aligned_test: bool = False
  edits: Mapping[tuple[str, int], Images] = field(default_factory=dict)
  notes: tuple[str, ...] = ()
  law: Law | None = None

  @property
  def kind(self) -> type[Batch]:
    return type(self.train)

  def describe(self) -> str:
    """The counts and notes for the start-up print, one sentence a line."""
    names = dict(zip(self.train._fields, self.domains or self.train._fields, strict=True))
    counts = '; '.join(
      f'{names[field]} {len(x):,} train, {len(getattr(self.test, field)):,} test'
      for field, x in present(self.train).items()
      if field not in ('labels', 'index')
    )
    truth = ['test pairs are aligned: ground truth exists'] if self.aligned_test else []
    kind = 'points' if isinstance(self.train[0], np.ndarray) else 'images'
    return '\n'.join([f'{self.name}: {counts} {kind}', *truth, *self.notes])


@dataclass(frozen=True, eq=False)
class ArrayImages:
  """Images held in memory: `array` uint8 [N, H, W, 3], given back as RGB or grey.

  `resident`: where nothing is augmented, all of them are brought to the size of training at once, and
  batches are taken by their indices (another order than that of other images, as random).
  """

  array: np.ndarray
  names: Sequence[str]
  channels: int = 3
  resident: bool = False

  def __len__(self) -> int:
    return len(self.array)

  def __getitem__(self, index: int) -> np.ndarray:
    return with_channels(self.array[index], self.channels)


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
  """uint8 RGB [H, W, 3] as [H, W, channels]; grey is Pillow's 'L' (ITU-R 601 luma)."""
  if channels == 3:
    return image
  return np.asarray(Image.fromarray(image).convert('L'))[..., None]


def chosen_domain(config, options: Sequence[str]) -> str:
  """The built-in rendering that config.data.a asks for; the first one when it is ''.

  Raises:
    UserError: a word that is not among `options`.
  """
  word = config.data.a or options[0]
  if word not in options:
    raise UserError(
      f'data.a={word!r} is not a domain of data.source={config.data.source!r}: it has '
      f'{listing(options)}'
    )
  return word


def chosen_domains(config, options: Sequence[str], default: Pair) -> Pair:
  """The built-in renderings that config.data.a and .b ask for; `default` when both are ''.

  Raises:
    UserError: a word that is not among `options`, or twice the same one.
  """
  data = config.data
  if not data.a and not data.b:
    return default
  for name, word in (('a', data.a), ('b', data.b)):
    if word not in options:
      raise UserError(
        f'data.{name}={word!r} is not a domain of data.source={data.source!r}: '
        f'it has {listing(options)}; choose two of them for data.a and data.b'
      )
  if data.a == data.b:
    raise UserError(
      f'data.a and data.b are both {data.a!r}, and nothing can be learnt from that: '
      f'choose two different ones of {listing(options)}'
    )
  return Pair(data.a, data.b)
