"""First try."""

from configs import nice


def get_config(variant=''):
  config = nice.get_config(variant)
  config.image_size = 64
  config.batch_size = 4
  config.num_steps = 2000
  config.optimizer.learning_rate = 2e-4
  config.data.source = 'terrain'
  config.data.a = 'satellite'
  config.data.b = 'relief'
  config.model.width = 16
  config.model.depth = 6
  config.model.blocks = 4
  return config
