"""The controller of ADA, APA and Diffusion-GAN: strength follows how surely D knows the training set.

  every `interval` steps: p <- max(0, p + sign(r - target) * images / (1000 kimg))

where r is the mean sign of D on real images since the last move (Karras et al., 2020, section 3.1: r_t),
and `images` their number: at kimg = 500, half a million images take p from 0 to 1.
*Where we differ*: r counts D's outputs in `discriminate` only; the official code also those of the lazy
R1 phase, which are equal in expectation.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.losses import f32


class Reading(NamedTuple):
  """What the controller keeps: the strength, and its readings since the last move.

  Attributes:
    p: strength.
    sum, images: of signs, and of how many images.
    overfitting: r, as it was at the last move.
  """

  p: Array
  sum: Array
  images: Array
  overfitting: Array

  @classmethod
  def first(cls, p: float) -> 'Reading':
    return cls(jnp.float32(p), jnp.float32(0), jnp.int32(0), jnp.float32(0))


@dataclass(frozen=True)
class Control:
  """See the module.

  Attributes:
    target: of the mean sign.
    interval: steps.
    kimg: thousands of images from no strength to 1.
    most: where p ends; ADA's has no end, though it acts as 1 above 1.
  """

  target: float = 0.6
  interval: int = 4
  kimg: float = 500.0
  most: float = float('inf')

  def next(self, reading: Reading, outputs: Array) -> Reading:
    """`reading` after D's outputs [B, K] on real examples; the sign is that of an example's mean."""
    signs = jnp.sign(f32(outputs).reshape(len(outputs), -1).mean(1))
    total, images = reading.sum + signs.sum(), reading.images + len(outputs)
    due = images >= self.interval * len(outputs)
    r = total / images
    moved = reading.p + jnp.sign(r - self.target) * images / (1000 * self.kimg)
    moved = jnp.clip(moved, 0, self.most)
    keep = jnp.where(due, 0, 1)
    return Reading(
      p=jnp.where(due, moved, reading.p),
      sum=keep * total,
      images=keep * images,
      overfitting=jnp.where(due, r, reading.overfitting),
    )
