"""A training step of CycleGAN or U-GAT-IT, ours beside PyTorch with the official architecture, on the
CPU.

  python benchmarks/translator_step.py --method=cyclegan --image_size=256 --width=64 --steps=4
  python benchmarks/translator_step.py --method=ugatit --image_size=256 --width=64

The networks of the other side are written anew from the papers' tables (their number of parameters is
the official one) in the official step: CycleGAN's with pool, U-GAT-IT's light form with rho's
projection.
"""

import functools
import itertools
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import turns  # noqa: E402


def ours(options):
  """(step(), facts) of this project."""
  import importlib

  import jax
  import numpy as np

  from decoupled_gan.core import routing
  from decoupled_gan.core.types import Pair
  from decoupled_gan.machine import sharding
  from decoupled_gan.run import experiment

  config = importlib.import_module(f'configs.{options.method}').get_config()
  config.image_size, config.batch_size = options.image_size, options.batch_size
  config.model.width = config.model.d_width = options.width
  run = experiment.build(config)
  shape = (2, options.batch_size, options.image_size, options.image_size, 3)
  images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
  held = {'state': run.create_state()}
  batch = sharding.shard_batch(run.mesh, Pair(*images))
  train_step = run.train_step()

  def step():
    held['state'], losses = train_step(held['state'], batch, routing.active(run.phases, 0))
    jax.block_until_ready(losses)

  return step, dict


def official(options):
  """(step(), facts) of PyTorch."""
  import torch

  torch.set_num_threads(len(os.sched_getaffinity(0)))
  shape = (2, options.batch_size, 3, options.image_size, options.image_size)
  a, b = torch.rand(shape) * 2 - 1
  make = {'cyclegan': cyclegan_step, 'ugatit': ugatit_step}[options.method]
  return functools.partial(make(options.width), a, b), dict


def cyclegan_step(width):
  """step(a, b): generators on fakes, then discriminators on the same fakes from a pool."""
  import torch
  from torch import nn

  def activated(*layers, features):
    return [*layers, nn.InstanceNorm2d(features), nn.ReLU(True)]

  class Block(nn.Module):
    def __init__(self, features):
      super().__init__()
      conv = lambda: [nn.ReflectionPad2d(1), nn.Conv2d(features, features, 3)]  # noqa: E731
      self.conv_block = nn.Sequential(
        *activated(*conv(), features=features), *conv(), nn.InstanceNorm2d(features)
      )

    def forward(self, x):
      return x + self.conv_block(x)

  def generator():
    layers = activated(nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), features=width)
    for n in (width, 2 * width):
      layers += activated(nn.Conv2d(n, 2 * n, 3, 2, 1), features=2 * n)
    layers += [Block(4 * width) for _ in range(9)]
    for n in (4 * width, 2 * width):
      layers += activated(nn.ConvTranspose2d(n, n // 2, 3, 2, 1, 1), features=n // 2)
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

  def discriminator():
    layers, n = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, True)], width
    for stride in (2, 2, 1):
      layers += [nn.Conv2d(n, 2 * n, 4, stride, 1), nn.InstanceNorm2d(2 * n), nn.LeakyReLU(0.2, True)]
      n *= 2
    return nn.Sequential(*layers, nn.Conv2d(n, 1, 4, 1, 1))

  to_b, to_a = generator(), generator()
  on_b, on_a = discriminator(), discriminator()
  if width == 64:
    counts = [sum(p.numel() for p in m.parameters()) for m in (to_b, on_b)]
    assert counts == [11_378_179, 2_764_737], counts
  adam = functools.partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
  makers = adam(itertools.chain(to_b.parameters(), to_a.parameters()))
  judges = adam(itertools.chain(on_b.parameters(), on_a.parameters()))
  l1, mse = nn.functional.l1_loss, lambda x, target: ((x - target) ** 2).mean()

  def step(a, b):
    fake_b, fake_a = to_b(a), to_a(b)
    cycle = l1(to_a(fake_b), a) + l1(to_b(fake_a), b)
    for p in itertools.chain(on_b.parameters(), on_a.parameters()):
      p.requires_grad_(False)
    identity = l1(to_b(b), b) + l1(to_a(a), a)
    makers.zero_grad()
    (mse(on_b(fake_b), 1) + mse(on_a(fake_a), 1) + 10 * cycle + 5 * identity).backward()
    makers.step()
    for p in itertools.chain(on_b.parameters(), on_a.parameters()):
      p.requires_grad_(True)
    judges.zero_grad()
    for on, real, fake in ((on_b, b, fake_b), (on_a, a, fake_a)):  # the pool is not yet full
      (0.5 * (mse(on(real), 1) + mse(on(fake.detach()), 0))).backward()
    judges.step()

  return step


