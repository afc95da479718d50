"""GANs N' Roses (Chong and Forsyth, 2021, arXiv 2106.06561), 256 px: many translations of one image.

  python main.py --config=configs/gnr.py:selfie2anime
  python main.py --config=configs/gnr.py:terrain,small             # 64 px, narrow

Data: any two folders of images. Augmentation is the method's own. Images are squares with a power of two
of pixels. `--config.model.style_seed=1` in training's config draws other styles in `translate`.

Where we differ: see methods/translate/gnr.py. The row `lpips` fetches 64 MB of weights; `no_lpips` is
without.

Expected: the paper's figures were not found.

Measured: the discriminator's claim, on the official tensors of 4 channels and 3 images of 64 px: in all
6 orders the patches' and the whole's logits come in that order and the batch's deviation stays, with
differences of exactly 0; of three equal images it is 0.029745, as by hand, where of the three it is
0.030068. Nothing was trained but a step. `python -m pytest tests/test_methods_gnr.py`.

Cost: 62.9 M parameters in the two generators, 37.0 M in the discriminators.
"""

from configs import base


def get_config(words=''):
  """The official code's setting."""
  config = base.get_config()
  config.method = 'gnr'
  config.batch_size = 4
  config.num_steps = 300_000

  config.data.augment = False
  config.model.channel_base = 16_384  # 64 channels at 256 px
  config.model.channels = 512
  config.model.downs = 3
  config.model.blocks = 1
  config.model.style_size = 8
  config.model.w_dim = 512
  config.model.mapping_layers = 5
  config.model.hidden = 128  # features whose deviation is judged
  config.model.latent_hidden = 256
  config.model.style_seed = 0

  config.optimizer.learning_rate = 2e-3
  config.optimizer.b1 = 0.0
  config.optimizer.b2 = 0.99
  for group in ('discriminator', 'discriminator_latent'):
    config.optimizer_of[group] = {'b2': 0.99 ** (16 / 17)}  # the rate is not corrected there
  config.anneal.optimizer = {'learning_rate': (0.5, 100_000, 'steps')}
  config.copies.generator = {'halflife_kimg': 2.771}  # 0.999 a step

  config.routes.discriminate = {
    'adversarial': {'discriminator': 1.0},
    'latent': {'discriminator_latent': 1.0},
    'r1': {'discriminator': 80.0, 'discriminator_latent': 80.0},  # r1 10, halved, at every 16th step
  }
  config.lazy.discriminate = {'r1': 16}
  weights = {
    'adversarial': 1.0, 'latent': 2.0, 'style': 50.0, 'cycle': 20.0, 'lpips': 10.0,
    'style_reconstruct': 5.0,
  }  # fmt: skip
  config.routes.translate = {loss: {'generator': weight} for loss, weight in weights.items()}
  return base.apply(config, words, VARIANTS)


def no_lpips(config):
  """Without the learned distance, and the weights that it needs."""
  del config.routes.translate.lpips


def small(config):
  """64 px, narrow."""
  no_lpips(config)
  config.image_size = 64
  config.num_steps = 600
  config.model.channel_base = 1024
  config.model.channels = 32
  config.model.w_dim = config.model.latent_hidden = 64
  config.model.hidden = 32
  config.copies.generator = {'halflife_kimg': 0.5}
  config.sample_every_steps = 200
  config.checkpoint_every_steps = 200


def tiny(config):
  base.tiny(config, 16)
  if 'lpips' in config.routes.translate:
    no_lpips(config)  # which wants 31 px
  config.model.channel_base = 32
  config.model.channels = 2
  config.model.downs = 1
  config.model.w_dim = config.model.latent_hidden = config.model.hidden = 4
  config.model.mapping_layers = 2


VARIANTS = base.variants(no_lpips, small, tiny)
