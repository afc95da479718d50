"""decoupled_gan: train GANs whose networks share parts and whose losses must not.

  import decoupled_gan as dg
  model = dg.load('runs/photos')
  model.translate('cat.jpg').save('dog.png')

`load`, `train`, `recipes`, `Model` and the errors are all that Python users need (docs/python.md). The
import itself costs milliseconds: what a name needs, JAX among it, is imported when it is first used.
"""

import importlib

__version__ = '0.1.0'

_FROM = {
  'load': 'model',
  'Model': 'model',
  'train': 'training',
  'recipes': 'training',
  'UserError': 'errors',
  'RunError': 'errors',
}
__all__ = ['Model', 'RunError', 'UserError', 'load', 'recipes', 'train']


def __getattr__(name: str):
  if name not in _FROM:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  return getattr(importlib.import_module(f'{__name__}.{_FROM[name]}'), name)


def __dir__():
  return sorted({*globals(), *_FROM})
