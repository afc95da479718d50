"""What the recipes of ED//GAN (Zhang, Song, Qi, WACV 2018) share; no recipe itself."""

from configs import base


def get_config(*rebuilding):
  """The published optimizer and table; `rebuilding` are the groups that reconstruct."""
  config = base.get_config()
  config.optimizer.learning_rate = 2e-4
  config.optimizer.b1 = 0.5
  config.model.width = 64
  config.model.residual = True
  config.routes.reconstruct = {'l1': dict.fromkeys(rebuilding, 1.0)}
  config.routes.judge = {'adversarial': {'discriminator': 1.0}}
  config.routes.refine = {'adversarial': {'residual': 1.0}}
  return config


def decoupled(config):
  """ED//GAN: what there is without a variant."""


def coupled(config):
  """ED+GAN: both losses train the networks that reconstruct, and there is no residual."""
  config.routes.reconstruct.adversarial = dict(config.routes.reconstruct.l1)
  config.routes.refine = {}
  config.model.residual = False


def tiny(config):
  base.tiny(config, 16)
  config.model.width = 4


VARIANTS = base.variants(decoupled, coupled, tiny)
