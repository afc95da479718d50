"""NICE-GAN, CycleGAN, CUT and U-GAT-IT light on two maps of the Earth: at equal steps and equal
seconds.

  python benchmarks/translators.py --output=runs/translators            # resumable: type it again

Terrain, 64 px (heights in colours to shaded relief, and back), batch size 4, width 16, 4 blocks, a rate
of 2e-4 without decay, averaged generators (half-life 500 images), the same images in the same order for
all methods of a seed; else each method's recipe, which is the published one (NICE-GAN with its identity
loss, as in the quickstart). Held-out tiles exist in both maps, so that translations are scored against
the truth: mean absolute error (0 to 1) and PSNR; and by KID (efficientnet_lite0) against the held-out
tiles. CUT translates one way only.

Equal seconds are the CPU seconds that NICE-GAN takes for `--steps`: a step is measured first, all four
methods in turns. Each run is trained to the lower of its two numbers of steps, scored, and trained on
to the higher. Everything measured is in results.jsonl; translators.md has the table and translators.png
the pictures.
"""

import argparse
import importlib
import json
import statistics
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import turns  # noqa: E402

from decoupled_gan.machine import compilation  # noqa: E402

RECIPES = {
  'NICE-GAN': 'quickstart',
  'CycleGAN': 'cyclegan:terrain,small',
  'CUT': 'cut:terrain,small',
  'U-GAT-IT light': 'ugatit:terrain,small',
}
METRICS = 'mae,psnr,kid@efficientnet_lite0'
SHOWN = 4  # tiles in the picture


def config_of(name: str, seed: int = 0, steps: int = 1):
  """The recipe of a method, for so many steps."""
  module, _, words = RECIPES[name].partition(':')
  config = importlib.import_module(f'configs.{module}').get_config(words)
  config.seed, config.num_steps = seed, steps
  config.sample_every_steps = config.num_steps
  config.checkpoint_every_steps = 100
  config.data.num_threads = 2
  config.evaluation.protocol = 'nice_gan'
  return config


def stepping(name: str, options):
  """(step, facts) of one method, for turns.py."""
  import jax

  from decoupled_gan import data
  from decoupled_gan.core import routing, state
  from decoupled_gan.machine import sharding
  from decoupled_gan.run import experiment

  config = config_of(name)
  run = experiment.build(config)
  dataset = data.load(config, run.method.batch)
  batch = sharding.shard_batch(run.mesh, next(data.train_batches(dataset, config)))
  held, train_step = {'state': run.create_state()}, run.train_step()

  def step():
    held['state'], losses = train_step(held['state'], batch, routing.active(run.phases, 0))
    jax.block_until_ready(losses)

  counts = {group: state.count(held['state'].params[group]) for group in run.groups}
  return step, lambda: {'parameters': counts}


def nice(options):
  return stepping('NICE-GAN', options)


def cyclegan(options):
  return stepping('CycleGAN', options)


def cut(options):
  return stepping('CUT', options)


def ugatit(options):
  return stepping('U-GAT-IT light', options)


def speeds(output: Path, turns_: int) -> dict[str, dict]:
  """{method: seconds of steps, memory, parameters}; measured once, kept in speed.json."""
  path = output / 'speed.json'
  if not path.exists():
    makers = dict(zip(RECIPES, (nice, cyclegan, cut, ugatit), strict=True))
    found = turns.measure(makers, argparse.Namespace(steps=turns_, cores=0))
    path.write_text(json.dumps(found, indent=1) + '\n')
  return json.loads(path.read_text())


def scored(workdir, step: int) -> dict[str, dict[str, float]]:
  """{direction: {metric: value}} of a checkpoint."""
  from decoupled_gan import data
  from decoupled_gan.evaluation import requests, scoring
  from decoupled_gan.evaluation.metrics import protocols
  from decoupled_gan.evaluation.tasks import tasks_of
  from decoupled_gan.run import inference

  trained = inference.load(workdir, step)
  run, config = trained.run, trained.run.config
  protocol, found = protocols.get(config.evaluation.protocol), {}
  for task in tasks_of(run, data.load(config, run.method.batch)):
    sets = (
      requests.real_images(task, protocol, config),
      requests.generated_images(task, trained.variables, config),
    )
    truth = requests.true_images(task, config)
    scores = scoring.score(
      requests.parsed(METRICS.split(',')), *sets, protocol, config.seed, truth
    )  # fmt: skip
    found[task.name] = {score.metric.name: float(score.estimate[0]) for score in scores}
  return found


