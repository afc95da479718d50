"""Steps a second where a step takes microseconds: WGAN-GP on 25 Gaussians, in turns with eager PyTorch.

  python benchmarks/small_steps.py [--steps=4000] [--turns=3] [--calls=1,10,100] [--seeds=1,8]

Networks of three hidden layers of 128, batch 256, a generator's update after five of the critic's
(recipe wgan_gp:grid25). Ours is the whole of `train`: batches, logging, health; compilation is not
counted, nor are the first steps of either. PyTorch's loop is the usual one, retyped, on as many threads.
Prints steps a second of each, and the median ratio of the turns with their least and largest; with
several seeds, ours are all seeds' steps together.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation


def ours(steps: int, per_call: int, seeds: int) -> float:
  """Steps a second (of all seeds together) of a training run."""
  from configs import wgan_gp
  from decoupled_gan.modes import train
  from decoupled_gan.run.workdir import Workdir

  config = wgan_gp.get_config('grid25')
  config.model.width = 128
  config.steps_per_call, config.seeds = per_call, seeds
  config.log_every_steps = steps // 4
  config.num_steps = config.sample_every_steps = config.checkpoint_every_steps = steps
  with tempfile.TemporaryDirectory() as folder:
    train.train(config, Workdir(folder))
    rows = [json.loads(line) for line in (Path(folder) / 'metrics.jsonl').read_text().splitlines()]
  return seeds / statistics.median(row['time/seconds_per_step'] for row in rows[1:])


def theirs(steps: int) -> float:
  """Steps a second of the same loop in eager PyTorch."""
  import numpy as np
  import torch
  from torch import nn

  from decoupled_gan.data.sources.toy import MIXTURES

  def network(outputs, activation):
    sizes = [2, 128, 128, 128]
    layers = [x for a, b in itertools.pairwise(sizes) for x in (nn.Linear(a, b), activation())]
    return nn.Sequential(*layers, nn.Linear(128, outputs))

  points = torch.from_numpy(MIXTURES['grid25'].sample(100_000, 0))
  generator, critic = network(2, nn.ReLU), network(1, lambda: nn.LeakyReLU(0.2))
  settings = {'lr': 1e-4, 'betas': (0.5, 0.9)}
  g_optimizer = torch.optim.Adam(generator.parameters(), **settings)
  d_optimizer = torch.optim.Adam(critic.parameters(), **settings)
  order = np.random.default_rng(0)

  def step(i):
    real = points[torch.from_numpy(order.integers(len(points), size=256))]
    with torch.no_grad():
      fake = generator(torch.randn(256, 2))
    between = (real + torch.rand(256, 1) * (fake - real)).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
    loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
    d_optimizer.zero_grad()
    loss.backward()
    d_optimizer.step()
    if i % 5 == 0:
      loss = -critic(generator(torch.randn(256, 2))).mean()
      g_optimizer.zero_grad()
      loss.backward()
      g_optimizer.step()

  for i in range(50):
    step(i)
  start = time.perf_counter()
  for i in range(steps):
    step(i)
  return steps / (time.perf_counter() - start)


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('--steps', type=int, default=4000)
  parser.add_argument('--turns', type=int, default=3)
  parser.add_argument('--calls', default='1,10,100')
  parser.add_argument('--seeds', default='1,8')
  options = parser.parse_args()
  settings = [(int(k), int(s)) for s in options.seeds.split(',') for k in options.calls.split(',')]
  found = {setting: [] for setting in settings}
  for turn in range(options.turns):
    rival = theirs(options.steps // 4)
    print(f'turn {turn}: PyTorch {rival:.0f} steps/s', flush=True)
    for setting in settings:
      speed = ours(options.steps, *setting)
      found[setting].append(speed / rival)
      told = f'steps_per_call {setting[0]}, seeds {setting[1]}: {speed:.0f} steps/s'
      print(f'turn {turn}: {told}', flush=True)
  for (per_call, seeds), ratios in found.items():
    least, most = min(ratios), max(ratios)
    print(
      f'steps_per_call {per_call}, seeds {seeds}: {statistics.median(ratios):.1f} times PyTorch '
      f'({least:.1f} to {most:.1f})'
    )


if __name__ == '__main__':
  main()
