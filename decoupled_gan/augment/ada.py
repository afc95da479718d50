"""Adaptive discriminator augmentation (Karras et al., NeurIPS 2020, arXiv 2006.06676), appendix B.

Eighteen differentiable transforms, each applied to an image with probability p, in three steps: one
affine map of all geometric ones, one of all colours, then filters and corruptions.

  blit     xflip, rotate90, xint
  geom     scale, rotate (before and after), aniso, xfrac
  color    brightness, contrast, lumaflip, hue, saturation
  filter   imgfilter, of four frequency bands
  noise, cutout

Matrices are those of the inverse map, from the pixels of the output to those of the input, about the
centre of the image. *Where we differ*: images are padded by size - 1 pixels on all sides (the official
code by what the batch needs), which gives the same pixels and static shapes; hue and saturation are left
out for grey images, as there. A flip is no exact mirror: it goes through the asymmetric sym6.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from decoupled_gan.augment import wavelets
from decoupled_gan.augment.geometry import compose, rotate, scale, translate, warp
from decoupled_gan.augment.seen import Draws, Seen
from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing

KINDS = {
  'blit': ('xflip', 'rotate90', 'xint'),
  'geom': ('scale', 'rotate', 'aniso', 'xfrac'),
  'color': ('brightness', 'contrast', 'lumaflip', 'hue', 'saturation'),
  'filter': ('imgfilter',),
  'noise': ('noise',),
  'cutout': ('cutout',),
}
_SUMS = {
  'bg': ('blit', 'geom'),
  'bgc': ('blit', 'geom', 'color'),
  'bgcf': ('blit', 'geom', 'color', 'filter'),
  'bgcfn': ('blit', 'geom', 'color', 'filter', 'noise'),
  'bgcfnc': tuple(KINDS),
}
GROUPS = KINDS | {name: sum((KINDS[kind] for kind in kinds), ()) for name, kinds in _SUMS.items()}
"""{config.augment.groups: transforms}, train.py's names; the default is bgc."""

SMALLEST_FILTERED = 22  # px: the filters are 43 taps wide, and reflect
LUMA = np.array([1, 1, 1, 0]) / np.sqrt(3)


@dataclass(frozen=True)
class ADA:
  """(key, images, p) -> what is seen of images [B, H, W, C] of 1 or 3 channels.

  Attributes:
    transforms: names of those that there are, see KINDS.
  """

  transforms: tuple[str, ...] = GROUPS['bgc']

  def __call__(self, key: Array, images: Array, p: Array) -> Seen:
    return Seen(self.apply(images.astype(jnp.float32), Draws(key, len(images), p)))

  def apply(self, x: Array, draws: Draws) -> Array:
    """x transformed as `draws` say."""
    if self._any(GEOMETRIC):
      x = warp(x, self._composed(GEOMETRIC, draws, 3, x.shape[1:3]))
    if self._any(COLOURS):
      x = colour(x, self._composed(COLOURS, draws, 4, x.shape[3]))
    for name, function in PLAIN.items():
      if name in self.transforms:
        x = function(x, draws)
    return x

  def _any(self, table) -> bool:
    return any(name.partition(' ')[0] in self.transforms for name in table)

  def _composed(self, table, draws, size, shape) -> Array:
    """[B, n, n]: the product of the factors that are there, the first the leftmost."""
    factors = [
      make(name, draws, shape)
      for name, make in table.items()
      if name.partition(' ')[0] in self.transforms
    ]
    return compose([factor for factor in factors if factor is not None], draws.count, size)


def _fired(draws: Draws, name: str, drawn: Array, identity: float, p: Array | None = None) -> Array:
  """`drawn` [B, k] where the coin of `name` says so, else `identity`."""
  return jnp.where(draws.fires(name, p), drawn, identity)


# Geometry: (name, draws, (height, width)) -> inverse maps [B, 3, 3].


def _xflip(name, draws, shape):
  i = _fired(draws, name, jnp.floor(2 * draws.uniform(name)), 0)[:, 0]
  return scale(1 - 2 * i, jnp.ones_like(i))


def _rotate90(name, draws, shape):
  return rotate(jnp.pi / 2 * _fired(draws, name, jnp.floor(4 * draws.uniform(name)), 0)[:, 0])


def _xint(name, draws, shape, most=0.125):
  t = _fired(draws, name, (2 * draws.uniform(name, 2) - 1) * most, 0)
  return translate(-jnp.round(t[:, 0] * shape[1]), -jnp.round(t[:, 1] * shape[0]))


def _scale(name, draws, shape, std=0.2):
  s = _fired(draws, name, 2 ** (std * draws.normal(name)), 1)[:, 0]
  return scale(1 / s, 1 / s)


def _rotate(name, draws, shape, most=1.0):
  """Before and after `aniso`: that either happens has probability p."""
  p = 1 - jnp.sqrt(jnp.clip(1 - draws.p, 0, 1))
  return rotate(_fired(draws, name, (2 * draws.uniform(name) - 1) * jnp.pi * most, 0, p)[:, 0])


def _aniso(name, draws, shape, std=0.2):
  s = _fired(draws, name, 2 ** (std * draws.normal(name)), 1)[:, 0]
  return scale(1 / s, s)


def _xfrac(name, draws, shape, std=0.125):
  t = _fired(draws, name, std * draws.normal(name, 2), 0)
  return translate(-t[:, 0] * shape[1], -t[:, 1] * shape[0])


GEOMETRIC: dict[str, Callable] = {
  'xflip': _xflip,
  'rotate90': _rotate90,
  'xint': _xint,
  'scale': _scale,
  'rotate': _rotate,
  'aniso': _aniso,
  'rotate after': _rotate,
  'xfrac': _xfrac,
}


