"""Z-loss: of the standardised true logit (de Brebisson and Vincent, 2016, arXiv 1604.08859).

  python main.py --config=configs/z_loss.py:labelled_digits
  python main.py --config=configs/z_loss.py:sphere200,easy     # a smaller b: for the first k

The paper tunes a and b for each task and each k of top-k; it has no defaults, and b here is 0.7 of what
a standardised logit can reach. Its way of updating huge layers in O(d^2) is not built.

Expected: b moves the balance between the first answer and the first five.

Measured: `python benchmarks/classification_losses.py --checks=z_loss`, :sphere200, 5 seeds, +- the
half width of a 95 % interval. First answers right 0.842, 0.852, 0.848 with b of 2, 9.9, 28, by
cross-entropy 0.846; one of five 0.969, 0.970, 0.969, by cross-entropy 0.974. A small b is worse at
the first answer (-0.005 +- 0.004) and 9.9 better (+0.005 +- 0.005); that b trades the first for the
first five did not show.
"""

from configs import base, classifier


def get_config(words=''):
  config = classifier.get_config()
  config.losses.classify = 'z_loss'
  config.losses.z_loss = {'a': 1.0, 'b': None}  # ours, see losses/classification/logits.py
  return base.apply(config, words, VARIANTS, classifier.ADJUST)


def easy(config):
  """A target that is soon reached."""
  config.losses.z_loss = {'a': 1.0, 'b': 2.0}


def hard(config):
  """A target beyond what a logit of 200 can reach, 14.1."""
  config.losses.z_loss = {'a': 1.0, 'b': 28.0}


VARIANTS = classifier.VARIANTS | base.variants(easy, hard)
