"""StyleGAN2-ADA: Training GANs with Limited Data (Karras et al., NeurIPS 2020, arXiv 2006.06676).

  python main.py --config=configs/stylegan2_ada.py:ffhq --config.data.limit=2000
  python main.py --config=configs/stylegan2_ada.py:ffhq,bgcf       # or bg, bgcfn, bgcfnc; fixed, auto
  python main.py --config=configs/few_digits.py:ada                # the same on 200 digits, minutes

Its `paper256`: StyleGAN2 at 256 px with a view of all that the discriminator sees (augment/), whose
strength p follows the mean sign of D on real images. The rows `strength` and `overfitting` log both.

Differs from the paper: r counts D's outputs in `discriminate` only; the discriminator of `cifar`
(without skips) is not offered.

Expected (paper): FFHQ 256 px with 1k, 5k, 10k images: FID 21.3, 11.0, 7.3; not run by us at this size.

Cost: benchmarks/augment_cost.py tells the view's share of a step.

Measured: `python benchmarks/little_data.py`, 200 digits of 8 px (configs/few_digits.py), perceptrons,
6,000 steps, three seeds: FD of a digit classifier 33.9 (32.9 to 35.0) without, 27.1 (26.0 to 28.1) with
ADA, whose strength stays at 0.02; D learns the 200 by heart all the same. At the published size
nothing.
"""

from configs import base, glead
from configs.glead import float32


def get_config(words=''):
  config = glead.get_config('stylegan2')
  config.num_steps = 390_625  # 25 million images
  config.augment.pipeline = 'ada'
  config.routes.discriminate.update({'strength': {}, 'overfitting': {}})
  return base.apply(config, words, VARIANTS)


def bg(config):
  """Pixel blitting and geometry alone."""
  config.augment.groups = 'bg'


def bgcf(config):
  """Filters of frequency bands as well."""
  config.augment.groups = 'bgcf'


def bgcfn(config):
  config.augment.groups = 'bgcfn'


def bgcfnc(config):
  """All: noise and cutout as well."""
  config.augment.groups = 'bgcfnc'


def fixed(config):
  """A strength that stays."""
  config.augment.target = 0.0
  config.augment.p = 0.2


def transfer(config):
  """For config.start.workdir: p moves faster at first, and the average has no ramp (train.py)."""
  config.augment.kimg = 100.0


def auto(config):
  """train.py's settings for any data, as of 8 devices; after the words that change the size."""
  config.batch_size = max(min(8 * min(4096 // config.image_size, 32), 64), 8)
  config.model.group_size = min(config.batch_size // 8, 4)
  config.model.mapping_layers = 2
  config.model.channel_base = 32768 if config.image_size >= 512 else 16384
  config.optimizer.learning_rate = 0.002 if config.image_size >= 1024 else 0.0025
  gamma = 0.0002 * config.image_size**2 / config.batch_size
  config.routes.regularise.r1.discriminator = gamma / 2 * glead.R1_EVERY
  config.copies.generator = {'halflife_kimg': config.batch_size * 10 / 32, 'rampup': 0.05}
  config.num_steps = 25_000_000 // config.batch_size


def tiny(config):
  glead.tiny(config)
  config.augment.kimg = 0.1
  config.augment.groups = config.augment.groups.partition('f')[0]  # too small to be filtered


VARIANTS = base.variants(bg, bgcf, bgcfn, bgcfnc, fixed, transfer, auto, float32, tiny)
