"""TAC-GAN: Twin Auxiliary Classifiers GAN (Gong et al., NeurIPS 2019, arXiv 1907.02690).

  python main.py --config=configs/tac_gan.py:labelled_cifar10
  python main.py --config=configs/tac_gan.py:labelled_digits       # 8 px, a minute
  python main.py --config=configs/tac_gan.py:overlapping3          # points

AC-GAN's loss makes classes easy to tell, and so narrower than they are. A twin learns the classes of
fakes, and the generator works against it: the row classify_fake, negative where it trains that.

Differs from the paper: networks and constants are StudioGAN's, see configs/studiogan.py.

Expected: spreads of overlapping classes as in the data.
"""

from configs import base, studiogan


def get_config(words=''):
  config = studiogan.get_config()
  studiogan.tac(config)
  return base.apply(config, words, VARIANTS, studiogan.ADJUST)


VARIANTS = dict(studiogan.SHARED)
