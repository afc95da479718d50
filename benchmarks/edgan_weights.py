"""Does decoupling make the adversarial weight harmless? ED+GAN against ED//GAN, at small scale.

  python benchmarks/edgan_weights.py --output=runs/edgan_weights

The paper's central claim (Zhang, Song, Qi, WACV 2018): where one decoder gets both losses, the weight of
the adversarial one has to be tuned; where a residual gets it alone, it has not. Both are trained here on
the same faces (configs/avatars.py), in the same order, from the same seeds, at each weight; nothing but
the table differs. Then held-out faces are rebuilt under their own labels:

  mae       of the rebuilt faces, 0 to 1: less is better
  variety   standard deviation over faces, relative to that of the real ones: 0 is a collapse
  NRDS      of all at once, mean and standard deviation over three classifiers; par is 1/n

Writes weights.json, weights.png (curves) and faces.png into the output folder, and prints a table.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from configs import avatars
from decoupled_gan import data
from decoupled_gan.core.types import Examples
from decoupled_gan.data.transforms import resize
from decoupled_gan.errors import RunError
from decoupled_gan.evaluation.metrics import nrds, paired
from decoupled_gan.modes import train
from decoupled_gan.modes.generate import edit
from decoupled_gan.run import inference
from decoupled_gan.run.pictures import grid, save_image
from decoupled_gan.run.workdir import Workdir

WEIGHTS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
NAMES = {'coupled': 'ED+GAN', 'decoupled': 'ED//GAN'}
CLASSIFIER = nrds.Setting(image_size=32, width=8, batch_size=8, epochs=10, learning_rate=1e-3)


def make_config(variant: str, weight: float, steps: int, seed: int):
  """A recipe of avatars at 32 px with one weight in every adversarial cell of the generators."""
  config = avatars.get_config(variant)
  config.image_size, config.batch_size, config.model.width = 32, 16, 8
  config.seed, config.num_steps = seed, steps
  config.log_every_steps, config.nonfinite_patience = 50, 3
  config.sample_every_steps = config.checkpoint_every_steps = steps
  phase = config.routes.reconstruct if variant == 'coupled' else config.routes.refine
  for group in phase.adversarial:
    phase.adversarial[group] = weight
  return config


def rebuilt(config, workdir: Workdir) -> np.ndarray | None:
  """Test faces as the trained run rebuilds them; None if its losses became NaN."""
  try:
    train.train(config, workdir)
  except RunError as error:
    print(error)
    return None
  dataset = data.load(config, Examples)
  images = data.test_images(dataset.test.x, None, config)
  apply = edit.editor(inference.load(workdir))
  return np.concatenate(
    [apply(images[i : i + 50], dataset.test.labels[i : i + 50]) for i in range(0, len(images), 50)]
  )


def compare(real: np.ndarray, made: dict[str, np.ndarray | None], seeds: int) -> dict[str, dict]:
  """{name: its numbers}; NaN runs have none."""
  alive = {name: images for name, images in made.items() if images is not None}
  each = []
  for seed in range(seeds):
    curves = nrds.curves(real, alive, CLASSIFIER, seed)
    each.append(nrds.scores({name: curves[name] for name in alive}))
  rows = {}
  for name, images in made.items():
    rows[name] = {'failed': 'NaN'} if images is None else {
      'mae': paired.mae(images, real),
      'variety': float(images.std(0).mean() / real.std(0).mean()),
      'nrds': float(np.mean([x[name] for x in each])),
      'nrds_sd': float(np.std([x[name] for x in each])),
    }  # fmt: skip
  return rows


def plot(rows: dict[str, dict], path: Path):
  """One panel for each number, over the weight."""
  figure = Figure(figsize=(10, 3.2), dpi=120, layout='constrained')
  for axes, key in zip(figure.subplots(1, 3), ('mae', 'variety', 'nrds'), strict=True):
    for name in NAMES.values():
      values = [rows[f'{name} {weight:g}'].get(key, np.nan) for weight in WEIGHTS]
      spread = [rows[f'{name} {weight:g}'].get('nrds_sd', np.nan) for weight in WEIGHTS]
      axes.errorbar(WEIGHTS, values, yerr=spread if key == 'nrds' else None, marker='o', label=name)
    axes.set(xscale='log', xlabel='adversarial weight', title=key)
  figure.axes[0].legend()
  figure.savefig(path)


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--output', type=Path, default=Path('runs/edgan_weights'))
  parser.add_argument('--steps', type=int, default=400)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--classifiers', type=int, default=3)
  args = parser.parse_args()
  made = {}
  for variant, name in NAMES.items():
    for weight in WEIGHTS:
      workdir = Workdir(args.output / f'{variant}_{weight:g}')
      made[f'{name} {weight:g}'] = rebuilt(make_config(variant, weight, args.steps, args.seed), workdir)
  config = make_config('coupled', 1.0, args.steps, args.seed)
  test = data.load(config, Examples).test.x
  real = np.stack([resize(image, config.image_size) for image in test])
  rows = compare(real, made, args.classifiers)
  (args.output / 'weights.json').write_text(json.dumps(rows, indent=1) + '\n')
  plot(rows, args.output / 'weights.png')
  shown = {  # '+ 0.1' and '// 0.1': a column is narrow
    name.removeprefix('ED').replace('GAN', ''): images[:6]
    for name, images in made.items()
    if images is not None
  }
  save_image(grid({'real': real[:6], **shown}), args.output / 'faces.png')
  print('| | ' + ' | '.join(next(iter(rows.values()))) + ' |')
  for name, row in rows.items():
    print(f'| {name} | ' + ' | '.join(x if isinstance(x, str) else f'{x:.4f}' for x in row.values()))


if __name__ == '__main__':
  main()
