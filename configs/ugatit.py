"""U-GAT-IT (Kim, Kim, Kang, Lee, ICLR 2020, arXiv 1907.10830), 256 px.

  python main.py --config=configs/ugatit.py:selfie2anime --config.data.path=data/selfie2anime
  python main.py --config=configs/ugatit.py:terrain,small          # minutes on a CPU

Without a variant the light form, which NICE-GAN's paper compares with; `full` has a style that is made
from all features, and 0.56 billion parameters in its two generators.

Expected, light (NICE-GAN's paper, FID / KID x 100 against the test images): cat to dog 64.36 / 2.49,
dog to cat 80.75 / 3.22, horse to zebra 113.44 / 5.13, zebra to horse 145.47 / 3.39. Full, remembered
from its own paper and not looked up: KID x 100 of selfie to anime 11.61.

Measured: benchmarks/translators.py, 64 px of terrain, width 16, 500 steps, seeds 0 to 2, mean error
to the truth (0 to 1) and KID x 100 (efficientnet_lite0) of held-out tiles: heights to relief
0.0899, 44.0, back 0.1973, 32.2: in KID last of four methods both ways, and the dearest step.

Cost, light: 21.2 M parameters in the generators, 112.8 M in the discriminators, 105 + 16 GMAC for a
pass of all of them.
"""

from configs import base


def get_config(words=''):
  """The official PyTorch code's setting, in its light form."""
  config = base.get_config()
  config.method = 'ugatit'
  config.num_steps = 1_000_000

  config.model.width = 64  # --ch
  config.model.blocks = 4  # --n_res: before the attention, and as many behind it
  config.model.depths = (7, 5)  # of the global and the local discriminator; --n_dis is ignored there
  config.model.full = False

  config.optimizer.weight_decay = 1e-4
  config.optimizer.decay_start_step = config.get_ref('num_steps') // 2
  config.parts.rho = 'generator/*/rho'  # the mixtures of AdaLIN and LIN
  config.optimizer_of.rho = {'range': (0.0, 1.0)}

  config.routes.discriminate = {'adversarial': {'discriminator': 1.0}}
  config.routes.translate = {
    'adversarial': {'generator': 1.0, 'rho': 1.0},
    'cycle': {'generator': 10.0, 'rho': 10.0},
    'identity': {'generator': 10.0, 'rho': 10.0},
    'cam': {'generator': 1000.0, 'rho': 1000.0},
  }
  return base.apply(config, words, VARIANTS)


def light(config):
  """What there is without a variant: the style comes from averages of features."""
  config.model.full = False


def full(config):
  """The official default: the style comes from all features, for one size of image only."""
  config.model.full = True


def small(config):
  base.small_translator(config, averaged=('generator', 'rho'))
  config.model.depths = (5, 4)


def tiny(config):
  base.tiny(config, 32)
  config.model.width = 2
  config.model.blocks = 1
  config.model.depths = (5, 4)


VARIANTS = base.variants(light, full, small, tiny)
