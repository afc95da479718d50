"""StyleGAN2 against GLeaD on satellite tiles: same seeds, same steps, distances along the way.

  PYTHONPATH=. python benchmarks/glead_tiles.py --folder=runs/glead_tiles --seeds=0,1
  PYTHONPATH=. python benchmarks/glead_tiles.py --folder=runs/glead_tiles --noscore   # the figure alone

Runs that are in the folder are scored as they are, others are trained first.

configs/tiles.py at 32 px, 3,000 steps of 8 images. Each checkpoint draws COUNT images with fresh noise,
without truncation, by the averaged generator. KID in the features of EfficientNet-Lite0 (no published
number is comparable) and the sliced Wasserstein distance, both against COUNT training images; the same
distances between test tiles (the Americas) and training tiles show what another part of the Earth would
score.
"""

import json
from pathlib import Path

import numpy as np
from absl import app, flags
from PIL import Image, ImageDraw, ImageFont

from configs import tiles
from decoupled_gan import data, inference, train
from decoupled_gan.data.views import Joined
from decoupled_gan.draw import tiled
from decoupled_gan.images import to_uint8
from decoupled_gan.metrics import features, sliced
from decoupled_gan.metrics.distribution import squared_mmd
from decoupled_gan.metrics.protocols import network_input
from decoupled_gan.report import save_image
from decoupled_gan.types import Plain
from decoupled_gan.workdir import Workdir

VARIANTS = {'stylegan2': '#b8860b', 'glead': '#1f6f8b'}
COUNT, BATCH = 512, 64
WIDTH, HEIGHT, MARGIN = 420, 300, 60

_FOLDER = flags.DEFINE_string('folder', 'runs/glead_tiles', 'Runs, scores.json and the pictures.')
_SEEDS = flags.DEFINE_list('seeds', ['0', '1'], 'Of the runs.')
_STEPS = flags.DEFINE_integer('steps', 3000, 'Of each run.')
_EVERY = flags.DEFINE_integer('every', 500, 'Steps between scored checkpoints.')
_SCORE = flags.DEFINE_bool('score', True, 'Whether to score, or only to draw the figure again.')


def recipe(variant: str, seed: int):
  config = tiles.get_config(variant)
  config.seed = seed
  config.image_size = 32
  config.model.channel_base = 512
  config.num_steps = _STEPS.value
  config.checkpoint_every_steps = config.sample_every_steps = _EVERY.value
  config.checkpoints_to_keep = _STEPS.value // _EVERY.value
  return config


def drawn(workdir: Workdir, step: int) -> np.ndarray:
  """COUNT images, uint8 [COUNT, S, S, 3], of latents that are the same for every checkpoint."""
  trained = inference.load(workdir, step)
  method, gan = trained.run.method, trained.run.gan
  z = np.random.default_rng(0).standard_normal((COUNT, gan.z_dim)).astype(np.float32)

  def images(z):
    return trained.compiled(method.draw, 'random')(trained.compiled(method.style, 1.0)(z))

  return inference.batched(lambda z: to_uint8(images(z)), z, BATCH)


class Scores:
  """Distances of images to the training set."""

  def __init__(self, config):
    dataset = data.load(config, Plain)
    self.test = data.test_images(dataset.test.image, None, config)
    self._real = _some(dataset.train.image, config)
    self._network = features.load('efficientnet_lite0')
    self._real_features = self._features(self._real)

  def __call__(self, images: np.ndarray) -> dict[str, float]:
    swd = sliced.sliced_wasserstein(self._real, images, np.random.default_rng(0))
    return {
      'kid': squared_mmd(self._real_features, self._features(images)),
      'sliced_wasserstein': swd.value,
    }

  def _features(self, images):
    size = self._network.input_size
    resized = (network_input(image, size, 'bilinear') for image in images)
    return features.extract(self._network, resized)['features']


def _some(images: Joined, config) -> np.ndarray:
  chosen = np.random.default_rng(0).permutation(len(images))[:COUNT]
  return data.test_images(images, chosen.tolist(), config)


def score(folder: Path) -> dict:
  """{'stylegan2-0': {step: {metric: value}}, ..., 'test tiles': {metric: value}}"""
  measure = Scores(recipe('glead', 0))
  rows = {'test tiles': measure(measure.test)}
  steps = range(_EVERY.value, _STEPS.value + 1, _EVERY.value)
  for seed in _SEEDS.value:
    for variant in VARIANTS:
      workdir = Workdir(folder / f'{variant}-{seed}')
      if not workdir.config_file.exists():
        train.train(recipe(variant, int(seed)), workdir)
      rows[workdir.path.name] = {step: measure(drawn(workdir, step)) for step in steps}
      save_image(
        tiled(drawn(workdir, _STEPS.value)[:64]).resize((512, 512), Image.Resampling.NEAREST),
        folder / f'{workdir.path.name}.png',
      )
      print(workdir.path.name, json.dumps(rows[workdir.path.name]), flush=True)
  return rows


def figure(rows: dict) -> Image.Image:
  """One panel for each metric: a line for each run, dashed where the test tiles are."""
  metrics = list(rows['test tiles'])
  canvas = Image.new('RGB', (WIDTH * len(metrics), HEIGHT), 'white')
  draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
  runs = {name: row for name, row in rows.items() if name != 'test tiles'}
  for i, metric in enumerate(metrics):
    values = [v[metric] for row in runs.values() for v in row.values()] + [rows['test tiles'][metric]]
    low, high = min(*values, 0), max(values) * 1.05
    last = max(int(step) for row in runs.values() for step in row)

    def place(step, value, i=i, low=low, high=high, last=last):
      x = i * WIDTH + MARGIN + (WIDTH - MARGIN - 20) * int(step) / last
      return x, HEIGHT - 40 - (HEIGHT - 80) * (value - low) / (high - low)

    draw.text((i * WIDTH + MARGIN, 10), f'{metric} to training tiles', 'black', font)
    draw.line([place(0, low), place(last, low)], 'black')
    draw.line([place(0, low), place(0, high)], 'black')
    for step in (0, last // 2, last):
      draw.text((place(step, low)[0] - 12, HEIGHT - 34), str(step), 'black', font)
    for value in (low, high):
      draw.text((i * WIDTH + 4, place(0, value)[1] - 8), f'{value:.3g}', 'black', font)
    y = place(0, rows['test tiles'][metric])[1]
    for x in range(i * WIDTH + MARGIN, (i + 1) * WIDTH - 20, 8):
      draw.line([(x, y), (x + 4, y)], '#888888')
    draw.text(((i + 1) * WIDTH - 80, y - 16), 'test tiles', '#888888', font)
    for name, row in runs.items():
      colour = VARIANTS[name.rpartition('-')[0]]
      draw.line([place(step, v[metric]) for step, v in row.items()], colour, 2)
  for j, (variant, colour) in enumerate(VARIANTS.items()):
    draw.text((MARGIN + 110 * j, HEIGHT - 18), variant, colour, font)
  draw.text((MARGIN + 220, HEIGHT - 18), 'steps of 8 images', 'black', font)
  return canvas


def main(_):
  folder = Path(_FOLDER.value)
  file = folder / 'scores.json'
  if _SCORE.value:
    rows = score(folder)
    file.write_text(json.dumps(rows, indent=1) + '\n', encoding='utf-8')
  save_image(figure(json.loads(file.read_text(encoding='utf-8'))), folder / 'curves.png')


if __name__ == '__main__':
  app.run(main)