def compared(output: Path, steps: int, seeds: list[int], speed: dict) -> list[dict]:
  """Trains and scores what is not yet in results.jsonl; gives all of its lines that are asked for."""
  from decoupled_gan.modes import train
  from decoupled_gan.run.workdir import Workdir

  path = output / 'results.jsonl'
  lines = path.read_text().splitlines() if path.exists() else []
  rows = [json.loads(line) for line in lines]
  known = {(row['method'], row['seed'], row['steps']) for row in rows}
  for seed in seeds:
    for name in RECIPES:
      workdir = Workdir(output / f'{name.replace(" ", "_")}_{seed}')
      for target in sorted({steps, equal_seconds(name, steps, speed)}):
        if (name, seed, target) in known:
          continue
        if not train.train(config_of(name, seed, target), workdir):
          sys.exit('stopped; the same command goes on')
        row = {'method': name, 'seed': seed, 'steps': target, **scored(workdir, target)}
        rows.append(row)
        with path.open('a') as file:
          file.write(json.dumps(row) + '\n')
  return rows


def seconds_of(name: str, speed: dict) -> float:
  return statistics.median(speed[name]['cpu_seconds'])


def equal_seconds(name: str, steps: int, speed: dict) -> int:
  """How many steps a method makes in the time that NICE-GAN takes for `steps`."""
  return round(steps * seconds_of('NICE-GAN', speed) / seconds_of(name, speed))


def tables(rows: list[dict], steps: int, seeds: list[int], speed: dict) -> str:
  """Markdown: what the methods cost, and what they score, each seed's error and means."""
  lines = ['| method | makes by | judges by | CPU s a step | GiB |', '|---|---|---|---|---|']
  for name, of in speed.items():
    judging = sum(of['parameters'].get(group, 0) for group in ('discriminator', 'classifier', 'encoder'))
    making = sum(of['parameters'].values()) - judging
    spent = of['cpu_seconds']
    pace = f'{statistics.median(spent):.2f} ({min(spent):.2f} to {max(spent):.2f})'
    sizes = f'{making / 1e6:.2f} M | {judging / 1e6:.2f} M'
    lines.append(f'| {name} | {sizes} | {pace} | {of["peak_gib"]:.1f} |')
  for direction, title in (('a_to_b', 'heights to relief'), ('b_to_a', 'relief to heights')):
    head = f'| {title} | steps | error of each seed | error | PSNR | KID x 100 |'
    lines += ['', head, '|---|---|---|---|---|---|']
    for equal in ('steps', 'seconds'):
      lines.append(f'| **at equal {equal}** | | | | | |')
      for name in RECIPES:
        target = steps if equal == 'steps' else equal_seconds(name, steps, speed)
        runs = [r for r in rows if (r['method'], r['steps']) == (name, target) and r['seed'] in seeds]
        found = [r[direction] for r in sorted(runs, key=lambda r: r['seed']) if direction in r]
        if found:
          lines.append(f'| {name} | {target} | {_scores(found)} |')
  return '\n'.join(lines) + '\n'


def _scores(found: list[dict[str, float]]) -> str:
  mean = {metric: float(np.mean([x[metric] for x in found])) for metric in found[0]}
  errors = ', '.join(f'{x["mae"]:.4f}' for x in found)
  return f'{errors} | {mean["mae"]:.4f} | {mean["psnr"]:.2f} dB | {mean["kid"]:.1f}'


def pictures(output: Path, steps: int, seed: int):
  """translators.png: held-out tiles, the truth, and what each method makes of them at equal steps."""
  from decoupled_gan import data
  from decoupled_gan.core.types import Pair
  from decoupled_gan.run import inference
  from decoupled_gan.run.pictures import grid, save_image
  from decoupled_gan.run.workdir import Workdir

  config = config_of('CycleGAN', seed)
  test = data.test_batch(data.load(config), SHOWN, config)
  columns = {'input': test, 'truth': test.swapped}
  for name in RECIPES:
    trained = inference.load(Workdir(output / f'{name.replace(" ", "_")}_{seed}'), steps)
    both = 'a' in trained.run.method.targets
    blank = np.full_like(test.b, 255)
    columns[name.replace(' light', '')] = Pair(
      trained.translator('a_to_b')(test.a), trained.translator('b_to_a')(test.b) if both else blank
    )
  save_image(grid(columns), output / 'translators.png')


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--output', type=Path, default=Path('runs/translators'))
  parser.add_argument('--steps', type=int, default=500)
  parser.add_argument('--seeds', default='0,1,2')
  parser.add_argument('--turns', type=int, default=9, help='timed steps of each method')
  options = parser.parse_args()
  options.output.mkdir(parents=True, exist_ok=True)
  compilation.keep('.jax_cache', options.output)
  seeds = [int(seed) for seed in options.seeds.split(',')]
  speed = speeds(options.output, options.turns)
  rows = compared(options.output, options.steps, seeds, speed)
  text = tables(rows, options.steps, seeds, speed)
  (options.output / 'translators.md').write_text(text)
  print(text)
  pictures(options.output, options.steps, seeds[0])


if __name__ == '__main__':
  main()
