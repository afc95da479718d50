"""One NICE-GAN training step, ours beside the official PyTorch code's, on the CPU in float32.

  python benchmarks/nice_gan_step.py --image_size=128 --width=32 --batch_size=4 --steps=4 \
    --official=<checkout of alpc91/NICE-GAN-pytorch> --json=step.json

Each side has a process of its own; they take turns, a step each, so that a machine whose speed drifts
is fair to both. The official networks run in a step written from the paper's facts (D, then G with the
updated D; Adam with coupled weight decay). `limit_seconds` is the time that our FLOPs would take at the
rate of one large float32 matrix product. `peak_gib` is the resident memory while steps are made,
`compile_peak_gib` that of the first call.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def ours(options):
  """(step(), facts) of this project; the first call of step compiles."""
  sys.path.insert(0, str(ROOT))
  import jax
  import jax.numpy as jnp
  import numpy as np

  from configs import nice
  from decoupled_gan.core import routing
  from decoupled_gan.core.types import Pair
  from decoupled_gan.machine import sharding
  from decoupled_gan.run import experiment

  config = nice.get_config()
  config.image_size, config.batch_size = options.image_size, options.batch_size
  config.model.width, config.model.depth = options.width, options.depth
  config.compute_dtype = options.compute_dtype
  run = experiment.build(config)
  images = np.random.default_rng(0).integers(
    0, 256, (2, options.batch_size, options.image_size, options.image_size, 3), np.uint8
  )
  held = {'state': run.create_state()}
  batch = sharding.shard_batch(run.mesh, Pair(*images))
  train_step = run.train_step()

  def step():
    held['state'], losses = train_step(held['state'], batch, routing.active(run.phases, 0))
    jax.block_until_ready(losses)

  def facts():
    # Counted from plain convolutions: the CPU's own formulations would count their padding.
    traced = train_step.trace(held['state'], batch, routing.active(run.phases, 0))
    lowered = traced.lower(lowering_platforms=('tpu',))
    return {'flops_ours': lowered.cost_analysis()['flops'], 'matrix_rate': matrix_rate()}

  def matrix_rate(size=2048):
    x = jnp.ones((size, size))
    dot = jax.jit(lambda x: x @ x)
    dot(x).block_until_ready()
    seconds = []
    for _ in range(5):
      start = time.perf_counter()
      dot(x).block_until_ready()
      seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)

  return step, facts


def official(options):
  """(step(), facts) of the official networks."""
  sys.path.insert(0, options.official)
  import networks
  import torch
  from torch.utils.flop_counter import FlopCounterMode

  torch.set_num_threads(os.cpu_count())
  size, width = options.image_size, options.width
  generators = [networks.ResnetGenerator(3, 3, width, 6, size, light=True) for _ in range(2)]
  discriminators = [networks.Discriminator(3, width, options.depth) for _ in range(2)]
  (gen_a, gen_b), (dis_a, dis_b) = generators, discriminators
  adams = [
    torch.optim.Adam(
      itertools.chain(*(m.parameters() for m in modules)),
      lr=1e-4, betas=(0.5, 0.999), weight_decay=1e-4,
    )
    for modules in (generators, discriminators)
  ]  # fmt: skip
  real_a, real_b = torch.rand(2, options.batch_size, 3, size, size) * 2 - 1
  l1 = torch.nn.functional.l1_loss

  def judge(heads, target):
    return sum(((x - target) ** 2).mean() for x in heads[:3])

  def update(adam, loss):
    adam.zero_grad()
    loss.backward()
    adam.step()

  def step():
    a, b = dis_a(real_a), dis_b(real_b)
    fake_a, fake_b = gen_a(b[4]).detach(), gen_b(a[4]).detach()
    fakes = judge(dis_a(fake_a), 0) + judge(dis_b(fake_b), 0)
    update(adams[1], judge(a, 1) + judge(b, 1) + fakes)
    z_a, z_b = dis_a(real_a)[4], dis_b(real_b)[4]
    fake_a, fake_b = gen_a(z_b), gen_b(z_a)
    a, b = dis_a(fake_a), dis_b(fake_b)
    cycle = l1(gen_a(b[4]), real_a) + l1(gen_b(a[4]), real_b)
    rebuilt = l1(gen_a(z_a), real_a) + l1(gen_b(z_b), real_b)
    update(adams[0], judge(a, 1) + judge(b, 1) + 10 * cycle + 10 * rebuilt)

  def facts():
    with FlopCounterMode(display=False) as counter:
      step()
    return {'flops_official': counter.get_total_flops()}

  return step, facts


def peak_gib() -> float:
  """This process's largest resident memory since it was last reset, in GiB (Linux)."""
  lines = Path('/proc/self/status').read_text().splitlines()
  return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) / 2**20


def serve(make, options, pipe):
  """A worker: answers 'step' with its seconds, and 'facts' with what is known at the end."""
  os.environ['JAX_PLATFORMS'] = 'cpu'
  step, facts = make(options)
  compile_peak = None
  while (order := pipe.recv()) != 'leave':
    start = time.perf_counter()
    if order == 'step':
      step()
      pipe.send(time.perf_counter() - start)
      if compile_peak is None:  # the first step compiles
        compile_peak = peak_gib()
        Path('/proc/self/clear_refs').write_text('5')  # resets the peak
    else:
      pipe.send({'peak_gib': peak_gib(), 'compile_peak_gib': compile_peak, **facts()})


def measure(options) -> dict:
  """All figures; those of the official code only if its checkout is given."""
  makers = {'ours': ours} | ({'official': official} if options.official else {})
  context, pipes = multiprocessing.get_context('spawn'), {}
  for name, make in makers.items():
    pipes[name], theirs = context.Pipe()
    context.Process(target=serve, args=(make, options, theirs), daemon=True).start()

  def ask(name, order):
    pipes[name].send(order)
    return pipes[name].recv()

  first = {name: ask(name, 'step') for name in makers}
  seconds = {name: [] for name in makers}
  for _ in range(options.steps):
    for name in makers:
      seconds[name].append(ask(name, 'step'))
  medians = {name: statistics.median(values) for name, values in seconds.items()}
  facts = {name: ask(name, 'facts') for name in makers}
  for pipe in pipes.values():
    pipe.send('leave')
  result = {
    'ours_seconds': medians['ours'],
    'compile_seconds': first['ours'] - medians['ours'],
    'peak_gib': facts['ours']['peak_gib'],
    'compile_peak_gib': facts['ours']['compile_peak_gib'],
    'flops_ours': facts['ours']['flops_ours'],
    'limit_seconds': facts['ours']['flops_ours'] / facts['ours']['matrix_rate'],
  }
  if options.official:
    ratios = [a / b for a, b in zip(seconds['ours'], seconds['official'], strict=True)]
    result |= {
      'official_seconds': medians['official'],
      'ratio_median': statistics.median(ratios),
      'official_peak_gib': facts['official']['peak_gib'],
      'flops_official': facts['official']['flops_official'],
    }
  return result


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--image_size', type=int, default=128)
  parser.add_argument('--width', type=int, default=32)
  parser.add_argument('--depth', type=int, default=7)
  parser.add_argument('--batch_size', type=int, default=4)
  parser.add_argument('--steps', type=int, default=4)
  parser.add_argument('--compute_dtype', default='float32')
  parser.add_argument('--official', default='', help='a checkout of the official repository')
  parser.add_argument('--json', default='', help='a file for the figures')
  options = parser.parse_args()
  result = measure(options)
  for name, value in result.items():
    print(f'{name:18} {value:.4g}')
  if options.json:
    Path(options.json).write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
  main()
