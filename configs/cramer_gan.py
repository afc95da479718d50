"""Cramer GAN (Bellemare et al., 2017, arXiv 1705.10743): the energy distance of 256 features.

  python main.py --config=configs/cramer_gan.py:cifar10
  python main.py --config=configs/cramer_gan.py:ring8

The gradient penalty is that of the critic f(a) = |a - g'| - |a|, in image space. As mbinkowski/MMD-GAN's
cramer.py, in whose comparison it has MMD GAN's networks and optimizer; but g' is the next row's fake
rather than a second batch.

Measured: benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100, 5 seeds. Cramer: 7.8 modes
of 8, 0.25 (0.20 to 0.34) of the points within three deviations, KL 0.037. At these constants it
learns far slower than the others. KID of digits of 8 px (benchmarks/gan_digits.py kid, 2,000 steps,
3 seeds; 2.3 to 4.3 at first): 0.024 (0.010 to 0.043).
"""

from configs import base, gan, mmd_gan


def get_config(words=''):
  config = mmd_gan.get_config()
  config.losses.adversarial = 'cramer'
  del config.losses.mmd
  del config.routes.discriminate.feature_penalty
  config.routes.discriminate.gradient_penalty.discriminator = 10.0
  config.model.outputs = 256
  return base.apply(config, words, VARIANTS, ADJUST)


VARIANTS = gan.SHARED
ADJUST = mmd_gan.ADJUST
