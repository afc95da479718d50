"""Diffusion-GAN (Wang et al., ICLR 2023, arXiv 2206.02262), on StyleGAN2, 256 px.

  python main.py --config=configs/diffusion_gan.py:bedroom
  python main.py --config=configs/diffusion_gan.py:ffhq,uniform    # better on FFHQ (README)
  python main.py --config=configs/few_digits.py:diffusion

The discriminator sees images noised for a random number t of steps and is told t; half stay clean. The
chain's length T follows its overfitting, from 10 to 1,000. The generator learns through the noise.

Differs from the official code: times are drawn for each image, not from a table (augment/diffusion.py).

Expected (README): CIFAR-10 FID 3.19, LSUN-Bedroom 3.65, Church 3.17, FFHQ 1024 px 2.83. Not run by us at
this size.

Measured: `python benchmarks/little_data.py`, 200 digits of 8 px (configs/few_digits.py), perceptrons,
6,000 steps, three seeds: FD of a digit classifier 33.9 (32.9 to 35.0) without, 37.4 (35.8 to 39.6) with
diffusion: worse. At the published size nothing.
"""

from configs import base, glead, stylegan2_ada


def get_config(words=''):
  config = stylegan2_ada.get_config()
  config.num_steps = 781_250  # 50 million images
  config.augment.pipeline = 'diffusion'
  config.augment.kimg = 100.0
  return base.apply(config, words, VARIANTS)


def uniform(config):
  """All times alike."""
  config.augment.times = 'uniform'


def plug_in(config):
  """D(y) in place of D(y, t): the authors found no significant difference (README)."""
  config.augment.tell_time = False


def with_diffaugment(config):
  """DiffAugment before the noise (--aug diff)."""
  config.augment.pipeline = 'diffaugment,diffusion'


def tiny(config):
  glead.tiny(config)
  config.augment.kimg = 0.1


VARIANTS = base.variants(uniform, plug_in, with_diffaugment, tiny)
