"""DiffAugment: differentiable augmentation of all that a discriminator sees (Zhao et al., NeurIPS 2020).

arXiv 2006.10738. Each image gets every transform of the policy, always: there is no probability and no
controller. Ranges are those of the official code: brightness +-1/2, saturation 0..2, contrast 1/2..3/2,
translation 1/8 of the size, a cut of 1/2 of it. Zero, which is grey, fills what is shifted or cut.

What was drawn comes along in [0, 1], as AugSelf-GAN asks for it (Hou et al., NeurIPS 2023, arXiv
2205.15677): the numbers of `color`, the shifts and the places of the cut, down before across.
*Where we differ*: saturation changes nothing in a grey image, and its number is left out there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from decoupled_gan.augment.seen import Draws, Seen
from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing


def brightness(x: Array, r: Array) -> Array:
  """Images [B, H, W, C] lighter by r - 1/2, r [B, 1] in [0, 1]."""
  return x + (_each(r) - 0.5)


def saturation(x: Array, r: Array) -> Array:
  """Distances from each pixel's grey times 2r."""
  grey = x.mean(3, keepdims=True)
  return (x - grey) * (2 * _each(r)) + grey


def contrast(x: Array, r: Array) -> Array:
  """Distances from the image's mean times r + 1/2."""
  mean = x.mean((1, 2, 3), keepdims=True)
  return (x - mean) * (_each(r) + 0.5) + mean


def translation(x: Array, shift: Array) -> Array:
  """Pixel (i, j) is what was at (i + shift[0], j + shift[1]), zero outside; shift [B, 2], integers."""
  for axis in (0, 1):
    size = x.shape[1 + axis]
    at = jnp.arange(size)[None] + shift[:, axis : axis + 1]
    x = jax.vmap(lambda image, at, axis=axis: jnp.take(image, at, axis, mode='clip'))(x, at)
    inside = ((at >= 0) & (at < size)).reshape(len(x), *((size, 1) if axis == 0 else (1, size)), 1)
    x = x * inside
  return x


def cutout(x: Array, middle: Array) -> Array:
  """Half of the height and width about the pixel `middle` [B, 2] is zero; less of it at the edges."""

  def outside(size, middle):
    at, cut = jnp.arange(size)[None], cut_size(size)
    first = middle - cut // 2
    return (at < first) | (at > first + cut - 1)

  rows, columns = (outside(x.shape[1 + i], middle[:, i : i + 1]) for i in (0, 1))
  return x * (rows[:, :, None] | columns[:, None, :])[..., None]


def most_shift(size: int) -> int:
  """px, of a side of `size`."""
  return int(size / 8 + 0.5)


def cut_size(size: int) -> int:
  return int(size / 2 + 0.5)


def last_middle(size: int) -> int:
  return size - cut_size(size) % 2


def _each(r: Array) -> Array:
  return r[:, :, None, None]


# Words of the policy: (images, draws) -> (images, what was drawn [B, k] in [0, 1]).


def _color(x, draws):
  functions = {'brightness': brightness, 'saturation': saturation, 'contrast': contrast}
  if x.shape[3] == 1:
    del functions['saturation']
  drawn = []
  for name, function in functions.items():
    drawn.append(draws.uniform(name))
    x = function(x, drawn[-1])
  return x, jnp.concatenate(drawn, 1)


def _translation(x, draws):
  most = [most_shift(size) for size in x.shape[1:3]]
  shift = [draws.integers(f'translation {i}', -s, s) for i, s in enumerate(most)]
  target = [t / max(2 * s, 1) + 0.5 for t, s in zip(shift, most, strict=True)]
  return translation(x, jnp.concatenate(shift, 1)), jnp.concatenate(target, 1)


def _cutout(x, draws):
  last = [last_middle(size) for size in x.shape[1:3]]
  middle = [draws.integers(f'cutout {i}', 0, n) for i, n in enumerate(last)]
  target = [m / n for m, n in zip(middle, last, strict=True)]
  return cutout(x, jnp.concatenate(middle, 1)), jnp.concatenate(target, 1)


POLICY: dict[str, Callable] = {'color': _color, 'translation': _translation, 'cutout': _cutout}


@dataclass(frozen=True)
class DiffAugment:
  """(key, images, p) -> what is seen of images [B, H, W, C]; p is not used.

  Attributes:
    policy: words of POLICY, in the order of their application.
  """

  policy: tuple[str, ...] = tuple(POLICY)

  def __call__(self, key: Array, images: Array, p: Array) -> Seen:
    x, draws, drawn = images.astype(jnp.float32), Draws(key, len(images)), {}
    for word in self.policy:
      x, drawn[word] = POLICY[word](x, draws)
    return Seen(x, draws=drawn)


def build(config) -> DiffAugment:
  """DiffAugment with the words of `config.augment.policy`."""
  policy = tuple(config.augment.policy)
  for word in policy:
    if word not in POLICY:
      raise UserError(f'augment.policy has {word!r}, which is unknown; there are {listing(POLICY)}.')
  return DiffAugment(policy)
