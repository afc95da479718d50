"""METHODS: what can be trained. A module of a folder below ends with METHOD, see core/method.py.

A module is imported when its method is asked for. `config.method` may also name a module of yours that
can be imported and has a METHOD: 'my_package.my_method'.
"""

import importlib

from decoupled_gan.core.method import Method
from decoupled_gan.errors import UserError, listing

METHODS: dict[str, str | Method] = {
  'gan': 'gan',
  'nice': 'translate.nice',
  'cyclegan': 'translate.cyclegan',
  'pix2pix': 'translate.pix2pix',
  'cut': 'translate.cut',
  'ugatit': 'translate.ugatit',
  'munit': 'translate.munit',
  'gnr': 'translate.gnr',
  'council': 'translate.council',
  'srgan': 'translate.srgan',
  'inpaint': 'translate.inpaint',
  'edgan_labelled': 'translate.edgan_labelled',
  'edgan_aligned': 'translate.edgan_aligned',
  'stylegan2': 'noise.stylegan2',
  'singan': 'noise.singan',
  'stackgan': 'noise.stackgan',
  'gan_em': 'noise.gan_em',
  'bagan': 'noise.bagan',
  'glead': 'encode.glead',
  'glo': 'encode.glo',
  'bigan': 'encode.bigan',
  'bigbigan': 'encode.bigbigan',
  'dual_bigan': 'encode.dual_bigan',
  'slogan': 'encode.slogan',
  'classifier': 'classify.classifier',
}
"""Name -> module below this package, or a Method."""


def get(name: str) -> Method:
  """The method called `name`; raises UserError if there is none."""
  found = METHODS.get(name, name if '.' in name else None)
  if found is None:
    raise UserError(f'method={name!r} is unknown; there are {listing(METHODS, 40)}.')
  if isinstance(found, Method):
    return found
  path = f'{__name__}.{found}' if name in METHODS else found
  try:
    return importlib.import_module(path).METHOD
  except (ModuleNotFoundError, AttributeError) as error:
    if name in METHODS:
      raise
    raise UserError(
      f'method={name!r} is neither one of {listing(METHODS, 40)} nor a module with a METHOD ({error}).'
    ) from error
