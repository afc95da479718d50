"""R1 and R2 (Mescheder, Geiger, Nowozin, ICML 2018, arXiv 1801.04406): slopes of 0 where data is.

  python main.py --config=configs/r1_gan.py:cifar10
  python main.py --config=configs/r1_gan.py:ring8,both

The row's weight is gamma / 2. gamma = 10 is the paper's for images; on points 0.5, of section E of our
notes. Lazily, as StyleGAN2 has it, it would be a row of `regularise` at 16 times the weight.

Expected: nothing measured yet.
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
  config.routes.discriminate.r2 = config.routes.discriminate.r1


def toy(config):
  config.routes.discriminate.r1.discriminator = 0.25


VARIANTS = base.variants(r2, both) | gan.SHARED
ADJUST = gan.also(gan.POINTS, toy)
