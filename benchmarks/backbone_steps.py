"""One training step of SNGAN's ResNet and of R3GAN at 32 px, ours beside eager PyTorch's, on the CPU.

  python benchmarks/backbone_steps.py --network=sngan --width=256
  python benchmarks/backbone_steps.py --network=r3gan --width=96

A step is an update of each player, float32, batch 64 (SNGAN's generator: 128). The PyTorch side is
retyped from the architectures' facts (resnet.py and r3gan.py of networks/backbones tell them), with
torch.nn.utils.spectral_norm, and is checked to have as many parameters. The two take turns (turns.py).
"""

import copy
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import turns  # noqa: E402

SIZE, Z = 32, {'sngan': 128, 'r3gan': 64}
GROUP = 16  # channels of R3GAN's groups, inside a block


def ours(options):
  """(step(), facts) of this project; the first call of step compiles."""
  import jax
  import numpy as np

  from configs import r3gan, sngan
  from decoupled_gan.core import routing, state
  from decoupled_gan.core.types import Examples
  from decoupled_gan.machine import sharding
  from decoupled_gan.run import experiment

  config = {'sngan': sngan, 'r3gan': r3gan}[options.network].get_config()
  config.batch_size, config.compute_dtype, config.compilation_cache = options.batch_size, 'float32', ''
  if options.network == 'sngan':
    config.model.width, config.model.width_discriminator = options.width, options.width // 2
  else:
    r3gan.networks(config, (options.width,) * 4, (2 * options.width // GROUP,) * 4)
  run = experiment.build(config)
  shape = (options.batch_size, SIZE, SIZE, 3)
  images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
  held = {'state': run.create_state()}
  parameters = {group: state.count(x) for group, x in held['state'].params.items()}
  batch = sharding.shard_batch(run.mesh, Examples(images))
  train_step = run.train_step()

  def step():
    held['state'], losses = train_step(held['state'], batch, routing.active(run.phases, 0))
    jax.block_until_ready((losses, held['state'].params))

  return step, lambda: {'parameters': parameters}


def theirs(options):
  """(step(), facts) of the same in eager PyTorch."""
  import torch

  torch.set_num_threads(len(os.sched_getaffinity(0)))
  make = {'sngan': torch_sngan, 'r3gan': torch_r3gan}[options.network]
  generator, discriminator, step = make(options)
  players = {'generator': generator, 'discriminator': discriminator}
  counts = {name: sum(p.numel() for p in x.parameters()) for name, x in players.items()}
  return step, lambda: {'parameters': counts}


def torch_sngan(options):
  import torch
  from torch import nn
  from torch.nn import functional
  from torch.nn.utils import spectral_norm

  def conv(inputs, outputs, size, wrap):
    return wrap(nn.Conv2d(inputs, outputs, size, padding=size // 2))

  class Up(nn.Module):
    def __init__(self, width):
      super().__init__()
      self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))
      self.convs = nn.ModuleList(conv(width, width, 3, lambda x: x) for _ in range(2))
      self.shortcut = conv(width, width, 1, lambda x: x)

    def forward(self, x):
      y = functional.interpolate(self.norms[0](x).relu(), scale_factor=2)
      y = self.convs[1](self.norms[1](self.convs[0](y)).relu())
      return y + self.shortcut(functional.interpolate(x, scale_factor=2))

  class Down(nn.Module):
    def __init__(self, inputs, width, halves, first):
      super().__init__()
      self.halves, self.first = halves, first
      self.convs = nn.ModuleList(conv(n, width, 3, spectral_norm) for n in (inputs, width))
      self.shortcut = conv(inputs, width, 1, spectral_norm) if halves else None

    def forward(self, x):
      y = self.convs[1](self.convs[0](x if self.first else x.relu()).relu())
      if not self.halves:
        return x + y
      if self.first:
        return functional.avg_pool2d(y, 2) + self.shortcut(functional.avg_pool2d(x, 2))
      return functional.avg_pool2d(y + self.shortcut(x), 2)

  class Generator(nn.Module):
    def __init__(self, width):
      super().__init__()
      self.start, self.width = nn.Linear(Z['sngan'], 16 * width), width
      self.ups = nn.Sequential(*[Up(width) for _ in range(3)])
      self.norm, self.image = nn.BatchNorm2d(width), conv(width, 3, 3, lambda x: x)

    def forward(self, z):
      x = self.ups(self.start(z).view(-1, self.width, 4, 4))
      return self.image(self.norm(x).relu()).tanh()

  class Discriminator(nn.Module):
    def __init__(self, width):
      super().__init__()
      kinds = ((3, True, True), (width, True, False), (width, False, False), (width, False, False))
      self.blocks = nn.Sequential(*[Down(n, width, halves, first) for n, halves, first in kinds])
      self.linear = spectral_norm(nn.Linear(width, 1, bias=False))

    def forward(self, x):
      return self.linear(self.blocks(x).relu().sum((2, 3)))

  generator, discriminator = Generator(options.width), Discriminator(options.width // 2)
  adams = [torch.optim.Adam(x.parameters(), 2e-4, (0.0, 0.9)) for x in (generator, discriminator)]
  real = torch.rand(options.batch_size, 3, SIZE, SIZE) * 2 - 1

  def step():
    with torch.no_grad():
      fake = generator(torch.randn(len(real), Z['sngan']))
    adams[1].zero_grad()
    ((1 - discriminator(real)).relu().mean() + (1 + discriminator(fake)).relu().mean()).backward()
    adams[1].step()
    adams[0].zero_grad()
    discriminator.requires_grad_(False)
    (-discriminator(generator(torch.randn(2 * len(real), Z['sngan']))).mean()).backward()
    discriminator.requires_grad_(True)
    adams[0].step()

  return generator, discriminator, step


def torch_r3gan(options):
  import torch
  from torch import nn
  from torch.nn import functional

  width = options.width
  taps = torch.tensor([1.0, 3, 3, 1])
  filters = (torch.outer(taps, taps) / 64).expand(width, 1, 4, 4).contiguous()

  def doubled(x):
    return functional.conv_transpose2d(x, 4 * filters, stride=2, padding=1, groups=width)

  def halved(x):
    return functional.conv2d(x, filters, stride=2, padding=1, groups=width)

  class Block(nn.Module):
    def __init__(self):
      super().__init__()
      inner = 2 * width
      self.convs = nn.ModuleList((
        nn.Conv2d(width, inner, 1, bias=False),
        nn.Conv2d(inner, inner, 3, padding=1, groups=inner // GROUP, bias=False),
        nn.Conv2d(inner, width, 1, bias=False),
      ))  # fmt: skip
      self.biases = nn.ParameterList(torch.zeros(inner) for _ in range(2))

    def forward(self, x):
      y = x
      for conv, bias in zip(self.convs[:2], self.biases, strict=True):
        y = functional.leaky_relu(conv(y) + bias[:, None, None], 0.2)
      return x + self.convs[2](y)

  class Generator(nn.Module):
    def __init__(self):
      super().__init__()
      self.basis = nn.Parameter(torch.randn(width, 4, 4))
      self.start = nn.Linear(Z['r3gan'], width, bias=False)
      self.stages = nn.ModuleList(nn.Sequential(Block(), Block()) for _ in range(4))
      self.image = nn.Conv2d(width, 3, 1, bias=False)

    def forward(self, z):
      x = self.stages[0](self.basis * self.start(z)[:, :, None, None])
      for stage in self.stages[1:]:
        x = stage(doubled(x))
      return self.image(x)

  class Discriminator(nn.Module):
    def __init__(self):
      super().__init__()
      self.image = nn.Conv2d(3, width, 1, bias=False)
      self.stages = nn.ModuleList(nn.Sequential(Block(), Block()) for _ in range(4))
      self.basis = nn.Conv2d(width, width, 4, groups=width, bias=False)
      self.linear = nn.Linear(width, 1, bias=False)

    def forward(self, x):
      x = self.stages[0](self.image(x))
      for stage in self.stages[1:]:
        x = stage(halved(x))
      return self.linear(self.basis(x).flatten(1))

  generator, discriminator = Generator(), Discriminator()
  average = copy.deepcopy(generator).requires_grad_(False)
  adams = [torch.optim.Adam(x.parameters(), 2e-4, (0.0, 0.9)) for x in (generator, discriminator)]
  batch = torch.rand(options.batch_size, 3, SIZE, SIZE) * 2 - 1

  def penalty(outputs, x):
    (gradient,) = torch.autograd.grad(outputs.sum(), x, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()

  def step():
    with torch.no_grad():
      fake = generator(torch.randn(len(batch), Z['r3gan']))
    real, fake = batch.clone().requires_grad_(), fake.requires_grad_()
    on_real, on_fake = discriminator(real), discriminator(fake)
    loss = functional.softplus(on_fake - on_real).mean()
    adams[1].zero_grad()
    (loss + 0.025 * (penalty(on_real, real) + penalty(on_fake, fake))).backward()
    adams[1].step()
    adams[0].zero_grad()
    discriminator.requires_grad_(False)
    on_fake = discriminator(generator(torch.randn(len(batch), Z['r3gan'])))
    functional.softplus(discriminator(batch) - on_fake).mean().backward()
    discriminator.requires_grad_(True)
    adams[0].step()
    with torch.no_grad():
      for mean, now in zip(average.parameters(), generator.parameters(), strict=True):
        mean.lerp_(now, 0.01)

  return generator, discriminator, step


def main():
  parser = turns.parser(__doc__.splitlines()[0])
  parser.set_defaults(batch_size=64, steps=5)
  parser.add_argument('--network', choices=Z, default='sngan')
  parser.add_argument('--width', type=int, default=256, help='of the generator')
  options = parser.parse_args()
  found = turns.measure({'ours': ours, 'theirs': theirs}, options)
  parameters = {name: figures['parameters'] for name, figures in found.items()}
  if parameters['ours'] != parameters['theirs']:
    raise SystemExit(f'not the same networks: {parameters}')
  compared = turns.compared(found, 'ours', 'theirs')
  turns.told({'parameters': parameters['ours'], **compared}, options.json)


if __name__ == '__main__':
  main()
