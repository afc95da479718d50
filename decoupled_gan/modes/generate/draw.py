"""--mode=generate: images from seeds, and the way from one seed's image to the next.

A seed means what it means to the official generate.py of StyleGAN2-ADA: z is
`numpy.random.RandomState(seed).randn(1, z_dim)` and 8-bit values are clip(x * 127.5 + 128), cut off
rather than rounded. An imported network therefore draws the official pictures.
"""

import io
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from decoupled_gan.data import results
from decoupled_gan.data.files import EXTENSIONS
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers.equalised import NOISE
from decoupled_gan.machine import paths
from decoupled_gan.run import inference
from decoupled_gan.run.pictures import for_the_eye
from decoupled_gan.run.workdir import Workdir

FRAMES = 16  # from one seed to the next
MILLISECONDS = 80  # a frame
SHOWN = 5  # frames of a segment in the strip
MOST = 1_000_000  # seeds of one call


def draw(
  workdir: Workdir,
  output: str,
  seeds: str,
  interpolate: str,
  truncation: float,
  noise: str,
  step: int | None = None,
  dtype: str = 'float32',
  size: str = '',
  start_scale: int = 0,
):
  """Writes seed0000.png, ...; or, if `interpolate` names seeds, an animation.

  All of them in one picture, the strip of an animation as well, lies in the workdir: what is for the eye
  does not lie where images are counted.

  Args:
    output: the folder, or a file of one seed's image or of the animation; <workdir>/generated if ''.
    seeds: such as '0-15' or '0,5,9'.
    interpolate: seeds too; between them, w moves on straight lines.
    truncation: psi; 1 draws from all of the distribution, 0 the average image.
    noise: of NOISE.
    dtype: float32, or bfloat16, which is faster and not the same.
    size: 'HxW' in px, of methods whose images may have any; that of training if ''.
    start_scale: of a pyramid: the coarser scales are as they were in training.
  """
  check_noise(noise)
  if interpolate:
    chosen = parse_seeds('interpolate', interpolate)
  else:
    chosen = list(dict.fromkeys(parse_seeds('seeds', seeds)))
  if interpolate and len(chosen) < 2:
    raise UserError(f'--interpolate={interpolate} names one seed; two are needed, as in 0,5.')
  run = inference.open_run(workdir, dtype=dtype)
  run.require('draw')
  if size or start_scale:
    run.require('at_size')
    run = replace(run, gan=run.method.at_size(run.gan, parse_size(size), start_scale))
  config = run.config
  if config.vector_size:
    raise UserError(f'{workdir.path} makes points, which are no images: look at its samples.')
  files = _files(workdir, output, chosen, bool(interpolate), config)
  trained = inference.restore(run, workdir, step)
  w, labels = coder(trained, truncation)(chosen), labels_of(run, chosen)
  images = painter(trained, noise)
  if interpolate:
    ways = [between(w, FRAMES)]
    if labels is not None:  # those of the seed that is left
      ways.append(np.append(np.repeat(labels[:-1], FRAMES, 0), labels[-1:], 0))
    frames = inference.batched(images, ways)
    beside = write_interpolation(frames, files[0], workdir.path / 'interpolation.png')
    print(f'{len(frames)} frames drawn at step {trained.step}: {files[0]}; {beside}')
    return
  drawn = inference.batched(images, [w] if labels is None else [w, labels])
  results.write_all(drawn, files)
  beside = for_the_eye(tiled(drawn), workdir.path / 'generated.png')
  where = files[0] if len(files) == 1 else files[0].parent
  print(f'{len(chosen)} image(s) drawn at step {trained.step}: {where}; {beside}')


def _files(workdir: Workdir, output: str, seeds: Sequence[int], animated: bool, config) -> list[Path]:
  """Where each image, or the animation, goes: its folder is there, and is not the run's data."""
  target = paths.get(output) if output else workdir.path / ('' if animated else 'generated')
  endings = ('.gif',) if animated else EXTENSIONS
  ending = os.path.splitext(output)[1].lower()
  if ending in (*EXTENSIONS, '.gif') and not target.is_dir():
    if ending not in endings or (len(seeds) > 1 and not animated):
      what = 'an animation is a .gif' if animated else f'there are {len(seeds)} images'
      raise UserError(f'--output={output} names an image, and {what}: name a folder.')
    folder, files = target.parent, [target]
  else:
    names = ['interpolation.gif'] if animated else [f'seed{seed:04d}.png' for seed in seeds]
    folder, files = target, [target / name for name in names]
  results.check_not_data(folder, config, f'--output={output or folder}')
  results.make_folder(folder, output or str(folder))
  return files


