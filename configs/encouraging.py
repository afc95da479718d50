"""Encouraging loss: well-classified examples go on counting (Zhao et al., AAAI 2022, arXiv 2110.06537).

  python main.py --config=configs/encouraging.py:imbalanced_digits
  python main.py --config=configs/encouraging.py:labelled_digits,plain

Expected: larger margins than cross-entropy's, and more of rare classes told right. The loss is negative
for sure answers: no sign of trouble.

Measured: `python benchmarks/classification_losses.py --checks=encouraging,encouraging_rare`,
digits, 5 seeds, +- the half width of a 95 % interval; differences at equal seeds from
cross-entropy. Margins are larger, 16.3 against 12.8 and, of imbalanced digits, 11.9 against 9.4
(+3.5 +- 0.6, +2.5 +- 0.4). Accuracy -0.002 +- 0.006; balanced accuracy of imbalanced digits +0.009
+- 0.024: more of rare classes told right did not show.
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
