"""Points whose law is known: rings, grids and mixtures on a line, within about [-1, 1].

Finite samples, drawn once from a fixed seed, so that batches stay a function of the step; the mixture
they come from is `MIXTURES`, by which modes are counted.
"""

from typing import NamedTuple

import numpy as np

from decoupled_gan.core.types import Examples
from decoupled_gan.data.dataset import Dataset
from decoupled_gan.errors import UserError, listing

TRAIN, TEST = 100_000, 10_000
REACH = 3  # standard deviations, within which a point is good


class Mixture(NamedTuple):
  """Gaussians at `centres` [K, D] of standard deviation `std` in each coordinate.

  Attributes:
    shares: of each, [K]; None: they are equal.
  """

  centres: np.ndarray
  std: float
  shares: np.ndarray | None = None

  def sample(self, count: int, seed: int) -> np.ndarray:
    """float32 [count, D]."""
    rng = np.random.default_rng(seed)
    if self.shares is None:  # other numbers than those of equal shares
      modes = rng.integers(self.modes, size=count)
    else:
      modes = rng.choice(self.modes, count, p=self.shares)
    centres = self.centres[modes]
    return (centres + self.std * rng.normal(size=centres.shape)).astype(np.float32)

  @property
  def modes(self) -> int:
    """How many Gaussians."""
    return len(self.centres)

  def assign(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the nearest centre of each point, whether each coordinate is within 3 std of it): [N] both.

    A square, as stevliu/self-conditioned-gan has it: 0.9946 of the law's own points on a plane are in.
    Other papers take a disc of 3 std (0.9889) or of 4.
    """
    away = np.asarray(points, np.float64)[:, None] - self.centres[None]
    nearest = np.square(away).sum(-1).argmin(1)
    own = away[np.arange(len(away)), nearest]
    return nearest, (np.abs(own) <= REACH * self.std).all(-1)


def _ring(count: int, radius: float, std: float) -> Mixture:
  angles = 2 * np.pi * np.arange(count) / count
  return Mixture(radius * np.stack([np.cos(angles), np.sin(angles)], 1), std)


def _grid(side: int, spacing: float, std: float) -> Mixture:
  places = spacing * (np.arange(side) - (side - 1) / 2)
  return Mixture(np.stack(np.meshgrid(places, places), -1).reshape(-1, 2), std)


def _line(*centres: float, std: float) -> Mixture:
  return Mixture(np.array(centres)[:, None], std)


def _unequal() -> Mixture:
  """SLOGAN's eight (Hwang et al., ICLR 2022): radius 2, variance 0.01, every other one thrice as large.

  Opposite a small one stands a large one: shares alternate in the order E, W, N, S, NE, SW, SE, NW.
  Scaled so that 4 standard deviations are within [-1, 1]; theirs are scaled by the sample's extent.
  """
  far, scale = 2**-0.5, 1 / 2.4
  directions = [(1, 0), (-1, 0), (0, 1), (0, -1), (far, far), (-far, -far), (far, -far), (-far, far)]
  return Mixture(2 * scale * np.array(directions), 0.1 * scale, np.array([1, 3] * 4) / 16)


MIXTURES = {
  'ring8': _ring(8, 1.5, 0.1),
  'grid25': _grid(5, 2 / 2.828, 0.05 / 2.828),  # as gan_toy.py of improved_wgan_training scales it
  'unequal8': _unequal(),
  'line1': _line(1.0, std=0.5),
  'line4': _line(-1.5, -0.5, 0.5, 1.5, std=0.05),
}
"""data.a -> the law of the points."""


def load(config) -> Dataset:
  """100,000 points of the mixture that config.data.a names to train, 10,000 to test.

  Raises UserError if there is no such mixture, or config.vector_size is not its dimension.
  """
  name = config.data.a
  if name not in MIXTURES:
    raise UserError(f'data.a={name!r} is not a set of points: there are {listing(MIXTURES)}.')
  mixture = MIXTURES[name]
  dimension = mixture.centres.shape[1]
  if config.vector_size != dimension:
    raise UserError(f'vector_size={config.vector_size}: points of {name} have {dimension} coordinates.')
  train, test = mixture.sample(TRAIN, 0), mixture.sample(TEST, 1)
  return Dataset(f'{name}, {mixture.modes} modes', Examples(train), Examples(test), law=mixture)
