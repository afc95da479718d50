"""DRAGAN (Kodali et al., 2017, arXiv 1705.07215): slopes of 1 beside the data.

  python main.py --config=configs/dragan.py:cifar10
  python main.py --config=configs/dragan.py:ring8

Of three published codings this is StudioGAN's, see terms/penalties.py. lambda = 10, and 0.5 standard
deviations; on points 0.1, as for WGAN-GP.

Measured: benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100, 5 seeds. With the penalty:
8.0 modes of 8, 0.94 (0.93 to 0.96) of the points within three deviations, KL 0.004. Without: 0.93.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.routes.discriminate.dragan = {'discriminator': 10.0}
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 64
  return base.apply(config, words, VARIANTS, ADJUST)


def toy(config):
  config.routes.discriminate.dragan.discriminator = 0.1


VARIANTS = gan.SHARED
ADJUST = gan.also(gan.POINTS, toy)
