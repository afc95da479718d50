"""Encouraging loss: well-classified examples go on counting (Zhao et al., AAAI 2022, arXiv 2110.06537).

  python main.py --config=configs/encouraging.py:imbalanced_digits
  python main.py --config=configs/encouraging.py:labelled_digits,plain

Expected: larger margins than cross-entropy's, and more of rare classes told right. The loss is negative
for sure answers: no sign of trouble.
"""

from configs import base, classifier


def get_config(words=''):
  config = classifier.get_config()
  config.losses.classify = 'encouraging'
  config.losses.encouraging = {'log_end': 0.75}  # EncouragingLoss.py of the official code
  return base.apply(config, words, VARIANTS, classifier.ADJUST)


def plain(config):
  """The bonus stays logarithmic to the end."""
  config.losses.encouraging.log_end = 1.0


def careful(config):
  """The official code's 'works for all settings'."""
  config.losses.encouraging.log_end = 0.5


VARIANTS = classifier.VARIANTS | base.variants(plain, careful)
