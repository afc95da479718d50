"""Self-Conditioned GAN: Diverse Image Generation via Self-Conditioned GANs (Liu et al., CVPR 2020).

arXiv 2006.10728.

  python main.py --config=configs/self_conditioned_gan.py:cifar10
  python main.py --config=configs/self_conditioned_gan.py:digits       # 8 px, a minute
  python main.py --config=configs/self_conditioned_gan.py:ring8        # points
  python main.py --config=configs/self_conditioned_gan.py:grid25

k-means on the discriminator's own features labels the data, anew at every n-th step; generator and
discriminator are conditional on these labels. Nothing else is known of the data.

Differs from the official code (stevliu/self-conditioned-gan): see
decoupled_gan/methods/events/clusters.py and decoupled_gan/terms/scenes/clustered.py; DCGAN's networks
without norms in D for dcgan_deep, and the generator's embedding of 256 numbers has no fixed length.

Expected: more modes than without labels. Paper, stacked MNIST: 1,000 of 1,000 modes (from memory).

Measured: `python benchmarks/conditioning.py clusters --seeds=2`, :grid25, 5,000 steps: all 25 modes with
clusters for labels and without labels; of the points, 0.74 and 0.66 are good with them, 0.27 and 0.27
without. Random labels were not tried.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.data.clusters = 100
  config.data.clusters_from = 25_000
  config.data.index = True
  config.events.clusters = 25_000  # steps from one clustering to the next
  config.model.scene = 'clustered'
  config.model.head = 'of_each_class'
  config.model.label_size = 256
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 128
  config.model.z_dim = 128
  config.batch_size = 64
  config.num_steps = 400_000
  config.optimizer.learning_rate = 1e-4
  config.optimizer.b2 = 0.99
  return base.apply(config, words, VARIANTS, ADJUST)


def digits(config):
  """Perceptrons for 8 px, 20 clusters, which are found anew at every 500 steps: our choice."""
  gan.dense(config)
  config.data.clusters = 20
  config.events.clusters = 500
  config.model.label_size = 16
  config.optimizer.learning_rate = 1e-3


def points(config):
  """The 2-D experiments' constants, with smaller networks."""
  gan.points(config)
  config.data.clusters = 50
  config.data.clusters_from = 10_000
  config.events.clusters = 1000
  config.model.label_size = 32
  config.optimizer.learning_rate = 1e-3


def tiny(config):
  gan.tiny(config)
  config.data.clusters = 3
  config.events.clusters = 2
  config.model.label_size = 4


VARIANTS = base.variants(tiny)
ADJUST = dict.fromkeys(('digits', 'stacked_digits'), digits) | dict.fromkeys(gan.POINTS, points)
