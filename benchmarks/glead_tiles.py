"""StyleGAN2 against GLeaD on satellite tiles: same seeds, same steps, distances along the way.

  python benchmarks/glead_tiles.py --folder=runs/glead_tiles --seeds=0,1
  python benchmarks/glead_tiles.py --folder=runs/glead_tiles --noscore   # the figure alone

Runs that are in the folder are scored as they are, others are trained first.

configs/tiles.py at 32 px, 3,000 steps of 8 images. Each checkpoint draws COUNT images with fresh noise,
without truncation, by the averaged generator. KID in the features of EfficientNet-Lite0 (no published
number is comparable) and the sliced Wasserstein distance, both against COUNT training images; the same
distances between test tiles (the Americas) and training tiles show what another part of the Earth would
score.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
from absl import app, flags
from matplotlib.figure import Figure
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from configs import tiles
from decoupled_gan import data
from decoupled_gan.core.types import Examples
from decoupled_gan.data.views import Joined
from decoupled_gan.evaluation import tasks
from decoupled_gan.evaluation.metrics import sliced
from decoupled_gan.evaluation.metrics.distribution import squared_mmd
from decoupled_gan.evaluation.metrics.protocols import network_input
from decoupled_gan.modes import train
from decoupled_gan.modes.generate.draw import tiled
from decoupled_gan.pretrained import features
from decoupled_gan.run import inference
from decoupled_gan.run.pictures import save_image
from decoupled_gan.run.workdir import Workdir

VARIANTS = {'stylegan2': '#b8860b', 'glead': '#1f6f8b'}
COUNT, BATCH = 256, 32

_FOLDER = flags.DEFINE_string('folder', 'runs/glead_tiles', 'Runs, scores.json and the pictures.')
_SEEDS = flags.DEFINE_list('seeds', ['0', '1'], 'Of the runs.')
_STEPS = flags.DEFINE_integer('steps', 3000, 'Of each run.')
_EVERY = flags.DEFINE_integer('every', 1000, 'Steps between scored checkpoints.')
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


def drawn(task, variables) -> np.ndarray:
  """COUNT images, uint8 [COUNT, S, S, 3], of seeds that are the same for every checkpoint."""
  seeds = np.arange(COUNT).reshape(-1, BATCH)
  return np.concatenate([task.generate(variables, batch) for batch in seeds])


class Scores:
  """Distances of images to the training set."""

  def __init__(self, config):
    dataset = data.load(config, Examples)
    self.test = data.test_images(dataset.test.x, None, config)
    self._real = _some(dataset.train.x, config)
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
      run = inference.open_run(workdir)
      (task,) = tasks.of_generator(run, data.load(run.config, Examples))
      row = rows[workdir.path.name] = {}
      for step in steps:
        with jax.set_mesh(run.mesh):
          images = drawn(task, inference.restore(run, workdir, step).variables)
        row[step] = measure(images)
        print(workdir.path.name, step, row[step], flush=True)
      shown = tiled(images[:64]).resize((512, 512), Image.Resampling.NEAREST)
      save_image(shown, folder / f'{workdir.path.name}.png')
  return rows


def figure(rows: dict) -> Figure:
  """One panel for each metric: a line for each run, dashed where the test tiles are."""
  test = rows['test tiles']
  drawn = Figure(figsize=(4.2 * len(test), 3), dpi=100, layout='constrained')
  for axes, (metric, of_test) in zip(drawn.subplots(1, len(test)), test.items(), strict=True):
    for name, row in rows.items():
      if row is not test:
        colour = VARIANTS[name.rpartition('-')[0]]
        steps, values = [int(step) for step in row], [v[metric] for v in row.values()]
        axes.plot(steps, values, color=colour, label=name)
    axes.axhline(of_test, color='grey', linestyle='--', label='test tiles')
    axes.set(title=f'{metric} to training tiles', xlabel='steps of 8 images', xlim=0, ylim=0)
  drawn.axes[0].legend(fontsize='small')
  return drawn


def main(_):
  folder = Path(_FOLDER.value)
  file = folder / 'scores.json'
  if _SCORE.value:
    rows = score(folder)
    file.write_text(json.dumps(rows, indent=1) + '\n', encoding='utf-8')
  figure(json.loads(file.read_text(encoding='utf-8'))).savefig(folder / 'curves.png')


if __name__ == '__main__':
  app.run(main)
