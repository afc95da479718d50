"""Pictures: grids of images, heat, and files that a reader never sees half of."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from decoupled_gan.core.images import to_uint8
from decoupled_gan.errors import RunError
from decoupled_gan.machine import paths

HEAT = np.array(  # black, violet, red, orange, yellow, white: rising lightness
  [[0, 0, 0], [74, 16, 108], [187, 55, 84], [249, 142, 9], [252, 255, 164], [255, 255, 255]]
)


def heat_to_uint8(heat: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
  """Maps [N, h, w] of any range as coloured images [N, *shape, 3]; each by its own range."""
  heat = np.asarray(heat, np.float32)
  low, high = heat.min((1, 2), keepdims=True), heat.max((1, 2), keepdims=True)
  unit = (heat - low) / np.maximum(high - low, 1e-12)  # a constant map is all black, not NaN
  stops = np.linspace(0, 1, len(HEAT))
  coloured = np.stack([np.interp(unit, stops, HEAT[:, c]) for c in range(3)], -1)
  images = [Image.fromarray(x).resize(shape[::-1]) for x in coloured.astype(np.uint8)]
  return np.stack([np.asarray(x) for x in images])


def grid(columns: Mapping[str, Any], header: int = 18, margin: int = 2) -> Image.Image:
  """A picture with one row for each image and one named column for each thing shown of it.

  Args:
    columns: name -> images, uint8 or float in [-1, 1], [N, H, W, C], or heat [N, h, w], or points
      [N, D], which become one image; or a Pair of them: rows of domain a come first, then those of b.
      All are shown in the shape of the first images.
  """
  columns = {name: jax.tree.leaves(column) for name, column in columns.items()}
  points = [np.abs(x).max() for column in columns.values() for x in column if x.ndim == 2]
  if points:
    columns = {name: [cloud(x, 1.25 * points[0]) for x in column] for name, column in columns.items()}
  images = [x for column in columns.values() for x in column]
  shape = next((x.shape[1:3] for x in images if x.ndim == 4), images[0].shape[1:3])
  scale = max(1, -(-64 // shape[1]))  # names need about 64 px
  height, width = (n * scale for n in shape)
  rows = sum(len(images) for images in next(iter(columns.values())))
  size = (width + margin) * len(columns), header + (height + margin) * rows
  canvas = Image.new('RGB', size, 'white')
  draw = ImageDraw.Draw(canvas)
  font = ImageFont.load_default(min(12, (width + margin) // 6))
  for i, (name, column) in enumerate(columns.items()):
    while font.getlength(name) > width:
      name = name[:-1]
    draw.text((i * (width + margin) + 2, 2), name, 'black', font)
    shown = np.concatenate([_visible(images, shape) for images in column])
    for row, image in enumerate(shown):
      tile = Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST)
      canvas.paste(tile, (i * (width + margin), header + row * (height + margin)))
  return canvas


def cloud(points: np.ndarray, edge: float, cells: int = 64, size: int = 256) -> np.ndarray:
  """uint8 [1, 256, 256, 3]: where points [N, D] lie between -edge and edge on their first two axes.

  As heat, by the root of how many are in a cell, so that single ones are seen too; on a line, as a
  histogram.
  """
  ends = np.linspace(-edge, edge, cells + 1)
  points = np.asarray(points, np.float64)
  if points.shape[1] == 1:
    counts, _ = np.histogram(points[:, 0], ends)
    heights = np.arange(cells, 0, -1)[:, None] <= cells * counts / max(1, counts.max())
  else:
    counts, *_ = np.histogram2d(points[:, 1], points[:, 0], (ends, ends))
    heights = np.sqrt(counts[::-1])
  cell = size // cells
  return heat_to_uint8(heights[None].repeat(cell, 1).repeat(cell, 2), (size, size))


def _visible(images, shape: tuple[int, int]) -> np.ndarray:
  images = np.asarray(images)
  if images.ndim == 3:
    return heat_to_uint8(images, shape)
  images = images if images.dtype == np.uint8 else to_uint8(images)
  return np.broadcast_to(images, (*images.shape[:3], 3))


def save_image(image: Image.Image, path: Path):
  """Writes a PNG so that a reader never sees half of it."""
  buffer = io.BytesIO()
  image.save(buffer, format='PNG')
  paths.write(path, buffer.getvalue())


def for_the_eye(image: Image.Image, path: Path) -> str:
  """Writes a picture that sums up others: a few words on where it is, or on why it is not.

  It goes into the workdir, not to the images that it sums up: those are counted and scored. Who may only
  read the workdir does without.
  """
  try:
    save_image(image, path)
  except RunError as error:
    return f'without a picture of them: {error}'
  return f'to look at: {path}'


def save_figure(figure, path: Path):
  """Writes a figure of matplotlib as `save_image` does an image."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png')
  paths.write(path, buffer.getvalue())
