"""Hinge loss (Lim and Ye, 2017, arXiv 1705.02894; Tran et al., 2017): reals above 1, fakes below -1.

  python main.py --config=configs/hinge_gan.py:cifar10
  python main.py --config=configs/hinge_gan.py:ring8

What later papers begin with (SNGAN, SAGAN, BigGAN). Without a bound on the slope, as here, it is seldom
used; the networks are DCGAN's, and the constants those of the starting point.

Expected: nothing measured yet.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'hinge'
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 64
  return base.apply(config, words, VARIANTS, gan.ADJUST)


VARIANTS = gan.SHARED
