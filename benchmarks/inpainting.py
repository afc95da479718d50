"""What gates are good for: free-form inpainting with and without them, on satellite tiles.

  python benchmarks/inpainting.py --folder=runs/inpainting --seeds=0,1

configs/inpaint.py:small and :small,plain (as many parameters), 64 px, equal seeds and steps, on
COUNT test tiles under one hole each, the same for all. Scored are the PSNR inside the hole, beside
that of the mean colour of what is around it; and the mean of the first layer's gates inside and
outside of the hole. Runs that are in the folder are scored as they are.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from configs import inpaint as recipe
from decoupled_gan import data
from decoupled_gan.core.images import to_float
from decoupled_gan.core.types import Examples
from decoupled_gan.layers import conv_ops
from decoupled_gan.methods.translate import inpaint
from decoupled_gan.modes import train
from decoupled_gan.networks.translate.holes import hole
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

COUNT = 64

_FOLDER = flags.DEFINE_string('folder', 'runs/inpainting', 'Runs and scores.json.')
_SEEDS = flags.DEFINE_list('seeds', ['0', '1'], 'Of the runs.')
_STEPS = flags.DEFINE_integer('steps', 2000, 'Of each run.')


def psnr(made: np.ndarray, truth: np.ndarray, holes: np.ndarray) -> float:
  """The mean over images of each one's own, in dB, of pixels in the hole; images lie in [-1, 1]."""
  error = (np.square(made - truth) * holes).sum((1, 2, 3)) / holes.sum((1, 2, 3)) / truth.shape[-1]
  return float((10 * np.log10(4 / error)).mean())


def gates(variables, outside: np.ndarray, holes: np.ndarray) -> tuple[float, float]:
  """The mean of the first layer's gates (inside, outside) of the hole."""
  layer = variables['params']['generator']['coarse_0']
  seen = np.concatenate([outside, np.ones_like(holes), holes], -1)
  y = conv_ops.conv_same(seen, layer['kernel']) + layer['bias'].reshape(1, 1, 1, -1)
  opened = np.asarray(jax.nn.sigmoid(np.split(np.asarray(y), 2, -1)[1])).mean(-1, keepdims=True)
  return tuple(float((opened * where).sum() / where.sum()) for where in (holes, 1 - holes))


def measured(folder: Path, words: str, seed: int) -> dict[str, float]:
  config = recipe.get_config(words)
  config.seed, config.num_steps = seed, _STEPS.value
  config.checkpoint_every_steps = config.sample_every_steps = _STEPS.value
  workdir = Workdir(str(folder / f'{words}-{seed}'))
  train.train(config, workdir)
  trained = inference.load(workdir)
  dataset = data.load(config, Examples)
  truth = data.test_images(dataset.test.x, [*range(COUNT)], config)
  images = np.asarray(to_float(jnp.asarray(truth)))
  draw = jax.jit(hole, static_argnums=(1, 2))
  holes = np.concatenate([draw(jax.random.key(i), *truth.shape[1:3]) for i in range(COUNT)])
  fill = trained.compiled(inpaint.fill)
  pairs = zip(truth, holes, strict=True)
  made = np.concatenate([fill(image[None], one[None]) for image, one in pairs])
  outside = images * (1 - holes)
  mean = outside.sum((1, 2), keepdims=True) / (1 - holes).sum((1, 2), keepdims=True)
  found = {'psnr': psnr(made, images, holes), 'psnr_of_mean': psnr(mean + 0 * images, images, holes)}
  if config.model.gates:
    found |= dict(zip(('gates_in', 'gates_out'), gates(trained.variables, outside, holes), strict=True))
  return found


def main(_):
  folder, found = Path(_FOLDER.value), {}
  for seed in _SEEDS.value:
    for words in ('small', 'small,plain'):
      found[f'{words} seed {seed}'] = measured(folder, words, int(seed))
      print(f'{words} seed {seed}:', found[f'{words} seed {seed}'], flush=True)
  (folder / 'scores.json').write_text(json.dumps(found, indent=2))


if __name__ == '__main__':
  app.run(main)
