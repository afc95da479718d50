"""PTGAN (Sohn and Song, 2024, arXiv 2411.11786): mixtures of examples at all temperatures at once.

  python main.py --config=configs/ptgan.py:ring8               # a minute on a laptop
  python main.py --config=configs/ptgan.py:digits
  python main.py --config=configs/ptgan.py:ring8,penalised     # a gradient penalty instead of coherency

Formulas and constants are a third party's reading of the paper's Algorithm 3, see
terms/scenes/tempered.py; the networks for images are our choice.

Measured: benchmarks/gan_modes.py --study=tempering --data=ring8 --steps=1500 --batch=100
--every=100, 5 seeds, modes found of 8: PTGAN 6.6 (4 to 8), with a gradient penalty in place of its
own 3.2 (2 to 4), WGAN-GP 1.8 (0 to 4), WGAN-GP at a rate of 1e-3 1.0 (0 to 2). Few points are
within three deviations so early (0.11, 0.08, 0.05, 0.06). After 3,000 steps of --batch=100 without
the study all find 8 modes, and the share of good points is 0.24 of PTGAN, 0.74 of WGAN-GP.
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
