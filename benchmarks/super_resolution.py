"""SRGAN's two stages against the bicubic filter, on satellite tiles made four times smaller.

  python benchmarks/super_resolution.py --folder=runs/super_resolution --seeds=0,1

configs/srgan.py:small, 64 px. Scored are the network at the end of its first stage (SRResNet,
squared error only) and at the end of training, on COUNT test tiles: PSNR, whose mean over tiles the
second stage is to lower, and the sliced Wasserstein distance of neighbourhoods, which it is to
lower as well. Runs that are in the folder are scored as they are.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from configs import srgan as recipe
from decoupled_gan import data
from decoupled_gan.core.images import to_float, to_uint8
from decoupled_gan.core.types import Examples
from decoupled_gan.evaluation.metrics import paired, sliced
from decoupled_gan.methods.translate import srgan
from decoupled_gan.modes import train
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

COUNT = 128

_FOLDER = flags.DEFINE_string('folder', 'runs/super_resolution', 'Runs and scores.json.')
_SEEDS = flags.DEFINE_list('seeds', ['0', '1'], 'Of the runs.')


def scores(images: np.ndarray, truth: np.ndarray) -> dict[str, float]:
  estimate = sliced.sliced_wasserstein(truth, images, np.random.default_rng(0))
  each = [paired.psnr(image[None], right[None]) for image, right in zip(images, truth, strict=True)]
  return {'psnr': float(np.mean(each)), 'sliced_wasserstein': float(estimate.value)}


def measured(folder: Path, seed: int) -> dict[str, dict[str, float]]:
  """{'bicubic', 'first stage', 'second stage': scores} of one run."""
  config = recipe.get_config('small')
  config.seed = seed
  workdir = Workdir(str(folder / str(seed)))
  train.train(config, workdir)
  dataset = data.load(config, Examples)
  truth = data.test_images(dataset.test.x, [*range(COUNT)], config)

  @jax.jit
  def filtered(images):
    small = srgan.reduced(to_float(images), 2**config.model.doublings)
    return srgan.bicubic(small, 2**config.model.doublings)

  found = {'bicubic': scores(to_uint8(filtered(jnp.asarray(truth))), truth)}
  for name, step in (('first stage', config.window.pretrain[1]), ('second stage', config.num_steps)):
    trained = inference.load(workdir, step)
    function = trained.compiled(srgan.reconstruct)
    found[name] = scores(inference.batched(lambda x, f=function: to_uint8(f(x)), truth, 32), truth)
  return found


def main(_):
  folder = Path(_FOLDER.value)
  found = {seed: measured(folder, int(seed)) for seed in _SEEDS.value}
  (folder / 'scores.json').write_text(json.dumps(found, indent=2))
  for seed, rows in found.items():
    for name, row in rows.items():
      print(f'seed {seed} {name:13}', *(f'{metric} {x:.4f}' for metric, x in row.items()))


if __name__ == '__main__':
  app.run(main)
