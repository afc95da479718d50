"""TAC-GAN: Twin Auxiliary Classifiers GAN (Gong et al., NeurIPS 2019, arXiv 1907.02690).

  python main.py --config=configs/tac_gan.py:labelled_cifar10
  python main.py --config=configs/tac_gan.py:labelled_digits       # 8 px, a minute
  python main.py --config=configs/tac_gan.py:overlapping3          # points

AC-GAN's loss makes classes easy to tell, and so narrower than they are. A twin learns the classes of
fakes, and the generator works against it: the row classify_fake, negative where it trains that.

Differs from the paper: networks and constants are StudioGAN's, see configs/studiogan.py.

Measured: `python benchmarks/conditioning.py spread --seeds=5`: three overlapping classes of
standard deviations 1, 2, 3; made of 0.98 to 1.01, 1.95 to 2.10 and 2.91 to 3.13, at a mean W1 of
0.11 (0.08 to 0.18) from the classes, where AC-GAN is at 1.39.

Expected: spreads of overlapping classes as in the data.
"""

from configs import base, studiogan


def get_config(words=''):
  config = studiogan.get_config()
  studiogan.tac(config)
  return base.apply(config, words, VARIANTS, studiogan.ADJUST)


VARIANTS = dict(studiogan.SHARED)
