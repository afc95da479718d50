"""Consistency: CR (Zhang et al., ICLR 2020, arXiv 1910.12027), bCR and zCR (Zhao et al., AAAI 2021).

  python main.py --config=configs/consistency.py:cifar10,bcr
  python main.py --config=configs/consistency.py:digits,zcr

Without a word: CR. Constants are StudioGAN's; the paper's zCR has a radius of 0.03 and a weight of 5
on CIFAR-10, from memory. Only images have likes: there are no points.

Expected: nothing measured yet.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'hinge'
  config.routes.discriminate.consistency = {'discriminator': 10.0}
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 64
  return base.apply(config, words, VARIANTS, gan.ADJUST)


def bcr(config):
  """On fakes too."""
  config.routes.discriminate.consistency_fake = {'discriminator': 10.0}


def zcr(config):
  """Of latents instead of images."""
  del config.routes.discriminate.consistency
  config.routes.discriminate.latent_consistency = {'discriminator': 20.0}
  config.routes.generate.latent_diversity = {'generator': 0.5}


VARIANTS = base.variants(bcr, zcr) | gan.SHARED
