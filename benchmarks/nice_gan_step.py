"""One NICE-GAN training step, ours beside the official PyTorch code's, on the CPU in float32.

  python benchmarks/nice_gan_step.py --image_size=128 --width=32 --batch_size=4 --steps=4 \
    --official=<checkout of alpc91/NICE-GAN-pytorch> --json=step.json

Each side has a process of its own; they take turns (turns.py). The official networks run in a step
written from the paper's facts (D, then G with the updated D; Adam with coupled weight decay).
`limit_seconds` is the time that our FLOPs would take at the rate of one large float32 matrix product.
`peak_gib` is the resident memory while steps are made, `compile_peak_gib` that of the first call.
"""

import itertools
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import turns  # noqa: E402


def ours(options):
  """(step(), facts) of this project; the first call of step compiles."""
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

  torch.set_num_threads(len(os.sched_getaffinity(0)))
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


def main():
  parser = turns.parser(__doc__.splitlines()[0])
  parser.add_argument('--image_size', type=int, default=128)
  parser.add_argument('--width', type=int, default=32)
  parser.add_argument('--depth', type=int, default=7)
  parser.add_argument('--compute_dtype', default='float32')
  parser.add_argument('--official', default='', help='a checkout of the official repository')
  options = parser.parse_args()
  found = turns.measure({'ours': ours} | ({'official': official} if options.official else {}), options)
  facts = {key: x for of in found.values() for key, x in of.items() if key.startswith('flops')}
  facts['limit_seconds'] = facts['flops_ours'] / found['ours']['matrix_rate']
  result = turns.compared(found, 'ours', 'official') if options.official else found['ours']
  turns.told(result | facts, options.json)


if __name__ == '__main__':
  main()
