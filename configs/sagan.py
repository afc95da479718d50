"""SAGAN: Self-Attention GAN (Zhang et al., ICML 2019, arXiv 1805.08318), 128 px, class-conditional.

  python main.py --config=configs/sagan.py:imagenet128         # as published: 1,000 classes
  python main.py --config=configs/sagan.py:labelled_cifar10    # 32 px, with attention at 16 px
  python main.py --config=configs/sagan.py:labelled_digits     # 16 px, with attention at 8 px

Self-attention in each network at one size, spectral norm in both, two learning rates instead of several
updates of the discriminator. The sample grid shows where the middle pixel of each drawn image looks.

Differs from the official code (brain-research/self-attention-gan): fakes are made under the labels of
the real batch, not under uniform ones; second betas are the paper's 0.9 (the code leaves TensorFlow's
0.999).

Expected: paper, ImageNet at 128 px: inception score 52.52, FID 18.65.

Measured: `python benchmarks/gan_digits.py backbones`, :labelled_digits, 3,000 steps, seeds 0, 1, 2: KID
1.57, 3.10, 1.98 at first, 0.057, 0.078, 0.051 after; a classifier takes 0.996, 0.991, 0.993 of the
digits for what they were drawn for. What attention adds was not measured.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.image_size = 128
  config.batch_size = 256  # 4 x 64
  config.num_steps = 1_000_000
  config.losses.adversarial = 'hinge'
  config.model.backbone = 'resnet'
  config.model.width = 64
  config.model.z_dim = 128
  config.model.attention_size = 32  # Table 1: better than at 8, 16 or 64 px
  config.model.hidden = 'output'  # self-attention-gan: discriminator.py
  config.model.gain = 1.0  # Xavier's, everywhere
  config.model.head_bias = True
  config.model.norm_momentum = 0.999
  config.model.norm_generator = 'batch+spectral'
  config.model.norm_discriminator = 'spectral'
  config.model.spectral_updates = 'step'
  config.optimizer.learning_rate = 1e-4
  config.optimizer_of.discriminator = {'learning_rate': 4e-4}
  return base.apply(config, words, VARIANTS, ADJUST)


def no_attention(config):
  """The same networks without, to compare with."""
  config.model.attention_size = 0


def labelled(config):
  config.model.norm_generator = 'conditional_batch+spectral'
  config.model.head = 'projection'


def cifar10(config):
  config.batch_size = 64
  config.model.attention_size = 16
  config.model.width = 128


def labelled_cifar10(config):
  labelled(config)
  cifar10(config)


def digits(config):
  """Enlarged to 16 px."""
  config.image_size = 16
  config.batch_size = 64
  config.num_steps = 3000
  config.model.width = 32
  config.model.attention_size = 8
  config.model.norm_momentum = 0.9  # a short run


def labelled_digits(config):
  labelled(config)
  digits(config)


def tiny(config):
  gan.tiny(config)
  config.model.attention_size = 4


VARIANTS = base.variants(no_attention, tiny)
ADJUST = {
  'imagenet128': labelled,
  'cifar10': cifar10,
  'labelled_cifar10': labelled_cifar10,
  'digits': digits,
  'labelled_digits': labelled_digits,
}
