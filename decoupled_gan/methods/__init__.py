"""METHODS: what can be trained. A method is a module of this package with

  BATCH                the kind of its batches: Pair, Aligned, Labelled or Plain (see types.py)
  OBJECTIVES           {phase: objective(gan, batch) -> {loss: scalar}}, in the order of play
  build(config)        the linen module whose attributes are the parameter groups
  sample(gan, batch)   {column: images} for the sample grid
  tasks(run, dataset)  what it generates and what that is compared with, a list of tasks.Task: for
                       --mode=evaluate and evaluate_every_steps. A translator takes
                       tasks.of_translator; an editor has one task for each edit, with its `truth`; a
                       generator one without `count`, whose indices are the seeds of its samples

and, where it can be done, for the modes after training

  translate_images(gan, images, target)   images of the domain 'a' or 'b' (--mode=translate)
  edit(gan, images, labels)               images under other labels (--mode=generate)
"""

from decoupled_gan.errors import UserError, listing
from decoupled_gan.methods.encode import glead
from decoupled_gan.methods.noise import stylegan2
from decoupled_gan.methods.translate import edgan_aligned, edgan_labelled, nice

METHODS = {
  'nice': nice,
  'edgan_labelled': edgan_labelled,
  'edgan_aligned': edgan_aligned,
  'stylegan2': stylegan2,
  'glead': glead,
}


def get(name: str):
  """The method called `name`; raises UserError if there is none."""
  if name not in METHODS:
    raise UserError(f'method={name!r} is unknown; there are {listing(METHODS)}.')
  return METHODS[name]