def ugatit_step(width):
  """step(a, b): discriminators, then generators with a new forward pass, then rho's projection."""
  import torch
  from torch import nn
  from torch.nn.utils import spectral_norm

  class Norm(nn.Module):
    """AdaLIN, or LIN with `own` gamma and beta."""

    def __init__(self, features, own):
      super().__init__()
      self.rho = nn.Parameter(torch.full((1, features, 1, 1), 0.0 if own else 0.9))
      if own:
        self.gamma = nn.Parameter(torch.ones(1, features, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, features, 1, 1))

    def forward(self, x, gamma=None, beta=None):
      if gamma is None:
        gamma, beta = self.gamma, self.beta
      y = 0
      for axes, share in (((2, 3), self.rho), ((1, 2, 3), 1 - self.rho)):
        var, mean = torch.var_mean(x, dim=axes, keepdim=True)
        y = y + share * (x - mean) / torch.sqrt(var + 1e-5)
      return y * gamma + beta

  def conv(n, m, size, stride=1):
    return [nn.ReflectionPad2d(size // 2), nn.Conv2d(n, m, size, stride, bias=False)]

  class Block(nn.Module):
    def __init__(self, features, adaptive):
      super().__init__()
      self.convs = nn.ModuleList(nn.Sequential(*conv(features, features, 3)) for _ in range(2))
      make = (lambda: Norm(features, False)) if adaptive else (lambda: nn.InstanceNorm2d(features))
      self.norms = nn.ModuleList(make() for _ in range(2))

    def forward(self, x, *style):
      y = torch.relu(self.norms[0](self.convs[0](x), *style))
      return x + self.norms[1](self.convs[1](y), *style)

  class Attention(nn.Module):
    """Weights of pooled features as attention: (x, logits)."""

    def __init__(self, n, wrap=lambda layer: layer):
      super().__init__()
      self.pooled = nn.ModuleList(wrap(nn.Linear(n, 1, bias=False)) for _ in range(2))
      self.mix = nn.Conv2d(2 * n, n, 1)

    def forward(self, x):
      average, largest = self.pooled
      logits = torch.cat([average(x.mean((2, 3))), largest(x.amax((2, 3)))], 1)
      weights = [next(iter(layer.parameters()))[:, :, None, None] for layer in self.pooled]
      return self.mix(torch.cat([x * w for w in weights], 1)), logits

  class Generator(nn.Module):
    def __init__(self):
      super().__init__()
      w, n = width, 4 * width
      normed = lambda m: [nn.InstanceNorm2d(m), nn.ReLU(True)]  # noqa: E731
      self.down = nn.Sequential(
        *conv(3, w, 7), *normed(w), nn.ReflectionPad2d(1), nn.Conv2d(w, 2 * w, 3, 2, bias=False),
        *normed(2 * w), nn.ReflectionPad2d(1), nn.Conv2d(2 * w, n, 3, 2, bias=False), *normed(n),
        *(Block(n, False) for _ in range(4)),
      )  # fmt: skip
      self.attention = Attention(n)
      linear = lambda: nn.Linear(n, n, bias=False)  # noqa: E731
      self.style = nn.Sequential(linear(), nn.ReLU(True), linear(), nn.ReLU(True))
      self.gamma, self.beta = linear(), linear()
      self.blocks = nn.ModuleList(Block(n, True) for _ in range(4))
      up = []
      for m in (n, n // 2):
        up += [nn.Upsample(scale_factor=2), *conv(m, m // 2, 3), Norm(m // 2, True), nn.ReLU(True)]
      self.up = nn.Sequential(*up, *conv(w, 3, 7), nn.Tanh())

    def forward(self, x):
      x, logits = self.attention(self.down(x))
      x = torch.relu(x)
      style = self.style(x.mean((2, 3)))
      gamma, beta = (layer(style)[:, :, None, None] for layer in (self.gamma, self.beta))
      for block in self.blocks:
        x = block(x, gamma, beta)
      return self.up(x), logits

  class Discriminator(nn.Module):
    def __init__(self, layers):
      super().__init__()
      model, n = [], 3
      for i in range(layers - 1):
        m, stride = width * 2**i, 1 if i == layers - 2 else 2
        conv = spectral_norm(nn.Conv2d(n, m, 4, stride))
        model += [nn.ReflectionPad2d(1), conv, nn.LeakyReLU(0.2, True)]
        n = m
      self.model, self.attention = nn.Sequential(*model), Attention(n, spectral_norm)
      self.head = nn.Sequential(nn.ReflectionPad2d(1), spectral_norm(nn.Conv2d(n, 1, 4, bias=False)))

    def forward(self, x):
      x, logits = self.attention(self.model(x))
      return self.head(nn.functional.leaky_relu(x, 0.2)), logits

  to_a, to_b = Generator(), Generator()
  of_a, of_b = ([Discriminator(7), Discriminator(5)] for _ in range(2))
  if width == 64:
    counts = [sum(p.numel() for p in m.parameters()) for m in (to_a, *of_a)]
    assert counts == [10_589_888, 53_130_176, 3_290_560], counts
  adam = functools.partial(torch.optim.Adam, lr=1e-4, betas=(0.5, 0.999), weight_decay=1e-4)
  makers = adam(itertools.chain(to_a.parameters(), to_b.parameters()))
  judges = adam(itertools.chain(*(d.parameters() for d in (*of_a, *of_b))))
  l1, bce = nn.functional.l1_loss, nn.functional.binary_cross_entropy_with_logits

  def judged(discriminators, x, target):
    return sum(((y - target) ** 2).mean() for d in discriminators for y in d(x))

  def cam(logits, target):
    return bce(logits, torch.full_like(logits, target))

  def step(a, b):
    judges.zero_grad()
    fake_b, fake_a = to_b(a)[0], to_a(b)[0]
    loss = judged(of_a, a, 1) + judged(of_b, b, 1) + judged(of_a, fake_a, 0) + judged(of_b, fake_b, 0)
    loss.backward()  # not detached, as in the official code
    judges.step()
    makers.zero_grad()
    (fake_b, cam_b), (fake_a, cam_a) = to_b(a), to_a(b)
    cycle = l1(to_a(fake_b)[0], a) + l1(to_b(fake_a)[0], b)
    (same_a, cam_same_a), (same_b, cam_same_b) = to_a(a), to_b(b)
    identity = l1(same_a, a) + l1(same_b, b)
    attention = cam(cam_a, 1.0) + cam(cam_same_a, 0.0) + cam(cam_b, 1.0) + cam(cam_same_b, 0.0)
    adversarial = judged(of_a, fake_a, 1) + judged(of_b, fake_b, 1)
    (adversarial + 10 * cycle + 10 * identity + 1000 * attention).backward()
    makers.step()
    for module in itertools.chain(to_a.modules(), to_b.modules()):
      if isinstance(module, Norm):
        module.rho.data.clamp_(0, 1)

  return step


def main():
  parser = turns.parser(__doc__.splitlines()[0])
  parser.add_argument('--method', choices=['cyclegan', 'ugatit'], default='cyclegan')
  parser.add_argument('--image_size', type=int, default=256)
  parser.add_argument('--width', type=int, default=64)
  options = parser.parse_args()
  found = turns.measure({'ours': ours, 'official': official}, options)
  turns.told(turns.compared(found, 'ours', 'official'), options.json)


if __name__ == '__main__':
  main()
