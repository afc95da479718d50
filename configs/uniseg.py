"""UniSeg's losses for joined label spaces (Kim et al., ECCV 2022, arXiv 2202.14030), for whole images.

  python main.py --config=configs/uniseg.py
  python main.py --config=configs/uniseg.py:related   # with relations between classes
  python main.py --config=configs/uniseg.py:softmax   # what they argue against

The paper segments driving scenes of several data sets; here an image has one label, and the data sets
are two halves of the digits: `a` labels 0 to 6, and `b`, whose images have a white pixel in a corner,
7, 8, 9 and '5 or 6'.

Expected: classes that only `a` labels are still told in images of `b`, where softmax has unlearnt them.

Measured: `python benchmarks/classification_losses.py --checks=uniseg`, 5 seeds, +- the half width
of a 95 % interval. Digits that only `a` labels, in images of `b`: 0.968 +- 0.018, softmax 0.649 +-
0.099; those of `b` in images of `a`: 0.974 +- 0.014, softmax 0.559 +- 0.144. Relations change
nothing that shows (0.968, 0.967). In images of their own data set softmax is better by 0.009 to
0.017 (of `b` by 0.017 +- 0.016, of `a` within the interval): what the joined space costs.
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
