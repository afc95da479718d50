"""Free-form holes: a box and some strokes of a brush, drawn at random within a program.

Yu et al., ICCV 2019, algorithm 1, with the official code's constants, which are for 256 px: here they
scale with the shorter side. Where we differ: lengths are no whole pixels; the flips at the end of the
official code, whose result is thrown away there, are not here."""

import math

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array

PUBLISHED = 256  # px that the constants are for
BOX, SHRINK = 128, 16  # the box's edge, and by how much each of its sides may be less
STROKES = 3  # at most
SEGMENTS = (4, 11)  # of a stroke
ANGLE, SPREAD = 2 * math.pi / 5, 2 * math.pi / 15
WIDTH = (12, 40)  # of a stroke


def hole(key: Array, height: int, width: int) -> Array:
  """[1, H, W, 1], 1 in the hole: one for a whole batch, as in the official code."""
  in_box, along = jax.random.split(key)
  scale = min(height, width) / PUBLISHED
  rows, columns = (jnp.arange(n) + 0.5 for n in (height, width))
  boxed = box(in_box, rows, columns, scale)
  return jnp.maximum(boxed, strokes(along, rows, columns, scale))[None, :, :, None]


def box(key: Array, rows: Array, columns: Array, scale: float) -> Array:
  """[H, W]: a box at a place where it fits whole, each side smaller by up to 2 x 16 px of 256."""
  place, less = jax.random.uniform(key, (2, 2))
  inside = []
  for i, at in enumerate((rows, columns)):
    edge = BOX * scale
    start, shrink = place[i] * (len(at) - edge), less[i] * SHRINK * scale
    inside.append((at >= start + shrink) & (at < start + edge - shrink))
  return (inside[0][:, None] & inside[1][None]).astype(jnp.float32)


def strokes(key: Array, rows: Array, columns: Array, scale: float) -> Array:
  """[H, W]: one to three broken lines, which turn back and forth, with round ends and joints."""
  keys = jax.random.split(key, 6)
  size = jnp.array([len(rows), len(columns)], jnp.float32)
  most = SEGMENTS[1]
  count = jax.random.randint(keys[0], (), 1, STROKES + 1)
  segments = jax.random.randint(keys[1], (STROKES,), SEGMENTS[0], most + 1)
  ends = jax.random.uniform(keys[2], (2, STROKES)) * SPREAD
  turn = jax.random.uniform(keys[3], (most, STROKES), minval=ANGLE - ends[0], maxval=ANGLE + ends[1])
  reach = jnp.sqrt(jnp.square(size).sum()) / 8
  length = reach + reach / 2 * jax.random.normal(keys[4], (most, STROKES))
  length = jnp.clip(length, 0, 2 * reach)
  brush, first = jnp.split(jax.random.uniform(keys[5], (3, STROKES)), [1])
  brush = (WIDTH[0] + (WIDTH[1] - WIDTH[0]) * brush[0]) * scale
  here, covered = first * size[:, None], jnp.zeros((len(rows), len(columns)), bool)
  for i in range(most):
    angle = turn[i] if i % 2 else 2 * jnp.pi - turn[i]
    step = length[i][None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    there = jnp.clip(here + step, 0, size[:, None])
    drawn = (jnp.arange(STROKES) < count) & (i < segments)
    near = _distance(rows, columns, here, there) < brush[None, None] / 2
    covered |= (near & drawn[None, None]).any(-1)
    here = there
  return covered.astype(jnp.float32)


def _distance(rows: Array, columns: Array, a: Array, b: Array) -> Array:
  """[H, W, S] from each pixel to each of the segments between a and b, [2, S] both."""
  along = b - a
  y, x = rows[:, None, None] - a[0][None, None], columns[None, :, None] - a[1][None, None]
  dy, dx = along[:, None, None]
  share = jnp.clip((y * dy + x * dx) / jnp.maximum(jnp.square(along).sum(0), 1e-6)[None, None], 0, 1)
  return jnp.hypot(y - share * dy, x - share * dx)
