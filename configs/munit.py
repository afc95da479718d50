"""MUNIT (Huang, Liu, Belongie, Kautz, ECCV 2018, arXiv 1804.04732), 256 px.

  python main.py --config=configs/munit.py:cat2dog --config.data.path=data/cat2dog
  python main.py --config=configs/munit.py:terrain,small           # minutes on a CPU

Data: any two folders of images. Augmentation is NICE-GAN's (the official one keeps the aspect when it
resizes). `--config.model.style_seed=1` in training's config draws other styles in `translate`.

Expected (NICE-GAN's paper, FID / KID x 100 against the test images): cat to dog 60.84 / 2.42, dog to cat
53.25 / 1.26, horse to zebra 128.70 / 6.92, zebra to horse 193.43 / 7.25.
"""

from configs import base


def get_config(words=''):
  """The official code's setting, edges2handbags_folder.yaml."""
  config = base.get_config()
  config.method = 'munit'
  config.num_steps = 1_000_000

  config.model.width = 64
  config.model.blocks = 4
  config.model.style_size = 8
  config.model.hidden = 256  # of the MLP
  config.model.d_width = 64
  config.model.d_layers = 4
  config.model.scales = 3
  config.model.style_seed = 0

  config.optimizer.weight_decay = 1e-4
  config.anneal.optimizer = {'learning_rate': (0.5, 100_000, 'steps')}  # halved after each 100,000

  config.routes.discriminate = {'adversarial': {'discriminator': 1.0}}
  config.routes.translate = {
    loss: dict.fromkeys(('content', 'style', 'decoder'), weight)
    for loss, weight in {'adversarial': 1.0, 'reconstruct': 10.0, 'style': 1.0, 'content': 1.0}.items()
  }
  return base.apply(config, words, VARIANTS)


def cycle(config):
  """With the explicit cycle of the recipes for faces and animals, weight 10."""
  config.routes.translate.cycle = dict.fromkeys(('content', 'style', 'decoder'), 10.0)


def small(config):
  base.small_translator(config, averaged=('content', 'style', 'decoder'))
  config.model.d_width = 16
  config.model.d_layers = 3
  config.model.hidden = 64


def tiny(config):
  base.tiny(config, 32)
  config.model.width = config.model.d_width = 2
  config.model.blocks = 1
  config.model.hidden = 4
  config.model.d_layers = 2


VARIANTS = base.variants(cycle, small, tiny)
