"""METHODS: what can be trained. A method is a module of this package with

  BATCH                the kind of its batches: Pair, Aligned, Labelled or Plain (see types.py)
  OBJECTIVES           {phase: objective(gan, batch) -> {loss: scalar}}, in the order of play
  build(config)        the linen module whose attributes are the parameter groups
  sample(gan, batch)   {column: images} for the sample grid
"""

from decoupled_gan.errors import UserError, listing
from decoupled_gan.methods import nice

METHODS = {'nice': nice}


def get(name: str):
  """The method called `name`; raises UserError if there is none."""
  if name not in METHODS:
    raise UserError(f'method={name!r} is unknown; there are {listing(METHODS)}.')
  return METHODS[name]
