"""Partial FC: a margin softmax over a sample of the classes (An et al., CVPR 2022, arXiv 2203.15565).

  python main.py --config=configs/partial_fc.py --config.data.path=data/faces     # see docs/data.md
  python main.py --config=configs/partial_fc.py:sphere200
  python main.py --config=configs/partial_fc.py:sphere200,whole                    # all classes

Only the rows of sampled centres move, with their momentum, bit by bit: the centres are a group of their
own whose optimizer leaves alone the rows without a gradient (`sparse_rows`).

Differs from the published setting: ResNet-18 at 112 px, a constant rate; centres are not spread over
devices, so that the softmax is cheaper here and memory is not.

Expected: a tenth of the classes in each softmax is nearly as good as all of them.

Measured: `python benchmarks/classification_losses.py --checks=partial_fc`, :sphere200, 5 seeds, +-
the half width of a 95 % interval. A tenth of the classes in each softmax: 0.858 right, all of them
0.849 (+0.009 +- 0.007); one of five 0.972 and 0.970 (+0.003 +- 0.001). As good, and here better.
"""

from configs import base, classifier


def get_config(words=''):
  config = classifier.get_config()
  classifier.faces(config)
  config.batch_size = 128
  config.losses.classify = 'partial_fc'
  config.losses.partial_fc = {'rate': 0.1, 'kind': 'cosface', 'scale': 64.0}  # WebFace42M; margin 0.4
  config.parts.centres = 'classifier/heads_*/centres'
  config.optimizer_of.centres = {'sparse_rows': True}
  config.routes.learn.classify = {'classifier': 1.0, 'centres': 1.0}
  return base.apply(config, words, VARIANTS, classifier.ADJUST)


def whole(config):
  """All classes in each softmax."""
  config.losses.partial_fc.rate = 1.0


def arcface(config):
  """The margin on the angle (0.5)."""
  config.losses.partial_fc.kind = 'arcface'


VARIANTS = classifier.VARIANTS | base.variants(whole, arcface)
