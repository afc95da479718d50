"""AC-GAN: Auxiliary Classifier GANs (Odena, Olah, Shlens, ICML 2017, arXiv 1610.09585).

  python main.py --config=configs/acgan.py:labelled_cifar10
  python main.py --config=configs/acgan.py:labelled_digits           # 8 px, a minute
  python main.py --config=configs/acgan.py:labelled_digits,odena     # D tells the classes of fakes, too
  python main.py --config=configs/acgan.py:labelled_digits,squentropy

Beside real or fake the discriminator tells the class, and the generator makes what is told as its class.
This is the form that StudioGAN, TAC-GAN and ADC-GAN compare with (ACGAN-Mod: hinge, and D learns classes
from real examples alone); the paper's own has one row more, the word odena.

Differs from the paper: networks and constants are StudioGAN's, see configs/studiogan.py.

Measured: `python benchmarks/conditioning.py spread --seeds=5`: three overlapping classes of
standard deviations 1, 2, 3; made of 0.72 to 0.75, 0.12 to 0.66 and 0.20 to 1.01, at a mean W1 of
1.39 (1.14 to 1.76) from the classes (projection: 0.18, 0.09 to 0.33); with weight 4 1.89 (1.73 to
2.02). So it narrows classes, each seed.

Expected: spreads of overlapping classes shrink (TAC-GAN, section 3).
"""

from configs import base, studiogan


def get_config(words=''):
  config = studiogan.get_config()
  studiogan.ac(config)
  return base.apply(config, words, VARIANTS, studiogan.ADJUST)


def odena(config):
  """Section 4, L_C: the classes of fakes are told as well; the logistic loss."""
  config.losses.adversarial = 'non_saturating'
  config.routes.discriminate.classify_fake = {'discriminator': 1.0, 'classifier': 1.0}


def squentropy(config):
  """Another loss of classes: any of decoupled_gan/losses/classification that has classes of its own."""
  config.losses.classify = 'squentropy'


VARIANTS = base.variants(odena, squentropy) | studiogan.SHARED
