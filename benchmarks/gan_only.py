"""Does the adversarial loss alone translate? Digits to inverted digits, by generators of three kinds.

  python benchmarks/gan_only.py --folder=runs/gan_only --seeds=0,1

configs/cyclegan.py:inverted_digits,gan_only: 719 digits, 719 other digits inverted, 500 steps at batch
size 64. `residual` begins near its input and keeps its size; `code 64` and `code 8` are encoders and
decoders with a code of 2x2 pixels and so many channels; `weak` has a discriminator of width 4 rather
than 16, `free` one whose R1 has a hundredth of the weight; `plain` networks have no instance
normalisation; `cycle` has CycleGAN's cycle of weight 10 besides.

How much of the content is preserved is scored on 359 test digits: the share whose translation a support
vector machine, which learned the labels of inverted digits, still takes for the same digit (chance is
0.1), and the mean absolute error to the true inverse, of images in [-1, 1].
"""

import json
import sys
from pathlib import Path

import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from benchmarks.kept_digits import preserved
from configs import cyclegan as recipe
from decoupled_gan.data.sources import digits
from decoupled_gan.modes import train
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

CELLS = {
  'residual': {'words': 'residual'},
  'residual, plain': {'words': 'residual', 'norm': 'none'},
  'residual, free': {'words': 'residual', 'r1': 0.05},
  'residual, weak': {'words': 'residual', 'd_width': 4},
  'residual, cycle': {'words': 'residual', 'cycle': 10.0},
  'code 64': {},
  'code 8': {'bottleneck': 8},
  'code 64, cycle': {'cycle': 10.0},
}

_FOLDER = flags.DEFINE_string('folder', 'runs/gan_only', 'Runs and scores.json.')
_SEEDS = flags.DEFINE_list('seeds', ['0', '1'], 'Of the runs.')
_CELLS = flags.DEFINE_list('cells', [], 'Numbers of the cells, from 0; all if none.')


def config_of(seed: int, words: str = '', cycle: float = 0.0, r1: float = 5.0, **model):
  config = recipe.get_config(','.join(filter(None, ('inverted_digits,gan_only', words))))
  config.seed = seed
  config.model.update(model)
  config.routes.translate.r1.discriminator = r1
  if cycle:
    config.routes.translate.cycle = {'generator': cycle}
  return config


def measured(folder: Path, name: str, seed: int) -> dict[str, float]:
  config = config_of(seed, **CELLS[name])
  workdir = Workdir(str(folder / f'{name.replace(", ", "_").replace(" ", "")}-{seed}'))
  train.train(config, workdir)
  _, (test, _) = digits.halves(config)
  translated = inference.load(workdir).translator('a_to_b')(test.array[..., :1])
  return preserved(np.asarray(translated), config)


def main(_):
  folder = Path(_FOLDER.value)
  chosen = [list(CELLS)[int(i)] for i in _CELLS.value] or list(CELLS)
  path = folder / 'scores.json'
  found = json.loads(path.read_text()) if path.exists() else {}
  for seed in _SEEDS.value:
    for name in chosen:
      row = found[f'{name} {seed}'] = measured(folder, name, int(seed))
      path.write_text(json.dumps(found, indent=2))
      print(f'{name:16} seed {seed}', *(f'{metric} {x:.3f}' for metric, x in row.items()), flush=True)


if __name__ == '__main__':
  app.run(main)
