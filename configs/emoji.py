"""NICE-GAN between two drawing styles of emoji: Twemoji (a) and OpenMoji (b), 64 px, no download
but two pinned pip packages.

  python main.py --config=configs/emoji.py

Data: 1,231 code points of both styles to train, 157 to test; see decoupled_gan/data/sources/emoji.py for
the licences (CC BY 4.0 and CC BY-SA 4.0). Poses differ between the styles: there is no ground truth.

Expected: no published number; look at the grids. Cost: four times the quickstart's a step.
"""

from configs import base, nice


def get_config(words=''):
  config = nice.get_config('emoji_styles')
  config.image_size = 64
  config.batch_size = 4
  config.num_steps = 20_000
  config.model.width = 32
  config.model.depth = 6
  return base.apply(config, words, VARIANTS)


VARIANTS = nice.VARIANTS
