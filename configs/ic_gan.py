"""IC-GAN: Instance-Conditioned GAN (Casanova et al., NeurIPS 2021, arXiv 2109.05070).

  python main.py --config=configs/ic_gan.py:imagenet64 --config.data.features=data/swav.npy
  python main.py --config=configs/ic_gan.py:digits               # 8 px, by pixels, a minute

Each condition is the frozen feature vector of a training example, and its real examples are the nearest
neighbours of that: a mixture of local densities instead of classes, without labels. Features are a file,
one row for each training example, or the pixels.

Differs from the official code (facebookresearch/ic_gan): SNGAN's networks for BigGAN's, without
attention; see decoupled_gan/terms/scenes/instances.py and decoupled_gan/methods/events/instances.py.

Expected: what is made of an instance looks like its neighbours. Paper, ImageNet at 64 px: FID 10.4 (from
memory).

Measured: `python benchmarks/conditioning.py instances --seeds=2`, :digits: of a digit's 50 neighbours by
pixels 0.954 are of its class (chance 0.1), and of what is made of it 0.960 and 0.956; KID 0.0008 +-
0.0026. A class that was held out was not tried.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'hinge'
  config.data.features = 'pixels'
  config.data.neighbours = 50
  config.data.instances = 1000
  config.data.index = True
  config.events.instances = 10**9  # once, before the first step
  config.model.scene = 'instances'
  config.model.backbone = 'resnet'
  config.model.width = 64
  config.model.z_dim = 120
  config.model.norm_generator = 'batch+spectral'
  config.model.norm_discriminator = 'spectral'
  config.batch_size = 256
  config.num_steps = 500_000
  config.optimizer.learning_rate = 1e-4
  config.optimizer.b2 = 0.999
  config.copies.generator = {'halflife_kimg': 1774.0}  # 0.9999 an update
  return base.apply(config, words, VARIANTS, ADJUST)


def imagenet64(config):
  """Without the classes that the data set has."""
  config.attributes = {}


def small(config):
  """Perceptrons for 8 px."""
  gan.dense(config)
  config.optimizer.learning_rate = 1e-3
  config.data.neighbours = 10
  config.data.instances = 200
  config.copies.generator.halflife_kimg = 4.4  # 0.99 an update


def tiny(config):
  gan.tiny(config)
  config.data.neighbours = 3
  config.data.instances = 5


VARIANTS = base.variants(tiny)
ADJUST = {'digits': small, **dict.fromkeys(('imagenet32', 'imagenet64'), imagenet64)}
