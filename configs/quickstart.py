"""First try."""

from configs import nice


def get_config(variant=''):
  config = nice.get_config(variant)
  config.image_size = 64
  config.batch_size = 4
  config.num_steps = 3000
  config.optimizer.learning_rate = 2e-4
  config.ema_halflife_kimg.generator = 1.0
  config.data.source = 'terrain'
  config.data.a = 'relief'
  config.data.b = 'etopo'
  config.model.width = 16
  config.model.depth = 6
  config.model.blocks = 4
  config.sample_every_steps = 500
  config.checkpoint_every_steps = 500
  return config
