"""PTGAN (Sohn and Song, 2024, arXiv 2411.11786): mixtures of examples at all temperatures at once.

  python main.py --config=configs/ptgan.py:ring8               # a minute on a laptop
  python main.py --config=configs/ptgan.py:digits
  python main.py --config=configs/ptgan.py:ring8,penalised     # a gradient penalty instead of coherency

Formulas and constants are a third party's reading of the paper's Algorithm 3, see terms/tempered.py; the
networks for images are our choice.

Expected: nothing measured yet.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'wasserstein'
  config.losses.tempered = {'ratio': 0.5}
  config.model.scene = 'tempered'
  config.routes.discriminate.coherency = {'discriminator': 100.0}
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 64
  config.model.z_dim = 100
  config.batch_size = 100
  config.optimizer.learning_rate = 1e-4
  return base.apply(config, words, VARIANTS, ADJUST)


def penalised(config):
  """Tempering alone, with WGAN-GP's bound on the slope."""
  del config.routes.discriminate.coherency
  config.routes.discriminate.gradient_penalty = {'discriminator': 10.0}


def toy(config):
  """The third party's setting of the ring."""
  config.losses.tempered.ratio = 0.9
  config.model.depth = 2
  config.batch_size = 100
  config.num_steps = 1500


VARIANTS = base.variants(penalised) | gan.SHARED
ADJUST = gan.also(gan.POINTS, toy)
