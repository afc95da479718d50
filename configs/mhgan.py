"""MHGAN: cGANs with Multi-Hinge Loss (Kavalerov, Czaja, Chellappa, WACV 2021, arXiv 1912.04216).

  python main.py --config=configs/mhgan.py:labelled_cifar10
  python main.py --config=configs/mhgan.py:labelled_digits       # 8 px, a minute

K + 1 classes by Crammer and Singer's hinge in place of the adversarial loss; the generator has 0.05 of
it, and matches the mean of the features.

Differs from the official code: see configs/studiogan.py, whose configs/CIFAR10/MHGAN.yaml this is.

Expected: nothing measured yet.
"""

from configs import base, studiogan


def get_config(words=''):
  config = studiogan.get_config()
  studiogan.multi_hinge(config)
  return base.apply(config, words, VARIANTS, studiogan.ADJUST)


VARIANTS = dict(studiogan.SHARED)
