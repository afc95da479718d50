"""Generators and discriminators of the generic method, one module a kind; staged.py is common to all."""

import importlib
from types import ModuleType

from ml_collections import ConfigDict

from decoupled_gan.errors import UserError, listing

BACKBONES = ('mlp', 'dcgan', 'sndcgan', 'resnet', 'r3gan', 'improved', 'maxout')
"""Modules of this folder with `generator(config)` and `discriminator(config)`."""


def choose(config: ConfigDict) -> ModuleType:
  """The module that `config.model.backbone` names; raises UserError if there is none."""
  name = config.model.backbone
  if name not in BACKBONES:
    raise UserError(f'model.backbone={name!r} is unknown; there are {listing(BACKBONES, 40)}.')
  return importlib.import_module(f'{__name__}.{name}')
