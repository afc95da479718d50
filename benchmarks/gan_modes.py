"""How many modes a generator finds, by loss and penalty: 25 Gaussians or a ring of 8, several seeds.

  python benchmarks/gan_modes.py                                       # the grid
  python benchmarks/gan_modes.py --figure=docs/gan_modes.png           # and the picture of docs/gan.md
  python benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100
  python benchmarks/gan_modes.py --study=tempering --data=ring8 --steps=1500 --batch=100 --every=100

Each setting is a recipe with its words for points: the same networks (64 units, 3 layers), batch and
number of the discriminator's updates for all; rates and weights are the recipe's. `tempering` is the
third party's comparison of PTGAN: two layers, a rate of 1e-4, as many updates of one as of the other;
`entropy` is MEE with its entropy and without.
Prints a table of the last evaluation: mean and range over seeds of 2,500 points each. Runs stay in
--output, and what is there already is not run again; so does the picture, if --figure names no other
place.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

LOSSES = {  # name: (recipe, words)
  'non-saturating': ('gan', ''),
  'minimax': ('gan', 'minimax'),
  'least squares': ('lsgan', ''),
  'hinge': ('hinge_gan', ''),
  'relativistic': ('relativistic_gan', ''),
  'relativistic average': ('relativistic_gan', 'average'),
  'non-saturating + R1': ('r1_gan', ''),
  'non-saturating + R2': ('r1_gan', 'r2'),
  'relativistic + R1 + R2': ('r1_gan', 'both'),
  'non-saturating + DRAGAN': ('dragan', ''),
  'hinge + LeCam': ('lecam', ''),
  'hinge, top-k': ('top_k', ''),
  'SAN (hinge)': ('san', ''),
  'SAN, plain': ('san', 'plain'),
  'WGAN, clipped': ('wgan', ''),
  'WGAN-GP': ('wgan_gp', ''),
  'WGAN-GP, one-sided': ('wgan_gp', 'one_sided'),
  'WGAN, max gradient': ('wgan_gp', 'max_gradient'),
  'WGAN-GP + drift': ('wgan_gp', 'drift'),
  'MMD (rq + dot)': ('mmd_gan', ''),
  'MMD (rbf)': ('mmd_gan', 'rbf'),
  'Cramer': ('cramer_gan', ''),
  'PTGAN': ('ptgan', ''),
}
SLOWLY = {
  'model.depth': 2, 'optimizer.learning_rate': 1e-4, 'optimizer.b1': 0.0, 'every.generate': 1,
}  # fmt: skip
GP = {'routes.discriminate.gradient_penalty.discriminator': 10.0}
TEMPERING = {  # and fields
  'PTGAN': ('ptgan', '', SLOWLY),
  'PTGAN, GP in place of H': ('ptgan', 'penalised', SLOWLY),
  'WGAN-GP': ('wgan_gp', '', SLOWLY | GP),
  'WGAN-GP at 1e-3': ('wgan_gp', '', SLOWLY | GP | {'optimizer.learning_rate': 1e-3}),
}
WITHOUT = {f'routes.{phase}.entropy': {} for phase in ('discriminate', 'generate')}
ENTROPY = {'MEE': ('mee', '', {}), 'MEE without entropy': ('mee', '', WITHOUT)}
STUDIES = {'losses': LOSSES, 'tempering': TEMPERING, 'entropy': ENTROPY}
SHOWN = (
  'non-saturating', 'least squares', 'hinge', 'relativistic', 'non-saturating + R1',
  'relativistic + R1 + R2', 'WGAN, clipped', 'WGAN-GP', 'MMD (rq + dot)',
)  # fmt: skip
"""In the figure."""
COUNT = 2500
METRICS = ('modes', 'high_quality_share', 'mode_kl')


def train(name: str, options) -> list[dict]:
  """[{'step', metric: [value of each seed]}] of a setting, from its run in --output."""
  folder = place_of(options) / ''.join(c if c.isalnum() else '_' for c in name)
  config, finished = config_of(name, options), folder / 'finished'
  if not finished.exists():
    from decoupled_gan.modes import train
    from decoupled_gan.run.workdir import Workdir

    train.train(config, Workdir(folder))
    finished.touch()
  found = []
  for line in (folder / 'metrics.jsonl').read_text().splitlines():
    row = json.loads(line)
    names = {m: f'evaluate/generated/{m}_{COUNT}' for m in METRICS}
    if names['modes'] in row:
      seeds = [f'#{seed}' for seed in range(options.seeds)] if options.seeds > 1 else ['']
      found.append(
        {'step': row['step']} | {m: [row[f'{key}{seed}'] for seed in seeds] for m, key in names.items()}
      )
  return found


def place_of(options) -> Path:
  """The folder of its runs, in --output."""
  return Path(options.output) / f'{options.study}_{options.data}_{options.steps}'


def config_of(name: str, options):
  recipe, words, *fields = STUDIES[options.study][name]
  words = ','.join(filter(None, (options.data, words)))
  config = importlib.import_module(f'configs.{recipe}').get_config(words)
  config.batch_size, config.num_steps, config.seeds = options.batch, options.steps, options.seeds
  config.model.width, config.model.depth = 64, 3
  config.steps_per_call = options.call
  config.sample_every_steps = config.checkpoint_every_steps = options.steps
  config.log_every_steps = config.evaluate_every_steps = options.every
  config.evaluation.images = COUNT
  config.evaluation.metrics = tuple(f'{m}_{COUNT}' for m in METRICS)
  with config.unlocked():
    for changed in fields:
      config.update_from_flattened_dict(changed)
  return config


def table(results: dict[str, list[dict]]) -> str:
  """Markdown of the last evaluations."""

  def cell(values, digits):
    return f'{np.mean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})'

  rows = ['| | modes | share within 3 std | KL |', '|---|---|---|---|']
  for name, found in results.items():
    last = found[-1]
    cells = [cell(last[m], digits) for m, digits in zip(METRICS, (1, 3, 3), strict=True)]
    rows.append(f'| {name} | {" | ".join(cells)} |')
  return '\n'.join(rows)


def draw(results: dict[str, list[dict]], path: Path, seeds: int):
  """Modes over steps: the mean over seeds, and their range."""
  from matplotlib.figure import Figure

  figure = Figure((10, 6.4), dpi=100, layout='constrained')
  shown = [name for name in SHOWN if name in results]
  plots = list(figure.subplots(-(-len(shown) // 3), 3, sharex=True, sharey=True, squeeze=False).flat)
  for name, plot in zip(shown, plots, strict=False):
    steps = [row['step'] for row in results[name]]
    for metric, scale, colour in (('modes', 1, 'C0'), ('high_quality_share', 25, 'C1')):
      values = scale * np.array([row[metric] for row in results[name]])
      plot.plot(steps, values.mean(1), color=colour)
      plot.fill_between(steps, values.min(1), values.max(1), color=colour, alpha=0.25, linewidth=0)
    plot.set_title(name, fontsize=10)
    plot.set_ylim(0, 25.5)
  for plot in plots[len(shown) :]:
    plot.axis('off')
  figure.supxlabel('updates of the discriminator')
  figure.supylabel(f'blue: modes of 25; orange: 25 x share of good points; {seeds} seeds, their mean')
  figure.savefig(path)


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--study', default='losses', choices=STUDIES)
  parser.add_argument('--data', default='grid25')
  parser.add_argument('--steps', type=int, default=10_000)
  parser.add_argument('--every', type=int, default=500, help='steps from one evaluation to the next')
  parser.add_argument('--call', type=int, default=50, help='steps in one call of the device')
  parser.add_argument('--seeds', type=int, default=5)
  parser.add_argument('--batch', type=int, default=128)
  parser.add_argument('--only', default='', help='names, separated by semicolons; all if empty')
  parser.add_argument('--output', default='runs/gan_modes')
  parser.add_argument('--figure', default='', help='a PNG file; in --output if empty')
  options = parser.parse_args()
  names = options.only.split(';') if options.only else list(STUDIES[options.study])
  results = {}
  for name in names:
    results[name] = train(name, options)
    print(table({name: results[name]}).splitlines()[-1], flush=True)
  print(table(results))
  if options.study == 'tempering':
    for name, found in results.items():
      print(name, {row['step']: row['modes'] for row in found if row['step'] % 400 == 300})
  elif set(SHOWN) & set(results):
    draw(results, Path(options.figure or f'{place_of(options)}.png'), options.seeds)


if __name__ == '__main__':
  main()
