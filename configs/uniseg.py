"""UniSeg's losses for joined label spaces (Kim et al., ECCV 2022, arXiv 2202.14030), for whole images.

  python main.py --config=configs/uniseg.py
  python main.py --config=configs/uniseg.py:related   # with relations between classes
  python main.py --config=configs/uniseg.py:softmax   # what they argue against

The paper segments driving scenes of several data sets; here an image has one label, and the data sets
are two halves of the digits: `a` labels 0 to 6, and `b`, whose images have a white pixel in a corner,
7, 8, 9 and '5 or 6'.

Expected: classes that only `a` labels are still told in images of `b`, where softmax has unlearnt them.
"""

from configs import base, classifier


def get_config(words=''):
  config = classifier.get_config('digit_spaces')
  config.losses.classify = 'null_bce'
  config.losses.null_bce = {'relations': ()}
  return base.apply(config, words, VARIANTS, classifier.ADJUST)


def related(config):
  """A 5 of `a` is a '5 or 6' of `b` too, and so is a 6: relations that are known, not measured."""
  rows = [[float(i == k) for k in range(11)] for i in range(11)]
  rows[5][10] = rows[6][10] = 1.0
  config.losses.null_bce.relations = tuple(map(tuple, rows))


def softmax(config):
  config.losses.classify = 'cross_entropy'


VARIANTS = classifier.VARIANTS | base.variants(related, softmax)
