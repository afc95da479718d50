"""UNPG: pairs of the batch as further negatives (Jung et al., BMVC 2022, arXiv 2203.11593).

  python main.py --config=configs/unpg.py --config.data.path=data/faces            # see docs/data.md
  python main.py --config=configs/unpg.py:held_out_digits
  python main.py --config=configs/unpg.py:held_out_digits,cosface                   # without the pairs

Differs from the published setting: ResNet-18 at 112 px, a constant rate, no warm-up of three epochs.

Expected: faces that were never seen are told apart a little better than without the pairs.

Measured: `python benchmarks/classification_losses.py --checks=unpg`, digits of which two are held
out, others for each of 5 seeds; differences at equal seeds from CosFace alone, +- the half width of
a 95 % interval. Verification AUC -0.021 +- 0.024, five shots -0.022 +- 0.021: it did not show.
Distance of the two kinds of negatives 0.060 against 0.065, -0.005 +- 0.013.
"""

from configs import base, classifier


def get_config(words=''):
  config = classifier.get_config()
  classifier.faces(config)
  config.losses.classify = 'unpg'
  config.losses.unpg = {'kind': 'cosface', 'margin': 0.5, 'scale': 64.0, 'width': 1.5}  # head.zoo.yaml
  config.losses.margin_softmax = {'kind': 'cosface', 'margin': 0.5, 'scale': 64.0}
  return base.apply(config, words, VARIANTS, classifier.ADJUST)


def cosface(config):
  """The same margin softmax alone."""
  config.losses.classify = 'margin_softmax'


VARIANTS = classifier.VARIANTS | base.variants(cosface)
