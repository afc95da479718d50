"""SphereFace2: binary classifiers of angles, one a class (Wen et al., ICLR 2022, arXiv 2108.01513).

  python main.py --config=configs/sphereface2.py --config.data.path=data/faces    # see docs/data.md
  python main.py --config=configs/sphereface2.py:held_out_digits

The head is a group of its own, without weight decay: a decay of the bias would shift what it balances.

Differs from the published setting (SFNet-20, 112 x 96 px, VGGFace2): ResNet-18 at 112 px, 512 features,
a constant rate (it falls tenfold three times there). The weight of 50 is the head's own default in the
official code; its recipe for VGGFace2 says 10.

Expected: faces that were never seen are told apart as well as by a margin softmax or better.

Measured: `python benchmarks/classification_losses.py --checks=sphereface2`, digits of which two are
held out, other ones for each of 5 seeds; differences at equal seeds, +- the half width of a 95 %
interval. Verification AUC -0.038 +- 0.078 from cross-entropy, five shots -0.025 +- 0.056: it did
not show (nor did CosFace, -0.016 +- 0.053). Which digits are held out matters more than the loss.
"""

from configs import base, classifier


def get_config(words=''):
  config = classifier.get_config()
  classifier.faces(config)
  config.losses.classify = 'sphereface2'
  config.losses.sphereface2 = {'balance': 0.7, 'scale': 40.0, 'margin': 0.4}  # VGGFace2, SFNet-20
  config.parts.head = 'classifier/heads_*'
  config.optimizer_of.head = {'weight_decay': 0.0}
  config.routes.learn.classify = {'classifier': 1.0, 'head': 1.0}
  return base.apply(config, words, VARIANTS, classifier.ADJUST)


def large(config):
  """As for MS1M with IResNet-100."""
  config.losses.sphereface2 = {'balance': 0.8, 'scale': 64.0, 'margin': 0.5}


VARIANTS = classifier.VARIANTS | base.variants(large)
