"""What all recipes share: the fields with their defaults, and the words behind the colon.

  python main.py --config=configs/nice.py:cat2dog,star

A word is a variant of the recipe or a data set of configs/datasets.py; they apply in their order. A
number in a recipe differs from its starting point, and its line says where it is from.
"""

from configs.datasets import DATASETS
from decoupled_gan.defaults import get_config
from decoupled_gan.errors import UserError, listing

__all__ = ['apply', 'get_config', 'instead', 'tiny', 'variants']


def variants(*functions):
  """{name: function(config)} of a recipe's variants."""
  return {function.__name__: function for function in functions}


def apply(config, words, variants, adjust=None):
  """`config` after the variants and data sets that `words` names, separated by commas.

  Args:
    adjust: {data set: function(config)} for what a data set changes in this recipe besides the data.

  Raises UserError for a word that is neither.
  """
  for word in filter(None, words.split(',')):
    if word in variants:
      variants[word](config)
    elif word in DATASETS:
      for field, value in DATASETS[word].items():
        config.update_from_flattened_dict({field: value})
      (adjust or {}).get(word, lambda config: None)(config)
    else:
      raise UserError(
        f'there is no variant and no data set {word!r}; variants of this recipe are '
        f'{listing(variants, 40)}, and data sets {listing(sorted(DATASETS), 40)}.'
      )
  return config


def small_translator(config, averaged=('generator',)):
  """A size at which translators train in minutes on a CPU, that of the quickstart; 64 px.

  Args:
    averaged: the groups that translate, of which averages are kept.
  """
  config.image_size = 64
  config.batch_size = 4
  config.num_steps = 1400
  config.model.width = 16
  config.model.blocks = 4
  config.optimizer.learning_rate = 2e-4
  config.optimizer.decay_start_step = -1  # so short a run wants all of it
  for group in averaged:
    config.copies[group] = {'halflife_kimg': 0.5}
  config.sample_every_steps = 400
  config.checkpoint_every_steps = 200


def instead(rows, old, new):
  """Gives the cells of the row `old` to a row `new` in its place."""
  rows[new] = rows[old]
  del rows[old]


def tiny(config, image_size):
  """A size for tests: a few steps on pictures that a formula makes. Recipes add their networks'."""
  if not config.vector_size:  # points are made by a formula already
    config.data.source = 'fake'
    config.data.path = ''
  config.data.num_threads = 2
  config.image_size = image_size
  config.batch_size = 2
  config.num_steps = 4
  config.log_every_steps = 1
  config.sample_every_steps = 4
  config.sample_count = 2
  config.checkpoint_every_steps = 2
