"""NICE-GAN: Reusing Discriminators for Encoding (Chen et al., CVPR 2020, arXiv 2003.00273), 256 px.

  python main.py --config=configs/nice.py:cat2dog              # as published
  python main.py --config=configs/nice.py:horse2zebra,star

Expected (paper, FID / KID x 100 against the test images):

                   cat to dog      dog to cat       horse to zebra  zebra to horse
  NICE-GAN         44.67 / 1.20    48.79 / 1.58     65.93 / 2.09    149.48 / 4.29
  NICE-GAN* star   55.72 / 1.89    51.98 / 1.50     84.89 / 3.29    150.57 / 4.43
  no_attention     51.49 / 1.68    63.80 / 3.27
  no_c2           238.62 / 21.41  203.56 / 15.27
                   summer to winter  winter to summer  van Gogh to photo  photo to van Gogh
  NICE-GAN         76.03 / 0.67      76.44 / 1.22      112.00 / 2.79      122.27 / 3.71
  NICE-GAN* star   77.13 / 0.73      79.02 / 1.35      117.81 / 3.61      122.59 / 3.53

Measured: benchmarks/translators.py, 64 px of terrain, width 16, 500 steps, seeds 0 to 2, mean error
to the truth (0 to 1) and KID x 100 (efficientnet_lite0) of held-out tiles: heights to relief
0.0894, 32.4, back 0.1858, 26.1. That it is ahead of CycleGAN, CUT and U-GAT-IT light shows by KID
one way only, relief to heights; the table is in docs/translators.md.

Cost: 16.2 M parameters in the generators and 93.7 M in the discriminators, 68 + 12 GMAC for one pass
of each; the paper's numbers are after about 100,000 steps of one image of each domain.
"""

from configs import base


def get_config(words=''):
  """The paper's setting (its "NICE-GAN", the official code's `--light True`)."""
  config = base.get_config()
  config.method = 'nice'
  config.num_steps = 300_000  # the paper's curves end at 100,000; the rate is constant until 150,000

  config.model.width = 64
  config.model.blocks = 6
  config.model.depth = 7  # the official n_dis
  config.model.full = False
  config.model.attention = True
  config.model.heads = ('local', 'middle', 'global')  # C0, C1, C2
  config.model.detach_fakes = True
  config.model.spectral_updates = 'forward'  # as the official code; 'step' is less work

  config.optimizer.weight_decay = 1e-4
  config.optimizer.decay_start_step = config.get_ref('num_steps') // 2

  config.routes.discriminate = {'adversarial': {'classifier': 1.0, 'encoder': 1.0}}
  config.routes.translate = {
    'adversarial': {'generator': 1.0},
    'cycle': {'generator': 10.0},
    'reconstruct': {'generator': 10.0},
  }
  return base.apply(config, words, VARIANTS)


def light(config):
  """The paper's NICE-GAN: what there is without a variant."""
  config.model.full = False


def star(config):
  """The paper's NICE-GAN*: 4 residual blocks."""
  config.model.blocks = 4


def full(config):
  """The official code's default, never evaluated by its authors: AdaLIN from the whole latent."""
  config.model.full = True


def coupled(config):
  """The encoder also learns to translate: the translate rows again, in the encoder's column."""
  for row in config.routes.translate.values():
    row.encoder = row.generator


def undetached(config):
  """Paths not decoupled: while it discriminates, the encoder also learns through its own fakes."""
  config.model.detach_fakes = False


def identity(config):
  """With CycleGAN's identity loss: an image of the target domain already should stay."""
  config.routes.translate.identity = {'generator': 5.0}


def no_attention(config):
  config.model.attention = False


def no_c0(config):
  _without(config, 'local')


def no_c1(config):
  _without(config, 'middle')


def no_c2(config):
  _without(config, 'global')


def _without(config, head):
  config.model.heads = tuple(h for h in config.model.heads if h != head)


def tiny(config):
  base.tiny(config, 48)
  config.model.width = 4
  config.model.depth = 6
  config.model.blocks = 1


VARIANTS = base.variants(
  light, star, full, identity, coupled, undetached, no_attention, no_c0, no_c1, no_c2, tiny
)
