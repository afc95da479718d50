"""LSGAN (Mao et al., ICCV 2017, arXiv 1611.04076): squares of the distances to 1 and 0.

  python main.py --config=configs/lsgan.py:bedroom
  python main.py --config=configs/lsgan.py:ring8

Differs from the paper: no factors 1/2 (eq. 9), as CycleGAN and most later code; its networks of
112 px are not here, but DCGAN's. Adam of 1e-3 with b1 = 0.5 is its section 4.1.

Measured: benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100, 5 seeds. Least squares: 8.0
modes of 8, 0.93 (0.90 to 0.95) of the points within three deviations, KL 0.009. KID of digits of 8
px (benchmarks/gan_digits.py kid, 2,000 steps, 3 seeds; 2.3 to 4.3 at first): 0.046 (0.026 to
0.062).
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'least_squares'
  config.image_size = 64
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 64
  config.model.z_dim = 100
  config.optimizer.b1 = 0.5
  return base.apply(config, words, VARIANTS, gan.ADJUST)


VARIANTS = gan.SHARED
