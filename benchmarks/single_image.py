"""SinGAN on one tile: does each scale learn the image, and have new images its patches?

  python benchmarks/single_image.py --folder=runs/single_image --seeds=0,1 --steps=150

configs/singan.py:small, `--steps` of them at each of its three scales (150 is the recipe's). Scored are,
of each scale, the squared error of what z* gives, early (the first tenth of its steps) and late (the
last one), and at the end the sliced Wasserstein distance of 7x7 patches of COUNT new images to the
tile's: against the tile with its pixels shuffled, and Gaussian noise of its pixels' mean and covariance.
A new image twice as wide lies in the folder.
"""

import json
import sys
from pathlib import Path

import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from configs import singan as recipe
from decoupled_gan import data
from decoupled_gan.core.images import to_uint8
from decoupled_gan.core.types import Examples
from decoupled_gan.methods.noise import singan
from decoupled_gan.modes import train
from decoupled_gan.modes.generate import draw
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

COUNT = 8
PATCH = 7
DIRECTIONS = 128

_FOLDER = flags.DEFINE_string('folder', 'runs/single_image', 'Runs and scores.json.')
_SEEDS = flags.DEFINE_list('seeds', ['0', '1'], 'Of the runs.')
_STEPS = flags.DEFINE_integer('steps', 150, 'At each scale.')


def patches(images: np.ndarray) -> np.ndarray:
  """All patches of images uint8 [N, H, W, C]: float64 [M, 7 * 7 * C] in [0, 1]."""
  windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), (1, 2))
  return windows.reshape(-1, PATCH * PATCH * images.shape[-1]) / 255


def distance(real: np.ndarray, fake: np.ndarray) -> float:
  """The mean |difference of quantiles| along random directions of patches of two sets of images."""
  directions = np.random.default_rng(0).normal(size=(patches(real[:1]).shape[1], DIRECTIONS))
  directions /= np.linalg.norm(directions, axis=0)
  share = np.linspace(0, 1, 1001)
  along = [np.quantile(patches(x) @ directions, share, axis=0) for x in (real, fake)]
  return float(np.abs(along[0] - along[1]).mean())


def errors(workdir: Workdir, scales: int) -> dict[str, float]:
  """The squared error of z*'s image at the first and the last logged step of each scale."""
  rows = [json.loads(line) for line in Path(workdir.metrics_file).read_text().splitlines()]
  found = {}
  for n in range(scales):
    logged = [row[f'draw_{n}/reconstruct'] for row in rows if f'draw_{n}/reconstruct' in row]
    found |= {f'scale {n} early': logged[0], f'scale {n} late': logged[-1]}
  return found


def measured(folder: Path, seed: int, steps: int) -> dict[str, float]:
  config = recipe.get_config('small')
  recipe.scaled(config, config.image_size, steps)
  config.seed = seed
  config.log_every_steps = max(1, steps // 10)
  config.sample_every_steps = config.checkpoint_every_steps = steps
  workdir = Workdir(str(folder / str(seed)))
  train.train(config, workdir)
  tile = data.test_images(data.load(config, Examples).train.x, [0], config)
  trained = inference.load(workdir)
  latents = np.random.default_rng(seed).normal(size=(COUNT, trained.run.gan.z_dim))
  new = to_uint8(trained.compiled(singan.draw, '')(latents.astype(np.float32)))
  rng, pixels = np.random.default_rng(seed), tile.reshape(-1, tile.shape[-1])
  normal = rng.multivariate_normal(pixels.mean(0), np.cov(pixels.T), (1, *config.image_size))
  draw.draw(workdir, str(folder / f'wide{seed}.png'), '0', '', 1.0, 'const', size='48x96')
  return {
    **errors(workdir, len(trained.run.gan.sizes)),
    'new images': distance(tile, new),
    'shuffled pixels': distance(tile, rng.permutation(pixels).reshape(tile.shape)),
    'gaussian': distance(tile, np.clip(normal, 0, 255).astype(np.uint8)),
  }


def main(_):
  folder = Path(_FOLDER.value)
  found = {seed: measured(folder, int(seed), _STEPS.value) for seed in _SEEDS.value}
  (folder / 'scores.json').write_text(json.dumps(found, indent=2))
  for seed, row in found.items():
    print(f'seed {seed}', *(f'{name} {x:.4f}' for name, x in row.items()))


if __name__ == '__main__':
  app.run(main)
