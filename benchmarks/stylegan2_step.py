"""A training step of StyleGAN2 or GLeaD at 64 px, ours beside the official PyTorch classes', on the CPU.

  python benchmarks/stylegan2_step.py --method=stylegan2 --official=<checkout of EzioBy/glead>
  python benchmarks/stylegan2_step.py --method=glead --channel_base=4096 --channel_max=256 --official=...

An update of each player in float32, without the lazy phases, with noise, style mixing and all; the
official networks and losses (whose operations fall back to PyTorch's own where there is no GPU). GLeaD
compares images by their squared error on both sides, since LPIPS wants weights, and has w of 512. Else
sizes are configs/tiles.py's unless others are given. Both sides are checked to have as many parameters.
They take turns (turns.py).
"""

import os
import sys
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import turns  # noqa: E402

SIZE, Z, MAPPING, GROUP = 64, 64, 2, 4
W = {'stylegan2': 64, 'glead': 512}  # the official GLeaD has no other
DECODER, REBUILD = 16, 8  # GLeaD's r_d and r_g


def ours(options):
  """(step(), facts) of this project; the first call of step compiles."""
  import jax
  import numpy as np

  from configs import tiles
  from decoupled_gan.core import routing, state
  from decoupled_gan.core.types import Examples
  from decoupled_gan.machine import sharding
  from decoupled_gan.run import experiment

  config = tiles.get_config('mse' if options.method == 'glead' else 'stylegan2')
  config.batch_size, config.compilation_cache = options.batch_size, ''
  config.model.channel_base, config.model.channel_max = options.channel_base, options.channel_max
  config.model.w_dim = W[options.method]
  run = experiment.build(config)
  x = np.random.default_rng(0).integers(0, 256, (options.batch_size, SIZE, SIZE, 3), np.uint8)
  batch, train_step = sharding.shard_batch(run.mesh, Examples(x)), run.train_step()
  held = {'state': run.create_state()}
  counts = {group: state.count(held['state'].params[group]) for group in run.groups}
  active = routing.active(run.phases, 1)  # no lazy phase is played at this step
  assert len(active) == 2

  def step():
    held['state'], losses = train_step(held['state'], batch, active)
    jax.block_until_ready(losses)

  return step, lambda: {'parameters': counts}


def official(options):
  """(step(), facts) of the official classes."""
  import torch

  for name in ('', '.models', '.transforms', '.transforms.functional'):  # LPIPS's, which is not used
    sys.modules[f'torchvision{name}'] = mock.MagicMock()
  sys.path.insert(0, options.official)
  from training import loss, loss_glead, networks, networks_glead

  torch.set_num_threads(len(os.sched_getaffinity(0)))
  sizes = {'channel_base': options.channel_base, 'channel_max': options.channel_max, 'conv_clamp': 256}
  shape = {'c_dim': 0, 'img_resolution': SIZE, 'img_channels': 3}
  w_dim = W[options.method]
  of_g = {'z_dim': Z, 'w_dim': w_dim, 'synthesis_kwargs': sizes}
  of_g['mapping_kwargs'] = {'num_layers': MAPPING}
  of_d = {'epilogue_kwargs': {'mbstd_group_size': GROUP}, **sizes}
  made, module, counted = {}, networks, ()
  if options.method == 'glead':
    module, counted = networks_glead, (0,)  # how many images were seen
    of_d |= {'w_dim': w_dim, 'decoder_res': [DECODER], 'glead_res_g': REBUILD}
    of_d['decoder_out_channel'] = w_dim
    made = {'glead_res_d': [DECODER], 'glead_res_g': REBUILD}
    made |= {'reg_target_real': 'gfwimage', 'reg_loss_real': 'mse', 'reg_weight_real': 10.0}
    made |= {'reg_target_fake': 'gfwimage', 'reg_loss_fake': 'mse', 'reg_weight_fake': 3.0}
  g, d = module.Generator(**of_g, **shape).train(), module.Discriminator(**of_d, **shape).train()
  kind = loss_glead.StyleGAN2GLeaDLoss if options.method == 'glead' else loss.StyleGAN2Loss
  loss_glead.LPIPS = mock.MagicMock()  # made in any case, and not asked
  losses = kind('cpu', g.mapping, g.synthesis, d, **made)
  players = {'Gmain': g, 'Dmain': d}
  optimizers = {
    name: torch.optim.Adam(player.parameters(), lr=0.0025, betas=(0.0, 0.99))
    for name, player in players.items()
  }
  real, none = torch.rand(options.batch_size, 3, SIZE, SIZE) * 2 - 1, torch.zeros(options.batch_size, 0)

  def step():
    for name, player in players.items():
      for other in players.values():
        other.requires_grad_(other is player)
      optimizers[name].zero_grad(set_to_none=True)
      z = torch.randn(options.batch_size, Z)
      losses.accumulate_gradients(name, real, none, z, none, True, 1, *counted)
      for parameter in player.parameters():
        if parameter.grad is not None:
          torch.nan_to_num(parameter.grad, nan=0, posinf=1e5, neginf=-1e5, out=parameter.grad)
      optimizers[name].step()

  counts = {
    name: sum(p.numel() for p in player.parameters())
    for name, player in (('generator', g), ('discriminator', d))
  }
  return step, lambda: {'parameters': counts}


def main():
  parser = turns.parser(__doc__.splitlines()[0])
  parser.add_argument('--method', choices=['stylegan2', 'glead'], default='stylegan2')
  parser.add_argument('--official', required=True, help='a checkout of EzioBy/glead')
  parser.add_argument('--channel_base', type=int, default=1024)
  parser.add_argument('--channel_max', type=int, default=64)
  parser.set_defaults(batch_size=8)
  options = parser.parse_args()
  found = turns.measure({'ours': ours, 'official': official}, options)
  counts = [found[side]['parameters'] for side in ('ours', 'official')]
  print(f'parameters {counts[0]} and {counts[1]}')
  assert counts[0] == counts[1], 'these are two different networks'
  turns.told(turns.compared(found, 'ours', 'official'), options.json)


if __name__ == '__main__':
  main()