# Colour: (name, draws, channels) -> maps [B, 4, 4] of (red, green, blue, 1), or None.


def _brightness(name, draws, channels, std=0.2):
  b = _fired(draws, name, std * draws.normal(name), 0)
  shift = jnp.array([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0.0]])
  return jnp.eye(4)[None] + b[:, :, None] * shift[None]


def _contrast(name, draws, channels, std=0.5):
  c = _fired(draws, name, 2 ** (std * draws.normal(name)), 1)
  return c[:, :, None] * jnp.diag(jnp.array([1, 1, 1, 0.0]))[None] + _one_more()


def _lumaflip(name, draws, channels):
  i = _fired(draws, name, jnp.floor(2 * draws.uniform(name)), 0)
  return jnp.eye(4)[None] - 2 * i[:, :, None] * _along_luma()


def _hue(name, draws, channels, most=1.0):
  if channels == 1:
    return None
  theta = _fired(draws, name, (2 * draws.uniform(name) - 1) * jnp.pi * most, 0)[:, :, None]
  x, y, z, _ = LUMA
  crossed = jnp.array([[0, -z, y, 0], [z, 0, -x, 0], [-y, x, 0, 0], [0, 0, 0, 0]], jnp.float32)[None]
  across = jnp.eye(4)[None] - _one_more() - _along_luma()
  return _along_luma() + jnp.cos(theta) * across + jnp.sin(theta) * crossed + _one_more()


def _saturation(name, draws, channels, std=1.0):
  if channels == 1:
    return None
  s = _fired(draws, name, 2 ** (std * draws.normal(name)), 1)[:, :, None]
  return _along_luma() + (jnp.eye(4)[None] - _along_luma()) * s


def _along_luma() -> Array:
  return jnp.asarray(np.outer(LUMA, LUMA), jnp.float32)[None]


def _one_more() -> Array:
  return jnp.diag(jnp.array([0, 0, 0, 1.0]))[None]


COLOURS: dict[str, Callable] = {
  'saturation': _saturation,
  'hue': _hue,
  'lumaflip': _lumaflip,
  'contrast': _contrast,
  'brightness': _brightness,
}
"""The last one applied first, as matrices stand."""


def colour(x: Array, map: Array) -> Array:
  """The affine map [B, 4, 4] of each pixel's colour; of its mean over rows where there is only grey."""
  if x.shape[3] == 1:
    row = map[:, :3].mean(1)
    return x * row[:, None, None, :3].sum(-1, keepdims=True) + row[:, None, None, 3:]
  return jnp.einsum('bhwc,bdc->bhwd', x, map[:, :3, :3]) + map[:, None, None, :3, 3]


# The others: (images, draws) -> images.


def _imgfilter(x, draws, std=1.0):
  """Each band louder or softer by a factor of 2^n, the expected power staying what it was."""
  height, width = x.shape[1:3]
  if min(height, width) < SMALLEST_FILTERED:
    raise UserError(
      f'augment.groups: imgfilter needs images of at least {SMALLEST_FILTERED} px, not {height} x '
      f'{width}; bgc is without it.'
    )
  power = jnp.array([10, 1, 1, 1]) / 13  # of natural images, in each band
  gains = jnp.ones((len(x), wavelets.BANDS))
  for i in range(wavelets.BANDS):
    name = f'imgfilter {i}'
    t = _fired(draws, name, 2 ** (std * draws.normal(name)), 1)
    all_t = jnp.where(jnp.arange(wavelets.BANDS)[None] == i, t, 1.0)
    gains *= all_t / jnp.sqrt((power[None] * jnp.square(all_t)).sum(1, keepdims=True))
  taps = gains @ jnp.asarray(wavelets.bands(), jnp.float32)
  for axis in (1, 2):
    x = _filtered(x, taps, axis)
  return x


def _filtered(x: Array, taps: Array, axis: int) -> Array:
  """x along one axis with filters [B, K] of its images, reflected at the ends."""
  count, half = x.shape[axis], taps.shape[1] // 2
  x = jnp.pad(x, [(half, half) if i == axis else (0, 0) for i in range(4)], 'reflect')
  slices = [jnp.take(x, k + np.arange(count), axis) for k in range(taps.shape[1])]
  return sum(part * taps[:, k, None, None, None] for k, part in enumerate(slices))


def _noise(x, draws, std=0.1):
  sigma = _fired(draws, 'noise', std * jnp.abs(draws.normal('noise')), 0)
  pixels = draws.normal('noise of pixels', x[0].size).reshape(x.shape)
  return x + sigma[:, :, None, None] * pixels


def _cutout(x, draws, size=0.5):
  """A rectangle of half the size, anywhere, becomes grey."""
  half = _fired(draws, 'cutout', jnp.full((len(x), 1), size), 0) / 2
  centre = draws.uniform('cutout', 2)

  def outside(count, middle):
    return jnp.abs((jnp.arange(count)[None] + 0.5) / count - middle) >= half

  across, down = outside(x.shape[2], centre[:, :1]), outside(x.shape[1], centre[:, 1:])
  return x * (across[:, None, :] | down[:, :, None])[..., None]


PLAIN: dict[str, Callable] = {'imgfilter': _imgfilter, 'noise': _noise, 'cutout': _cutout}


def build(config) -> ADA:
  """ADA with the transforms of `config.augment.groups`."""
  groups = config.augment.groups
  if groups not in GROUPS:
    raise UserError(f'augment.groups={groups!r} is unknown; there are {listing(GROUPS, 20)}.')
  return ADA(GROUPS[groups])