def labels_of(run, seeds: Sequence[int]) -> np.ndarray | None:
  """int32 [N, K]: the combinations of values, in turn, by the seeds' numbers; None without labels."""
  attributes = run.config.attributes
  if not (run.method.conditional and len(attributes)):
    return None
  counts = [len(values) for _, values in sorted(attributes.items())]
  if 0 in counts:
    raise UserError('labels of this run are quantities, and generate draws under classes: see samples.')
  numbers = np.asarray(seeds) % math.prod(counts)
  return np.stack(np.unravel_index(numbers, counts), -1).astype(np.int32)


def coder(trained: inference.Trained, truncation: float) -> Callable:
  """seeds -> what their drawings are made of [N, D]: w, or z where a method has no w."""
  function = trained.compiled(trained.run.method.style, truncation)
  return lambda seeds: inference.batched(function, _latents(trained, seeds))


def painter(trained: inference.Trained, noise: str) -> Callable:
  """[codes] or [codes, labels] -> uint8 [N, H, W, C], or float32 [N, D] of a run of points."""

  def paint(gan, w, *labels):
    return trained.run.method.draw(gan, w, noise, *labels)

  forward = trained.compiled(paint, noise=lambda w, *_: jax.random.key(0))
  if trained.run.config.vector_size:
    return lambda inputs: np.asarray(forward(*inputs))
  return lambda inputs: to_official_uint8(forward(*inputs))


def check_noise(noise: str):
  """Raises UserError for a word that is not one of NOISE."""
  if noise not in NOISE:
    raise UserError(f'--noise={noise} is unknown; there are {listing(NOISE)}.')


def parse_seeds(flag: str, text: str) -> list[int]:
  """'0-3,7' -> [0, 1, 2, 3, 7]; raises UserError if it is anything else."""
  seeds = []
  for part in text.split(','):
    first, dash, last = part.strip().partition('-')
    if not first.isdecimal() or (dash and not last.isdecimal()):
      raise UserError(f'--{flag}={text!r}: {part!r} is no seed; write 0-15 or 0,5,9.')
    if max(len(first), len(last)) > 10 or int(last or first) >= 2**32 or int(last or first) < int(first):
      raise UserError(f'--{flag}={text!r}: {part!r} names no seed, or one that is not below 2^32.')
    if len(seeds) + int(last or first) - int(first) >= MOST:
      raise UserError(f'--{flag}={text!r} names more than {MOST:,} seeds: draw them in parts.')
    seeds += range(int(first), int(last or first) + 1)
  return seeds


def parse_size(text: str) -> tuple[int, int] | None:
  """'164x500' -> (164, 500), height and width in px; None of ''. Raises UserError otherwise."""
  found = re.fullmatch(r'([1-9]\d{0,4})x([1-9]\d{0,4})', text)
  if text and not found:
    raise UserError(f'--size={text} is no size; write height and width in pixels, as in 164x500.')
  return (int(found[1]), int(found[2])) if found else None


def to_official_uint8(images) -> np.ndarray:
  """Images in [-1, 1] as the official generate.py writes them."""
  return np.clip(np.asarray(images, np.float32) * 127.5 + 128, 0, 255).astype(np.uint8)


def between(points: np.ndarray, steps: int) -> np.ndarray:
  """Points [N, D] and those on the straight lines between them: [(N - 1) * steps + 1, D]."""
  places = np.arange((len(points) - 1) * steps + 1) / steps
  left = np.minimum(places.astype(int), len(points) - 2)
  share = (places - left)[:, None].astype(points.dtype)
  return points[left] + share * (points[left + 1] - points[left])


def tiled(images: np.ndarray, columns: int = 0) -> Image.Image:
  """Images uint8 [N, H, W, C] side by side, as square as can be or in `columns`."""
  columns = columns or int(np.ceil(len(images) ** 0.5))
  height, width = images.shape[1:3]
  canvas = Image.new('RGB', (columns * width, -(-len(images) // columns) * height), 'white')
  for i, image in enumerate(np.broadcast_to(images, (*images.shape[:3], 3))):
    canvas.paste(Image.fromarray(image), (i % columns * width, i // columns * height))
  return canvas


def _latents(trained, seeds: Sequence[int]) -> np.ndarray:
  size = trained.run.gan.z_dim
  z = [np.random.RandomState(seed).randn(1, size) for seed in seeds]
  return np.concatenate(z).astype(np.float32)


def write_interpolation(frames: np.ndarray, file: Path, strip: Path) -> str:
  """Writes an animation, and some of its frames side by side; the words of `for_the_eye`."""
  some = frames[:: max(1, FRAMES // (SHOWN - 1))]
  shown = [tiled(frame[None]) for frame in frames]
  buffer = io.BytesIO()
  shown[0].save(
    buffer, format='GIF', save_all=True, append_images=shown[1:], duration=MILLISECONDS, loop=0
  )
  paths.write(file, buffer.getvalue())
  return for_the_eye(tiled(some, len(some)), strip)
