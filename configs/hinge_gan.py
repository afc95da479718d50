"""Hinge loss (Lim and Ye, 2017, arXiv 1705.02894; Tran et al., 2017): reals above 1, fakes below -1.

  python main.py --config=configs/hinge_gan.py:cifar10
  python main.py --config=configs/hinge_gan.py:ring8

What later papers begin with (SNGAN, SAGAN, BigGAN). Without a bound on the slope, as here, it is seldom
used; the networks are DCGAN's, and the constants those of the starting point.

Measured: benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100, 5 seeds. Hinge: 8.0 modes
of 8, 0.94 (0.92 to 0.96) of the points within three deviations, KL 0.002. KID of digits of 8 px
(benchmarks/gan_digits.py kid, 2,000 steps, 3 seeds; 2.3 to 4.3 at first): 0.019 (0.013 to 0.025).
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
