"""ED//GAN on cartoon faces with attribute labels, 64 px, where every edit has an exact truth.

  pip install -e .[avatars]
  python main.py --config=configs/avatars.py

Data: 4,000 faces drawn by DiceBear for training and 250 for testing, labelled by beard, glasses, hair
colour and mouth; see decoupled_gan/data/sources/avatars.py. Built in about two minutes and cached.

Not the published setting: small networks, 64 px.

Measured: benchmarks/edgan_edits.py after --config.num_steps=10000 (50 minutes on one core), PSNR to the
true edit: as published 18 to 21 dB, which is farther than the face left alone but for hair; by
`generate --difference` 24 to 35 dB, nearer for every edit. Why, and the table: docs/methods/edgan.md.

Variants: coupled (ED+GAN: one decoder for both losses).
"""

from configs import base, utkface
from decoupled_gan.data.sources.avatars import ATTRIBUTES


def get_config(words=''):
  config = utkface.get_config()
  config.data.source = 'avatars'
  config.data.path = ''
  config.data.stretch = False
  config.attributes = ATTRIBUTES
  config.image_size = 64
  config.batch_size = 8
  config.num_steps = 3200
  config.model.width = 16
  config.model.he_init = True
  for group in ('encoder', 'decoder'):
    config.optimizer_of[group] = {'learning_rate': 3e-4, 'b1': 0.9}
  config.sample_every_steps = 500
  config.checkpoint_every_steps = 500
  return base.apply(config, words, VARIANTS)


VARIANTS = utkface.VARIANTS
