"""DCGAN: Unsupervised Representation Learning (Radford, Metz, Chintala, ICLR 2016, arXiv 1511.06434).

  python main.py --config=configs/dcgan.py:church              # 64 px, as published
  python main.py --config=configs/dcgan.py:digits              # 16 px, three minutes on two cores

Differs from the paper: normal latents (soumith/dcgan.torch; the word uniform is the paper's U(-1, 1)),
no weight decay (1e-5 in the authors' first code), the discriminator first with fresh latents for each
player; torch's code updates the generator by outputs from before the discriminator's update. Samples are
drawn with running averages of batch statistics, where the authors' code takes the batch's own.

Measured: digits at 16 px (`python benchmarks/gan_digits.py backbones`), 2,000 steps, seeds 0 to 2: KID
of a digit classifier's features, 2.81, 2.80, 2.83 before training, is 0.209, 0.214, 0.254 after it; of
2,000 images 2.6, 2.4, 1.3 % are told as the rarest digit. Digits to the eye, with broken strokes.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.image_size = 64
  config.batch_size = 128  # section 4
  config.num_steps = 100_000  # ours; the paper's 25 epochs depend on the data
  config.model.backbone = 'dcgan'
  config.model.width = 64  # dcgan.torch; 128 in the authors' first code
  config.model.z_dim = 100
  config.model.norm_generator = 'batch'
  config.model.norm_discriminator = 'batch'
  config.optimizer.learning_rate = 2e-4  # section 4: 1e-3 is too high
  config.optimizer.b1 = 0.5  # section 4
  config.optimizer.b2 = 0.999
  return base.apply(config, words, VARIANTS, ADJUST)


def uniform(config):
  config.model.prior = 'uniform'


def labelled(config):
  digits(config)
  config.model.head = 'projection'


def digits(config):
  """Enlarged to 16 px, so that the discriminator has two layers."""
  config.image_size = 16
  config.batch_size = 64
  config.num_steps = 2000
  config.model.width = 32


VARIANTS = base.variants(uniform, gan.tiny)
ADJUST = {'digits': digits, 'labelled_digits': labelled}
