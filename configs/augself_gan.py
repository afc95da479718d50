"""AugSelf-GAN: Augmentation-Aware Self-Supervision (Hou et al., NeurIPS 2023, arXiv 2205.15677), 256 px.

  python main.py --config=configs/augself_gan.py:ffhq
  python main.py --config=configs/augself_gan.py:low_shot --config.data.path=cats
  python main.py --config=configs/few_digits.py:augself

StyleGAN2 under DiffAugment, whose discriminator also tells how its input was augmented: +w of real
images, -w of fakes, from features of the image as seen minus those of the image as it is. The generator
is to make fakes of which it says +w. The predictor is a group of its own.

Expected: the paper's tables were not at hand. Not run by us at this size.

Cost: the discriminator runs on the images as they are too, twice the work in both phases.

Measured: `python benchmarks/little_data.py`, 200 digits of 8 px (configs/few_digits.py), perceptrons,
6,000 steps, three seeds: FD of a digit classifier 33.9 (32.9 to 35.0) without, 43.8 (38.8 to 50.0) with
AugSelf: worse. The draws are predicted with a mean squared error of 0.17 (colours), 0.20 and 0.26,
where a constant has 1/12 for colours. At the published size nothing.
"""

from configs import base, diffaugment, glead


def get_config(words=''):
  config = glead.get_config('stylegan2')
  config.augment.pipeline = 'diffaugment'
  config.routes.discriminate.augself = {'discriminator': 1.0, 'predictor': 1.0}
  config.routes.generate.augself = {'generator': 0.2}
  return base.apply(config, words, VARIANTS)


def low_shot(config):
  """A hundred images: colour only, both weights 1 (0.1 for grumpy cat and AnimalFace cat)."""
  diffaugment.low_shot(config)
  diffaugment.color(config)
  config.routes.generate.augself = {'generator': 1.0}


VARIANTS = base.variants(low_shot, glead.tiny)
