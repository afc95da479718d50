"""Squentropy: cross-entropy plus squares of the wrong logits (Hui et al., ICML 2023, arXiv 2302.03952).

  python main.py --config=configs/squentropy.py:labelled_digits

Everything but the loss is as for cross-entropy, which is its selling point: there is nothing to tune.

Expected: accuracy as with cross-entropy or better, and better calibrated probabilities.
"""

from configs import base, classifier


def get_config(words=''):
  config = classifier.get_config()
  config.losses.classify = 'squentropy'
  return base.apply(config, words, VARIANTS, classifier.ADJUST)


VARIANTS = classifier.VARIANTS
