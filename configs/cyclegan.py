"""CycleGAN (Zhu, Park, Isola, Efros, ICCV 2017, arXiv 1703.10593), 256 px.

  python main.py --config=configs/cyclegan.py:horse2zebra
  python main.py --config=configs/cyclegan.py:terrain,small        # minutes on a CPU
  python main.py --config=configs/cyclegan.py:inverted_digits,gan_only,residual       # a minute

Data: any two folders of images. The rate is constant for 100 epochs and falls to 0 in 100 more, once an
epoch; an epoch is a two-hundredth of `num_steps` here: set num_steps to 200 times the larger domain's
images.

Expected (NICE-GAN's paper, FID / KID x 100 against the test images): horse to zebra 95.98 / 3.24, zebra
to horse 156.19 / 5.54, cat to dog 125.30 / 6.93, dog to cat 119.32 / 4.93.

Measured: benchmarks/translators.py, 64 px of terrain, width 16, 500 steps, seeds 0 to 2, mean error
to the truth (0 to 1) and KID x 100 (efficientnet_lite0) of held-out tiles: heights to relief
0.0887, 25.5, back 0.1847, 31.0. At equal CPU seconds the least error of four methods both ways, by
less than seeds differ (docs/translators.md).

Measured gan_only: the claim did not show. Digits of 8 px to inverted digits, 500 steps; labels kept
(chance 0.1) and error to the truth: residual generator 0.092 and 0.569 (seed 0), 0.000 and 0.707
(seed 1); all else seed 0: without instance normalisation 0.097, 0.455; with a hundredth of R1
0.064, 0.545; with a cycle of weight 10 besides 0.011, 0.743; code of 2x2x64 0.089, 0.471, with the
cycle 0.033, 0.508. The discriminators lose (their loss is 2.74, where 2.77 is chance), but with
little R1 (2.03). Pictures are inverted digits, of other content: the generator that begins near its
input keeps bright strokes bright, and the cycle holds on to that. The cells `weak` and `code 8`
were not run. `python benchmarks/gan_only.py --seeds=0,1`.

Cost: 22.8 M parameters in the generators, 5.5 M in the discriminators, 57 + 3 GMAC for one pass of
each.
"""

from configs import base


def get_config(words=''):
  """The official code's setting; its paper has no identity loss in most of its results."""
  config = base.get_config()
  config.method = 'cyclegan'
  config.num_steps = 266_800  # 200 epochs of horse2zebra's 1,334 images at batch size 1
  epoch = config.get_ref('num_steps') // 200

  config.data.interpolation = 'bicubic'
  config.model.width = 64  # --ngf
  config.model.blocks = 9
  config.model.downs = 2
  config.model.bottleneck = 0
  config.model.residual = False
  config.model.d_width = 64  # --ndf
  config.model.d_layers = 3  # patches of 70 px
  config.model.norm = 'instance'  # or none, batch
  config.model.initial = 'normal'  # N(0, 0.02)
  config.model.dropout = False
  config.model.pool_size = 50
  config.losses.adversarial = 'least_squares'

  config.optimizer.learning_rate = 2e-4
  # epoch 100 has 100/101 of it and epoch 200 nothing, as in the official code
  config.optimizer.decay_start_step = config.get_ref('num_steps') // 2 - epoch
  config.optimizer.decay_every_steps = epoch

  config.routes.translate = {
    'adversarial': {'generator': 1.0},
    'cycle': {'generator': 10.0},  # lambda_A and lambda_B
    'identity': {'generator': 5.0},  # lambda_identity = 0.5 of them
    'judge': {'discriminator': 0.5},
  }
  return base.apply(config, words, VARIANTS, {'inverted_digits': eight_px})


def eight_px(config):
  """Networks for digits of 8 px: a code of 2x2x64; seconds to minutes."""
  config.batch_size = 64
  config.num_steps = 500
  config.model.width = config.model.d_width = 16
  config.model.blocks = 2
  config.model.d_layers = 1
  config.model.pool_size = 0  # smaller than a batch it would do little
  config.optimizer.learning_rate = 1e-3
  config.optimizer.decay_start_step = -1  # so short a run wants all of it
  config.sample_every_steps = config.checkpoint_every_steps = 250


def no_identity(config):
  """As in most of the paper."""
  del config.routes.translate.identity


def gan_only(config):
  """The adversarial loss alone (Chen et al., 2025); its form and R1 of gamma 10 are our choice."""
  config.losses.adversarial = 'non_saturating'
  config.routes.translate = {
    'adversarial': {'generator': 1.0}, 'judge': {'discriminator': 1.0}, 'r1': {'discriminator': 5.0}
  }  # fmt: skip


def residual(config):
  """A generator without halving that begins near its input."""
  config.model.downs = 0
  config.model.residual = True


def six_blocks(config):
  """The paper's generator for 128 px."""
  config.model.blocks = 6


def small(config):
  base.small_translator(config)
  config.model.d_width = 16


def tiny(config):
  base.tiny(config, 32)
  config.model.width = config.model.d_width = 2
  config.model.blocks = 1
  config.model.pool_size = 3


VARIANTS = base.variants(no_identity, gan_only, residual, six_blocks, small, tiny)
