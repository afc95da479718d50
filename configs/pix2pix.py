"""pix2pix (Isola, Zhu, Zhou, Efros, CVPR 2017, arXiv 1611.07004), 256 px.

  python main.py --config=configs/pix2pix.py:facades
  python main.py --config=configs/pix2pix.py:terrain,small         # minutes on a CPU

Data: pairs side by side in train/ and test/, or files of equal names in trainA/, trainB/, ...;
`data.direction` says which is the input. 200 epochs; an epoch is a two-hundredth of `num_steps`.

Expected: the paper has no PSNR or FID for it; `evaluate --metrics=mae,psnr,ssim` scores test pairs.

Cost: 54.4 M parameters in the generator, 2.8 M in the discriminator.
"""

from configs import base


def get_config(words=''):
  """The official code's setting."""
  config = base.get_config()
  config.method = 'pix2pix'
  config.num_steps = 80_000  # 200 epochs of facades' 400 pairs at batch size 1
  epoch = config.get_ref('num_steps') // 200

  config.data.interpolation = 'bicubic'
  config.model.generator = 'unet'  # or resnet
  config.model.width = 64
  config.model.downs = 8  # to 1 px at 256 px; 7 for 128
  config.model.blocks = 9  # of resnet
  config.model.d_width = 64
  config.model.d_layers = 3
  config.model.norm = 'batch'
  config.model.test_statistics = 'image'  # or average, the official --eval
  config.model.initial = 'normal'  # N(0, 0.02)
  config.model.dropout = True
  config.losses.adversarial = 'non_saturating'  # the official gan_mode vanilla

  config.optimizer.learning_rate = 2e-4
  config.optimizer.decay_start_step = config.get_ref('num_steps') // 2 - epoch  # see cyclegan.py
  config.optimizer.decay_every_steps = epoch

  config.routes.discriminate = {'adversarial': {'discriminator': 0.5}}
  config.routes.translate = {'adversarial': {'generator': 1.0}, 'l1': {'generator': 100.0}}
  return base.apply(config, words, VARIANTS)


def l1_only(config):
  """The paper's ablation: near the target, and nobody judges."""
  config.routes.discriminate = {'adversarial': {}}
  config.routes.translate.adversarial = {}
  config.frozen = ('discriminator',)


def small(config):
  base.small_translator(config)
  config.model.downs = 6  # to 1 px
  config.model.d_width = 16


def tiny(config):
  base.tiny(config, 32)
  config.model.width = config.model.d_width = 2
  config.model.downs = 5


VARIANTS = base.variants(l1_only, small, tiny)
