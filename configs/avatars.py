"""ED//GAN on cartoon faces with attribute labels, 64 px, where every edit has an exact truth.

  pip install -e .[avatars]
  python main.py --config=configs/avatars.py

Data: 4,000 faces drawn by DiceBear for training and 250 for testing, labelled by beard, glasses, hair
colour and mouth; see decoupled_gan/data/sources/avatars.py. Built in about two minutes and cached.

Not the published setting: small networks, 64 px. Expected: after 3,174 steps glasses, beards and hair
follow the labels, faces are blurred and grainy (19 to 20 dB); hair in black, blond or grey is nearer to
its truth than the face left alone, other edits are not; see the README.

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
