"""What the recipes of ED//GAN (Zhang, Song, Qi, WACV 2018) share; no recipe itself.

A variant is chosen behind a colon, `--config=configs/utkface.py:coupled`; several with commas.
"""

from configs import base
from decoupled_gan.errors import UserError, listing


def get_config(*rebuilding):
  """The published optimizer and table; `rebuilding` are the groups that reconstruct."""
  config = base.get_config()
  config.optimizer.learning_rate = 2e-4
  config.optimizer.b1 = 0.5
  config.model.width = 64
  config.routes.reconstruct = {'l1': dict.fromkeys(rebuilding, 1.0)}
  config.routes.judge = {'adversarial': {'discriminator': 1.0}}
  config.routes.refine = {'adversarial': {'residual': 1.0}}
  return config


def apply(config, variant, variants=None):
  """`config` after the variants that are named in `variant`, in their order."""
  variants = VARIANTS if variants is None else variants
  for name in filter(None, variant.split(',')):
    if name not in variants:
      raise UserError(f'there is no variant {name!r} of ED//GAN; there are {listing(variants)}.')
    variants[name](config)
  return config


def decoupled(config):
  """ED//GAN: what there is without a variant."""


def coupled(config):
  """ED+GAN: both losses train the networks that reconstruct, and there is no residual."""
  config.routes.reconstruct.adversarial = dict(config.routes.reconstruct.l1)
  config.routes.refine = {}


VARIANTS = {f.__name__: f for f in (decoupled, coupled)}
