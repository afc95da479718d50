"""ContraGAN: Contrastive Learning for Conditional Image Synthesis (Kang and Park, NeurIPS 2020).

arXiv 2006.12681.

  python main.py --config=configs/contragan.py:labelled_cifar10
  python main.py --config=configs/contragan.py:labelled_digits       # 8 px, a minute

Embeddings of a class are drawn to its proxy and to one another, away from all others of the batch: the
2C loss (losses/classification/conditional.py), of real examples for the discriminator, of fakes for the
generator. Weight 1, temperature 1, 512 dimensions.

Differs from the official code: see configs/studiogan.py, whose configs/CIFAR10/ContraGAN.yaml this is.

Expected: nothing measured yet. Paper, CIFAR-10: FID 10.6 (from memory).
"""

from configs import base, studiogan


def get_config(words=''):
  config = studiogan.get_config()
  studiogan.contrastive(config)
  return base.apply(config, words, VARIANTS, studiogan.ADJUST)


VARIANTS = dict(studiogan.SHARED)
