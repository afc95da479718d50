"""Consistency: CR (Zhang et al., ICLR 2020, arXiv 1910.12027), bCR and zCR (Zhao et al., AAAI 2021).

  python main.py --config=configs/consistency.py:cifar10,bcr
  python main.py --config=configs/consistency.py:digits,zcr

Without a word: CR. Constants are StudioGAN's; the paper's zCR has a radius of 0.03 and a weight of 5
on CIFAR-10, from memory. Only images have likes: there are no points.

Measured: KID of features of a digit classifier (benchmarks/gan_digits.py little: 100 digits of 8 px, 3
seeds, mean and range): hinge 0.320 (0.232 to 0.365), with CR 0.188 (0.148 to 0.218). Held-out digits get
outputs of -6.2 without and 0.3 with it; those trained on 2.0 and 0.6.

Measured bcr: as above, benchmarks/gan_digits.py little: KID 0.096 (0.076 to 0.121), where hinge has
0.320. Held-out digits get 0.2, those trained on 0.3.

Measured zcr: as above, benchmarks/gan_digits.py little: KID 0.204 (0.178 to 0.231), where hinge has
0.320. Held-out digits get -2.2, those trained on 1.2.
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
