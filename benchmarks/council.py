"""Does a council agree, and does agreeing keep the content? Digits to inverted digits, two translators.

  python benchmarks/council.py --folder=runs/council --seeds=0,1,2

configs/council.py:inverted_digits, 500 steps, with its council and without (`alone`). Scored on 359 test
digits: the mean absolute difference between what the two members make of a digit in one style (of images
in [-1, 1]), and, as in benchmarks/gan_only.py, the share of translations that are still taken for the
same digit and the error to the true inverse, means over the members.
"""

import json
import sys
from pathlib import Path

import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from benchmarks.kept_digits import preserved
from configs import council as recipe
from decoupled_gan.core.images import to_uint8
from decoupled_gan.data.sources import digits
from decoupled_gan.methods.translate import council
from decoupled_gan.modes import train
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

_FOLDER = flags.DEFINE_string('folder', 'runs/council', 'Runs and scores.json.')
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'Of the runs.')


def measured(folder: Path, seed: int, together: bool) -> dict[str, float]:
  config = recipe.get_config('inverted_digits' if together else 'inverted_digits,alone')
  config.seed = seed
  workdir = Workdir(str(folder / f'{"council" if together else "alone"}-{seed}'))
  train.train(config, workdir)
  _, (test, _) = digits.halves(config)
  made = inference.load(workdir).compiled(members)(test.array[..., :1])
  scores = [preserved(to_uint8(images), config) for images in np.asarray(made)]
  mean = {metric: float(np.mean([row[metric] for row in scores])) for metric in scores[0]}
  return {'difference': float(np.abs(made[0] - made[1]).mean()), **mean}


def members(gan, images):
  """[members, B, H, W, C]: what each makes of images, in one style."""
  return gan.generator(images, council.own_styles(images, gan.style_size, gan.style_seed))[0]


def main(_):
  folder = Path(_FOLDER.value)
  path = folder / 'scores.json'
  found = json.loads(path.read_text()) if path.exists() else {}
  for seed in _SEEDS.value:
    for together in (True, False):
      name = f'{"council" if together else "alone"} {seed}'
      row = found[name] = measured(folder, int(seed), together)
      path.write_text(json.dumps(found, indent=2))
      print(f'{name:10}', *(f'{metric} {x:.3f}' for metric, x in row.items()), flush=True)


if __name__ == '__main__':
  app.run(main)
