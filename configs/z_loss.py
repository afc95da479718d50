"""Z-loss: of the standardised true logit (de Brebisson and Vincent, 2016, arXiv 1604.08859).

  python main.py --config=configs/z_loss.py:labelled_digits
  python main.py --config=configs/z_loss.py:sphere200,easy     # a smaller b: for the first k

The paper tunes a and b for each task and each k of top-k; it has no defaults, and b here is 0.7 of what
a standardised logit can reach. Its way of updating huge layers in O(d^2) is not built.

Expected: b moves the balance between the first answer and the first five.
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
