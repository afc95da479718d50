"""SinGAN (Rott Shaham, Dekel, Michaeli, ICCV 2019, arXiv 1905.01164): a generator from one image.

  python main.py --config=configs/singan.py:164x250 --config.data.path=photo --workdir=runs/photo
  python main.py --config=configs/singan.py:small --workdir=runs/tile     # two minutes of a CPU
  python main.py --mode=generate --workdir=runs/photo --size=164x500      # new images, twice as wide
  python main.py --mode=generate --workdir=runs/photo --start_scale=1     # the coarsest scale as it was

Data: a folder with one image (of several the first), or a word. The word HxW is its size, from which the
scales follow, and the table with them; the longer side has 250 px at most.

Expected (paper): SIFID 0.09 from the coarsest scale on, 0.05 from the next, on 50 photographs of places.

Measured: `:small`, seed 0, 150 steps a scale instead of 2,000, widths 16. The squared error of what z*
gives falls within each of the three scales, from 0.0286, 0.0228 and 0.0165 (step 15 of the scale) to
0.0175, 0.0109 and 0.0096 (the last). The patches of 8 new images are at a sliced Wasserstein distance of
0.046 from the tile's; those of its shuffled pixels are at 0.090, of Gaussian noise like them at 0.086. A
new image twice as wide has coasts and clouds all over. `python benchmarks/single_image.py --seeds=0`.

Cost: 9 scales at 164x250, 2,000 steps each; 18 networks of 0.03 to 0.5 M parameters.
"""

import re

from configs import base
from decoupled_gan.networks.singan import pyramid

SIZE = re.compile(r'(\d+)x(\d+)')
SCALES = 12  # of the method's phases


def get_config(words=''):
  """The official code's setting."""
  config = base.get_config()
  config.method = 'singan'
  config.batch_size = 1
  config.sample_count = 1
  config.data.source = 'folder'
  config.data.limit = 1
  config.data.augment = False
  config.model.width = 32  # --nfc; doubled after every four scales, up to 128
  config.model.min_size = 25
  config.model.max_size = 250
  config.model.ratio = 0.75  # --scale_factor
  config.model.noise_share = 0.1  # --noise_amp
  config.optimizer.learning_rate = 5e-4

  chosen = [word for word in words.split(',') if SIZE.fullmatch(word)]
  height, width = map(int, SIZE.fullmatch(chosen[-1]).groups()) if chosen else (164, 250)
  scaled(config, (height, width), 2000)
  rest = ','.join(word for word in words.split(',') if word not in chosen)
  return base.apply(config, rest, VARIANTS)


def scaled(config, size, steps, times=3):
  """The table of an image's pyramid: `steps` steps a scale, the last fifth at a tenth of the rate.

  Args:
    times: that each network is played a step: --Dsteps, --Gsteps.
  """
  model = config.model
  sizes, _ = pyramid(*size, model.min_size, model.max_size, model.ratio)
  config.image_size = size
  config.num_steps = len(sizes) * steps
  config.events.inherit = steps
  config.anneal.optimizer_of = {}
  play = []
  for n in range(SCALES):
    judge, draw, there = f'judge_{n}', f'draw_{n}', n < len(sizes)
    play += [judge] * times + [draw] * times if there else [judge, draw]
    generator, discriminator = f'generator_{n}', f'discriminator_{n}'
    config.routes[judge] = {
      'adversarial': {discriminator: 1.0}, 'gradient_penalty': {discriminator: 0.1}
    } if there else {}  # fmt: skip
    config.routes[draw] = {
      'adversarial': {generator: 1.0}, 'reconstruct': {generator: 10.0}
    } if there else {}  # fmt: skip
    config.window[judge] = config.window[draw] = (n * steps, (n + 1) * steps)
    falls = {'learning_rate': (0.1, n * steps + max(1, steps * 4 // 5), 'steps')}
    for group in (generator, discriminator):
      config.anneal.optimizer_of[group] = falls
  config.play = tuple(play)


def small(config):
  """One 48 px tile of satellite pictures, three scales, 150 steps each."""
  base.apply(config, 'satellite', {})
  config.data.mirror = False
  config.model.width = 16
  config.model.ratio = 0.5
  scaled(config, (48, 48), 150)
  config.log_every_steps = 50
  config.sample_every_steps = config.checkpoint_every_steps = 150


def tiny(config):
  base.tiny(config, 16)
  config.batch_size = config.sample_count = 1
  config.model.width = 2
  config.model.min_size = 12
  scaled(config, (16, 20), 2, times=1)


VARIANTS = base.variants(small, tiny)
