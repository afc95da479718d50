"""Training Triplet Networks with GAN (Zieba and Wang, 2017, arXiv 1704.02227).

  python main.py --config=configs/triplet_gan.py:mnist            # 32 px; 10 labels a class
  python main.py --config=configs/triplet_gan.py:labelled_digits  # 8 px, a minute
  python main.py --config=configs/triplet_gan.py:labelled_digits,alone

The discriminator is an embedding of 16 numbers that triplets of few labelled examples train, and all
examples by a GAN's loss of the same numbers; the generator matches their means. `alone` has triplets
only.

Differs from the official code: see decoupled_gan/terms/triplets.py and networks/backbones/improved.py;
labelled examples come so much more often that every second of a batch is labelled, where they come in
batches of their own; Adam's epsilon is outside the root.

Measured: `python benchmarks/conditioning.py triplets --seeds=5`, 10 labels a class of digits: 9 nearest
neighbours by all labels in the embedding of triplets and GAN 0.780 to 0.816 (mean 0.798), of triplets
alone 0.752 to 0.827 (0.786), on pixels 0.989; 1 nearest of the 100 labelled 0.579 to 0.716 (0.638)
against 0.596 to 0.666 (0.625). That the GAN helps does not show: differences of a seed have a mean of
0.012 and 0.013 and a standard deviation of 0.031 and 0.046. Pixels are better than both.

Expected: neighbours of one class. Paper, MNIST with 100 labels: 9 nearest neighbours, 97.5 % (from
memory).
"""

from configs import base, gan, improved_gan


def get_config(words=''):
  config = improved_gan.get_config()
  config.data.labels_per_class = 10
  config.data.labelled_repeats = 600  # of 60,000 digits, of which 100 are labelled
  config.attributes.label = tuple('0123456789')
  del config.losses.feature_matching
  config.routes.discriminate = {
    'adversarial': {'discriminator': 1.0}, 'triplet': {'discriminator': 1.0}
  }  # fmt: skip
  config.routes.generate = {'output_matching': {'generator': 1.0}}
  config.model.outputs = 16
  config.batch_size = 300
  config.num_steps = 2000  # 10 epochs of MNIST
  config.optimizer.learning_rate = 3e-4
  config.copies = {}
  return base.apply(config, words, VARIANTS, ADJUST)


def alone(config):
  """Triplets only: fakes are told apart, but nothing learns from that."""
  config.routes.discriminate.adversarial = {}


def small(config):
  """8 px: 1,438 digits; a quarter of the widths, and our choice of a rate."""
  config.data.labelled_repeats = 14
  config.model.width = 64
  config.batch_size = 100
  config.num_steps = 700
  config.optimizer.learning_rate = 1e-3


def tiny(config):
  gan.tiny(config)
  config.data.labelled_repeats = 1


VARIANTS = base.variants(alone, tiny)
ADJUST = {'labelled_digits': small}
