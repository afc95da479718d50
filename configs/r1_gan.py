"""R1 and R2 (Mescheder, Geiger, Nowozin, ICML 2018, arXiv 1801.04406): slopes of 0 where data is.

  python main.py --config=configs/r1_gan.py:cifar10
  python main.py --config=configs/r1_gan.py:ring8,both

The row's weight is gamma / 2. gamma = 10 is the paper's for images; on points it is 0.5, our choice.
Lazily, as StyleGAN2 has it, it would be a row of `regularise` at 16 times the weight.

Measured: benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100, 5 seeds. R1: 8.0 modes of
8, 0.93 (0.91 to 0.94) of the points within three deviations, KL 0.004. R2: 8.0 modes of 8, 0.92
(0.90 to 0.93) of the points within three deviations, KL 0.004. Relativistic with both: 8.0 modes of
8, 0.91 (0.90 to 0.92) of the points within three deviations, KL 0.005. Without any: 0.93. No effect
shows on so easy a ring.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.routes.discriminate.r1 = {'discriminator': 5.0}
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 64
  return base.apply(config, words, VARIANTS, ADJUST)


def r2(config):
  """On fakes instead."""
  base.instead(config.routes.discriminate, 'r1', 'r2')


def both(config):
  """On both, with relativistic pairing: R3GAN's loss."""
  config.losses.adversarial = 'relativistic'
  config.routes.discriminate.r2 = config.routes.discriminate.r1.copy_and_resolve_references()


def toy(config):
  config.routes.discriminate.r1.discriminator = 0.25


VARIANTS = base.variants(r2, both) | gan.SHARED
ADJUST = gan.also(gan.POINTS, toy)
