"""Improved Techniques for Training GANs (Salimans et al., NIPS 2016, arXiv 1606.03498): six parts.

  python main.py --config=configs/improved_gan.py:labelled_digits               # K + 1 classes
  python main.py --config=configs/improved_gan.py:labelled_digits,alone         # labels alone
  python main.py --config=configs/improved_gan.py:digits,minibatch    # or smoothed, virtual, historical

Without a word it is the semi-supervised model of MNIST: ten labels a class are known, the discriminator
has K outputs beside a fixed 0 for 'fake', and the generator matches the mean of its features and sees no
adversarial loss. The other parts are words, of a GAN of one output that sees no label: minibatch
discrimination, virtual batch normalisation, historical averaging, one-sided label smoothing.

Differs from the official code: labelled and unlabelled examples come in one batch, in which few are
labelled (there 100 of each); latents are of U(-1, 1), there of U(0, 1); what
networks/backbones/improved.py says; averages have a half-life.

Measured: benchmarks/gan_digits.py labels, accuracy on test digits of 8 px, 5 seeds. 10 labels a
class: 0.927 (0.905 to 0.944) with K + 1 classes and feature matching, 0.919 (0.894 to 0.936) of the
labels alone. 2 labels a class: 0.774 (0.716 to 0.819) against 0.750 (0.680 to 0.822). The
difference is smaller than that of seeds: on digits of 8 px it does not beat supervision.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.data.labels_per_class = 10  # `count` of train_mnist_feature_matching.py, as the numbers below
  config.losses.adversarial = 'k_plus_one'
  config.losses.feature_matching = {'reduction': 'mean'}
  config.routes.discriminate.supervised = {'discriminator': 1.0}
  config.routes.generate = {'feature_matching': {'generator': 1.0}}
  config.model.backbone = 'improved'
  config.model.width = 250
  config.model.norm_generator = 'batch'
  config.model.z_dim = 100
  config.model.prior = 'uniform'
  config.model.outputs = 10
  config.model.conditional = False
  config.batch_size = 100
  config.num_steps = 180_000  # 300 epochs of MNIST
  config.optimizer.learning_rate = 0.003
  config.optimizer.b1 = 0.5
  config.optimizer.b2 = 0.999
  config.copies.discriminator = {'halflife_kimg': 693.0}  # 0.9999 an update
  return base.apply(config, words, VARIANTS, ADJUST)


def alone(config):
  """Learns from labels alone: fakes are told apart, but nothing learns from that."""
  config.routes.discriminate.adversarial = {}


def unlabelled(config):
  """A GAN of one output, for the parts that need no labels."""
  config.data.labels_per_class = 0
  config.losses.adversarial = 'non_saturating'
  config.routes.discriminate = {'adversarial': {'discriminator': 1.0}}
  config.routes.generate = {'adversarial': {'generator': 1.0}}
  config.model.outputs = 1


def smoothed(config):
  """Section 3.4, one-sided."""
  unlabelled(config)
  config.losses.non_saturating = {'real_target': 0.9}


def minibatch(config):
  """Section 3.2, 100 kernels of 5 numbers."""
  unlabelled(config)
  config.model.head = 'minibatch'


def virtual(config):
  """Section 3.5, in the generator; the reference is of 64 latents."""
  unlabelled(config)
  config.model.norm_generator = 'virtual'


def historical(config):
  """Section 3.3, for both players; no published weight was found, this one is ours."""
  unlabelled(config)
  config.optimizer.historical = 0.001


def small(config):
  """For 8 px: a discriminator of 256, 128, 64, 64 and 64 units, and minutes rather than hours."""
  config.model.width = 64
  config.num_steps = 3000
  config.copies.discriminator.halflife_kimg = 6.9  # 0.99 an update


def tiny(config):
  gan.tiny(config)
  if config.data.labels_per_class:
    config.attributes.digit = tuple('0123456789')


VARIANTS = base.variants(alone, unlabelled, smoothed, minibatch, virtual, historical, tiny)
ADJUST = dict.fromkeys(('digits', 'labelled_digits'), small)
