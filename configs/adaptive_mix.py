"""AdaptiveMix: Improving GAN Training via Feature Space Shrinkage (Liu et al., CVPR 2023, 2303.01559).

  python main.py --config=configs/adaptive_mix.py:ffhq --config.data.limit=5000
  python main.py --config=configs/few_digits.py:mixed

StyleGAN2's `paper256` without augmentation, mirrored. Features of mixed images are drawn to the mixture
of the images' features, in both phases; the discriminator judges mixtures only, as the published code's.
`plain` judges the images themselves and keeps the term.

Expected (paper): better FID than StyleGAN2 on FFHQ-5k and AFHQ-Cat; its tables were not at hand. Not run
by us at this size.

Cost: two passes of the blocks for each batch rather than one, and two of the epilogue.

Measured: `python benchmarks/little_data.py`, 200 digits of 8 px (configs/few_digits.py), perceptrons,
6,000 steps, three seeds: FD of a digit classifier 33.9 (32.9 to 35.0) without, 28.3 (26.4 to 31.5) with
it, 25.8 at best; features of mixed digits have a cosine of 0.99 with mixed features. At the published
size nothing.
"""

from configs import base, glead


def get_config(words=''):
  config = glead.get_config('stylegan2')
  config.num_steps = 390_625  # 25 million images
  config.data.mirror = True
  mixed(config)
  return base.apply(config, words, VARIANTS)


def mixed(config):
  """The published rows, in place of `adversarial` and `r1`: what there is without a variant."""
  for phase, group in (('discriminate', 'discriminator'), ('generate', 'generator')):
    base.instead(config.routes[phase], 'adversarial', 'mixed_adversarial')
    config.routes[phase].adaptive_mix = {group: 1.0}
  base.instead(config.routes.regularise, 'r1', 'mixed_r1')


def plain(config):
  """The adversarial loss and R1 of the images themselves."""
  for phase in ('discriminate', 'generate'):
    base.instead(config.routes[phase], 'mixed_adversarial', 'adversarial')
  base.instead(config.routes.regularise, 'mixed_r1', 'r1')


VARIANTS = base.variants(plain, glead.tiny)
