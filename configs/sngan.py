"""SNGAN: Spectral Normalization for GANs (Miyato et al., ICLR 2018, arXiv 1802.05957).

  python main.py --config=configs/sngan.py:cifar10             # 32 px, the ResNet, hinge
  python main.py --config=configs/sngan.py:labelled_cifar10    # told the class: Miyato and Koyama, 2018
  python main.py --config=configs/sngan.py:cifar10,cnn         # the standard CNN of Table 3
  python main.py --config=configs/sngan.py:digits              # 8 px, minutes on two cores

All weights of the discriminator are divided by estimates of their largest singular values: one power
iteration at each of its forward passes, as in the official code. A step is one update of the
discriminator; every fifth updates the generator too, by twice as many images.

Differs from the official code (pfnet-research/sngan_projection): the discriminator comes first, vectors
are iterated once at the start, and in evaluation the stored ones serve as they are.

Measured: digits at 8 px (`python benchmarks/gan_digits.py backbones`), 5,000 steps, seeds 0 to 2: KID
of a digit classifier's features, 2.38, 3.04, 3.05 before training, is 0.043, 0.057, 0.051 after it; of
2,000 images 4.3, 3.6, 3.5 % are told as the rarest digit. Paper, CIFAR-10: inception score 8.22 +-
0.05, FID 21.7 +- 0.2; not tried here.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'hinge'  # eq. 17
  config.num_steps = 250_000  # 50,000 updates of the generator
  config.every.generate = 5
  config.model.backbone = 'resnet'
  config.model.width = 256  # sngan_projection: resnet_small.py
  config.model.width_discriminator = 128
  config.model.z_dim = 128
  config.model.norm_generator = 'batch'
  config.model.norm_discriminator = 'spectral'
  config.model.fakes_per_real = 2  # sngan_projection: batches of 64 and 128
  config.optimizer.learning_rate = 2e-4
  config.optimizer.decay_start_step = 0  # sngan_projection: iteration_decay_start
  return base.apply(config, words, VARIANTS, ADJUST)


def cnn(config):
  """The setting of Table 1's C: one update of each, momentum, no decay."""
  config.model.backbone = 'sndcgan'
  config.model.width = 64  # Table 3
  config.model.fakes_per_real = 1
  config.num_steps = 100_000
  config.every.generate = 1
  config.optimizer.b1 = 0.5
  config.optimizer.b2 = 0.999
  config.optimizer.decay_start_step = -1


def plain(config):
  """The same discriminator without spectral normalisation, to compare with."""
  config.model.norm_discriminator = 'none'


def labelled(config):
  config.model.norm_generator = 'conditional_batch'
  config.model.head = 'projection'


def digits(config):
  """Networks for 8 px; constants as published."""
  config.num_steps = 5000
  config.model.width = 32
  config.model.width_discriminator = 32


def labelled_digits(config):
  labelled(config)
  digits(config)


VARIANTS = base.variants(cnn, plain, gan.tiny)
ADJUST = {'labelled_cifar10': labelled, 'digits': digits, 'labelled_digits': labelled_digits}
