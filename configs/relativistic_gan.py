"""Relativistic GANs (Jolicoeur-Martineau, ICLR 2019, arXiv 1807.00734): real against fake.

  python main.py --config=configs/relativistic_gan.py:cifar10
  python main.py --config=configs/relativistic_gan.py:ring8,average

Without a word: pairing, row against row, as R3GAN has it. `average` and its kin hold each output against
the other half's mean. Real outputs are constants for the generator, and the mean of the fakes is not.

Measured: benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100, 5 seeds. Relativistic: 8.0
modes of 8, 0.94 (0.94 to 0.95) of the points within three deviations, KL 0.008. Average: 8.0 modes
of 8, 0.94 (0.91 to 0.96) of the points within three deviations, KL 0.008.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'relativistic'
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 64
  return base.apply(config, words, VARIANTS, gan.ADJUST)


def average(config):
  config.losses.adversarial = 'relativistic_average'


def average_hinge(config):
  config.losses.adversarial = 'relativistic_average_hinge'


def average_least_squares(config):
  config.losses.adversarial = 'relativistic_average_least_squares'


def pairing_hinge(config):
  config.losses.adversarial = 'relativistic_hinge'


VARIANTS = base.variants(average, average_hinge, average_least_squares, pairing_hinge) | gan.SHARED
