"""CUT and FastCUT (Park, Efros, Zhang, Zhu, ECCV 2020, arXiv 2007.15651), 256 px; one direction.

  python main.py --config=configs/cut.py:horse2zebra
  python main.py --config=configs/cut.py:horse2zebra,fast          # FastCUT
  python main.py --config=configs/cut.py:terrain,small             # minutes on a CPU

Data: any two folders of images; a run translates a to b, or b to a with --config.data.direction=b_to_a.
The rate is constant for half of 400 epochs (FastCUT: 150 of 200) and falls towards 0; an epoch is a
400th (200th) of `num_steps`.

Expected (FID that is remembered from the paper's Table 1, not looked up): horse to zebra 45.5, cat to
dog 76.2; FastCUT 73.4 and 94.0.

Measured: benchmarks/translators.py, 64 px of terrain, width 16, 500 steps, seeds 0 to 2, mean error
to the truth (0 to 1) and KID x 100 (efficientnet_lite0) of held-out tiles: heights to relief
0.0940, 24.9 (after 663 steps, which take NICE-GAN's time for 500, 0.0987, 22.6: the lowest KID of
four methods and the largest error).

Cost: 11.4 M parameters in the generator, 2.8 M in the discriminator, 0.6 M in the projector.
"""

from configs import base


def get_config(words=''):
  """The official code's setting of CUT."""
  config = base.get_config()
  config.method = 'cut'
  config.num_steps = 533_600  # 400 epochs of horse2zebra's 1,334 images at batch size 1
  epoch = config.get_ref('num_steps') // 400

  config.data.interpolation = 'bicubic'
  config.model.width = 64
  config.model.blocks = 9
  config.model.d_width = 64
  config.model.d_layers = 3
  config.model.norm = 'instance'
  config.model.antialias = True
  config.model.initial = 'xavier'  # with a gain of 0.02
  config.model.taps = ('padded', 'down_0', 'down_1', 'block_0', 'block_4')  # nce_layers 0,4,8,12,16
  config.model.projection = 256
  config.losses.adversarial = 'least_squares'
  config.losses.patches = 256  # of each tap
  config.losses.temperature = 0.07
  config.losses.flip = False

  config.optimizer.learning_rate = 2e-4
  # epoch 200 has all of it and epoch 400 1/201, as in the official code
  config.optimizer.decay_start_step = config.get_ref('num_steps') // 2
  config.optimizer.decay_end_step = config.get_ref('num_steps') + epoch
  config.optimizer.decay_every_steps = epoch

  config.routes.discriminate = {'adversarial': {'discriminator': 0.5}}
  config.routes.translate = {
    'adversarial': {'generator': 1.0},
    'nce': {'generator': 0.5, 'projector': 0.5},  # lambda_NCE 1, half of it each
    'nce_identity': {'generator': 0.5, 'projector': 0.5},
  }
  return base.apply(config, words, VARIANTS)


def fast(config):
  """FastCUT: no images of b through the generator, mirrored inputs instead, ten times the weight."""
  config.num_steps = 266_800
  steps = config.get_ref('num_steps')
  config.optimizer.decay_start_step = steps // 4 * 3  # 150 of 200 epochs
  config.optimizer.decay_end_step = steps + steps // 200
  config.optimizer.decay_every_steps = steps // 200
  config.losses.flip = True
  config.routes.translate.nce = {'generator': 10.0, 'projector': 10.0}
  del config.routes.translate.nce_identity


def small(config):
  base.small_translator(config)
  config.model.d_width = 16
  config.model.taps = ('padded', 'down_0', 'down_1', 'block_0', 'block_3')
  config.model.projection = 64
  config.losses.patches = 64


def tiny(config):
  base.tiny(config, 32)
  config.model.width = config.model.d_width = 2
  config.model.blocks = 1
  config.model.taps = ('padded', 'down_0', 'block_0')
  config.model.projection = 4
  config.losses.patches = 8


VARIANTS = base.variants(fast, small, tiny)
