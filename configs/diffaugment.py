"""DiffAugment: Differentiable Augmentation (Zhao et al., NeurIPS 2020, arXiv 2006.10738), 256 px.

  python main.py --config=configs/diffaugment.py --config.data.source=folder --config.data.path=photos
  python main.py --config=configs/few_digits.py:diffaugment

The setting for about a hundred images, `low_shot` of DiffAugment-stylegan2-pytorch: StyleGAN2, all that
the discriminator sees recoloured, shifted and cut, in all phases; mirrored data.

Expected (README, BigGAN on CIFAR-10 from 100, 20, 10 %): FID of 9.59, 21.58, 39.78 without become 8.70,
14.04, 22.40. Not run by us at this size.

Measured: `python benchmarks/little_data.py`, 200 digits of 8 px (configs/few_digits.py), perceptrons,
6,000 steps, three seeds: FD of a digit classifier 33.9 (32.9 to 35.0) without, 28.8 (24.5 to 31.9) with
it; D gives held-out digits a mean sign of 0.23, and of -0.93 without. At the published size nothing.
"""

from configs import base, glead

GAMMA = 10.0


def get_config(words=''):
  config = glead.get_config('stylegan2')
  low_shot(config)
  return base.apply(config, words, VARIANTS)


def low_shot(config):
  """What there is without a variant."""
  config.augment.pipeline = 'diffaugment'
  config.batch_size = 8
  config.num_steps = 37_500  # 300 thousand images
  config.model.channel_base = 32768
  config.model.mapping_layers = 2
  config.model.group_size = 4
  config.optimizer.learning_rate = 0.002
  config.routes.regularise.r1.discriminator = GAMMA / 2 * glead.R1_EVERY
  config.copies.generator = {'halflife_kimg': 10.0}
  config.data.source = 'folder'
  config.data.mirror = True


def color(config):
  """Colour only, as AugSelf-GAN's low-shot settings have it."""
  config.augment.policy = ('color',)


def translation_cutout(config):
  """The policy of BigGAN on CIFAR."""
  config.augment.policy = ('translation', 'cutout')


VARIANTS = base.variants(color, translation_cutout, glead.tiny)
