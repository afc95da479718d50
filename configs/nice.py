"""NICE-GAN (Chen et al., CVPR 2020) as published, and its variants; dataset recipes start from it.

A variant is chosen behind a colon, `--config=configs/cat2dog.py:star`; several with commas.
"""

from configs import base
from decoupled_gan.errors import UserError, listing


def get_config(variant=''):
  """The paper's setting (its "NICE-GAN", the official code's `--light True`) with `variant`s."""
  config = base.get_config()
  config.method = 'nice'
  config.num_steps = 300_000  # the paper's curves end at 100,000; the rate is constant until 150,000

  config.model.width = 64
  config.model.blocks = 6
  config.model.depth = 7  # the official n_dis
  config.model.full = False
  config.model.attention = True
  config.model.heads = ('local', 'middle', 'global')  # C0, C1, C2
  config.model.identity = False
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

  for name in filter(None, variant.split(',')):
    if name not in VARIANTS:
      raise UserError(f'there is no variant {name!r} of NICE-GAN; there are {listing(VARIANTS)}.')
    VARIANTS[name](config)
  return config


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
  config.model.identity = True
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


VARIANTS = {
  f.__name__: f
  for f in (light, star, full, identity, coupled, undetached, no_attention, no_c0, no_c1, no_c2)
}
