"""What augmentation costs: its share of a training step, and of the time to compile it.

  python benchmarks/augment_cost.py [--config=tiles:stylegan2] [--size=32] [--steps=32] [--turns=3]
  python benchmarks/augment_cost.py --config=stylegan2_ada --size=256     # on an accelerator

Steps of one recipe with each view in turn, on random images, all phases at their own times: seconds a
step are the median of the turns' means over `--steps` steps (a multiple of 16, so that lazy phases count
as they do in training). The share is what a step is longer by, of its length.
"""

import argparse
import importlib
import statistics
import sys
import time
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from decoupled_gan.core import routing
from decoupled_gan.core.types import Examples
from decoupled_gan.machine import sharding
from decoupled_gan.run import experiment

VIEWS = {
  'none': {'pipeline': ''},
  'diffaugment': {'pipeline': 'diffaugment'},
  'diffusion': {'pipeline': 'diffusion'},
  'apa': {'pipeline': '', 'pseudo': True},
  'ada bg': {'pipeline': 'ada', 'groups': 'bg'},
  'ada bgc': {'pipeline': 'ada', 'groups': 'bgc'},
  'ada bgcfnc': {'pipeline': 'ada', 'groups': 'bgcfnc'},
}


class Runner:
  """A recipe with one view, compiled."""

  def __init__(self, recipe: str, size: int, view: dict):
    name, _, words = recipe.partition(':')
    config = importlib.import_module(f'configs.{name}').get_config(words)
    config.image_size = size or config.image_size
    config.augment.update({'target': 0.6, 'p': 0.5, **view})
    self.run = experiment.build(config)
    self.state = self.run.create_state()
    shape = self.run.batch_shape.x.shape
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    self.batch = sharding.shard_batch(self.run.mesh, Examples(images))
    self.step = self.run.train_step()
    begin = time.perf_counter()
    self.seconds(16)  # every program that there is
    self.compiling = time.perf_counter() - begin

  def seconds(self, steps: int) -> float:
    """Mean seconds a step."""
    begin = time.perf_counter()
    for i in range(steps):
      active = routing.active(self.run.phases, i)
      self.state, losses = self.step(self.state, self.batch, active)
    jax.block_until_ready((self.state, losses))
    return (time.perf_counter() - begin) / steps


def main():
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--config', default='tiles:stylegan2')
  parser.add_argument('--size', type=int, default=0)
  parser.add_argument('--steps', type=int, default=32)
  parser.add_argument('--turns', type=int, default=3)
  parser.add_argument('--only', default=','.join(VIEWS))
  arguments = parser.parse_args()
  runners = {}
  for name in arguments.only.split(','):
    runners[name] = Runner(arguments.config, arguments.size, VIEWS[name])
    print(f'{name}: first 16 steps with compilation {runners[name].compiling:.0f} s', flush=True)
  turns = {name: [] for name in runners}
  for _ in range(arguments.turns):
    for name, runner in runners.items():
      turns[name].append(runner.seconds(arguments.steps))
  medians = {name: statistics.median(found) for name, found in turns.items()}
  print(f'{arguments.config}, {jax.devices()[0].device_kind}\n{"":12}{"s a step":>10}{"share":>8}')
  for name, seconds in medians.items():
    share = 1 - medians['none'] / seconds if 'none' in medians else float('nan')
    print(f'{name:12}{seconds:10.4f}{share:8.0%}')


if __name__ == '__main__':
  main()
