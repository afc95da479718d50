"""ReACGAN: Rebooting ACGAN (Kang, Shim, Cho, Park, NeurIPS 2021, arXiv 2111.01118).

  python main.py --config=configs/reacgan.py:labelled_cifar10
  python main.py --config=configs/reacgan.py:labelled_cifar10,adc    # with ADC-GAN's 2 K classes
  python main.py --config=configs/reacgan.py:labelled_digits         # 8 px, a minute
  python main.py --config=configs/reacgan.py:labelled_digits,exact   # the paper's formula

AC-GAN whose cross-entropy compares an embedding with its proxy and with the examples of other classes
(D2D-CE): 0.5 of it, temperature 0.5, margin 0.98. Without a word it is the loss of the code, by which
the published numbers were made; `exact` has the paper's, from which the code departs, see
losses/classification/conditional.py.

Differs from the official code: see configs/studiogan.py, whose configs/CIFAR10/ReACGAN.yaml this is.

Expected: nothing measured yet. Paper, CIFAR-10: FID 3.87 (from memory; with big_resnet).
"""

from configs import base, studiogan


def get_config(words=''):
  config = studiogan.get_config()
  studiogan.d2dce(config)
  config.batch_size = 128
  config.optimizer.learning_rate = 2.8284271e-4
  config.copies.generator = {'halflife_kimg': 887.2}  # 0.9999 an update
  return base.apply(config, words, VARIANTS, studiogan.ADJUST)


def exact(config):
  """Eq. 6 of the paper."""
  config.losses.d2dce = {'exact': True}


def adc(config):
  """StudioGAN's ReACGAN-ADC, weight 0.5."""
  studiogan.adc(config)


VARIANTS = base.variants(exact, adc) | studiogan.SHARED
