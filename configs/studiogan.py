"""StudioGAN's axis of conditioning (Kang, Shin, Park, TPAMI 2023, arXiv 2206.09479), and its constants.

  python main.py --config=configs/studiogan.py:labelled_cifar10                  # projection
  python main.py --config=configs/studiogan.py:labelled_cifar10,ac               # or tac, adc, am, ...
  python main.py --config=configs/studiogan.py:labelled_digits,contrastive       # 8 px, a minute
  python main.py --config=configs/studiogan.py:overlapping3,adc                  # points, three classes

The generator's batch normalisation has a scale and a shift for each class; the discriminator is asked
what one word says: `projection`, `multi_discriminator`, `ac`, `tac`, `adc`, `am`, `contrastive` (2C),
`d2dce`, `multi_hinge`. `tac`, `adc` go with a loss of classes before them, as in `d2dce,adc`. The
weights here are those of its CIFAR-10 files; papers have recipes of their own.

Differs from the official code: its `resnet` (SNGAN's) stands for `big_resnet` everywhere; labels of
fakes are the real rows' rather than uniform; averages of weights start at once (there at step 1,000);
scales and shifts of classes start at 1 and 0 (there: orthogonal), and running variances are biased.

Measured projection: `python benchmarks/conditioning.py spread --seeds=5`: three overlapping classes
of standard deviations 1, 2, 3; made of 0.97 to 1.03, 1.76 to 2.09 and 2.65 to 3.75, at a mean W1 of
0.18 (0.09 to 0.33) from the classes. Words that have recipes of their own are told there.

Measured: `python benchmarks/conditioning.py digits`, :labelled_digits, seeds 0 and 1: share of what
is drawn that a classifier takes for the digit that was asked for; KID, whose standard error is
0.002 to 0.005. Projection 0.988, 0.993; multi_discriminator 0.997, 0.993; AC 0.999, 0.999; TAC
0.995, 0.993; ADC 0.992, 0.992; AM 1.000, 1.000; d2dce 0.997, 0.998; with adc 0.936, 0.974;
multi_hinge 0.995, 0.998: KID of at most 0.006 for all of them. Contrastive (2C) 0.715, 0.563 at a
KID of 0.044, 0.075: it does not learn them.
"""

from configs import base, gan
from decoupled_gan.errors import UserError


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'hinge'
  config.batch_size = 64
  config.num_steps = 500_000  # 100,000 of the generator
  config.every.generate = 5
  config.data.mirror = True
  config.model.backbone = 'resnet'
  config.model.width = 256
  config.model.width_discriminator = 128
  config.model.z_dim = 128
  config.model.head_bias = True
  config.model.norm_generator = 'conditional_batch'
  config.model.norm_discriminator = 'spectral'
  config.model.head = 'projection'
  config.optimizer.learning_rate = 2e-4
  config.optimizer.b1 = 0.5
  config.optimizer.b2 = 0.999
  config.optimizer.eps = 1e-6
  config.copies.generator = {'halflife_kimg': 443.6}  # 0.9999 an update
  return base.apply(config, words, VARIANTS, ADJUST)


def projection(config):
  """Miyato and Koyama, ICLR 2018: what it is without a word."""
  config.model.head = 'projection'


def multi_discriminator(config):
  """An output for each class."""
  config.model.head = 'of_each_class'


def ac(config):
  """Odena et al., ICML 2017, in its form ACGAN-Mod: nothing of D on fakes."""
  if 'classify_fake' in config.routes.discriminate:
    raise UserError('ac, contrastive, d2dce come before tac and adc, as in d2dce,adc, and not with am.')
  config.model.head = 'linear'
  config.model.classes = 'ac'
  config.routes.discriminate.classify = {'discriminator': 1.0, 'classifier': 1.0}
  config.routes.generate.classify = {'generator': 1.0}


def tac(config):
  """Gong et al., NeurIPS 2019."""
  weight = opposed(config)
  config.model.classes = 'tac'
  config.routes.discriminate.classify_fake = {'discriminator': weight, 'classifier': weight}
  config.routes.generate.classify_fake = {'generator': -weight}


def adc(config):
  """Hou et al., ICML 2022."""
  tac(config)
  config.model.classes = 'adc'


def opposed(config) -> float:
  """The weight of the row `classify`, which is there afterwards."""
  if 'classify' not in config.routes.discriminate:
    ac(config)
  return config.routes.discriminate.classify.discriminator


def am(config):
  """Zhou et al., ICLR 2018: K + 1 classes, and no adversarial loss beside them."""
  config.model.head = 'none'
  config.model.classes = 'am'
  config.routes.discriminate = {
    name: {'discriminator': 1.0, 'classifier': 1.0} for name in ('classify', 'classify_fake')
  }
  config.routes.generate = {'classify': {'generator': 1.0}}


def contrastive(config):
  """2C of ContraGAN, configs/CIFAR10/ContraGAN.yaml."""
  ac(config)
  config.losses.classify = 'contrastive'
  config.model.embed_size = 512


def d2dce(config):
  """D2D-CE of ReACGAN, configs/CIFAR10/ReACGAN.yaml."""
  ac(config)
  config.losses.classify = 'd2dce'
  config.model.embed_size = 512
  for row in (config.routes.discriminate.classify, config.routes.generate.classify):
    for group in row:
      row[group] = 0.5


def multi_hinge(config):
  """MHGAN: K + 1 classes by Crammer and Singer's hinge, and matched features."""
  am(config)
  config.losses.classify = 'multi_hinge'
  config.losses.feature_matching = {'reduction': 'absolute'}
  config.routes.generate.classify.generator = 0.05
  config.routes.generate.feature_matching = {'generator': 1.0}


def dense(config):
  """Perceptrons for 8 px, that train in a minute: our choice of rates."""
  config.model.backbone = 'mlp'
  config.model.norm_generator = 'none'  # told by an embedding behind the latents
  config.model.norm_discriminator = 'none'
  config.model.width = 128
  config.model.depth = 3
  config.model.z_dim = 64
  config.model.embed_size = min(config.model.embed_size, 64)
  config.num_steps = 3000
  config.every.generate = 1
  config.data.mirror = False
  config.optimizer.learning_rate = 1e-3
  config.copies.generator = {'halflife_kimg': 4.4}  # 0.99 an update


def points(config):
  """Networks and rates of a toy: 2 x 64 units, two updates of D for one of G."""
  dense(config)
  config.losses.adversarial = 'non_saturating'
  config.model.width = 64
  config.model.depth = 2
  config.model.z_dim = 4
  config.batch_size = 256
  config.num_steps = 5000
  config.every.generate = 2
  config.optimizer.learning_rate = 2e-4
  config.optimizer.eps = 1e-8
  config.copies = {}
  config.sample_count = 2000


def tiny(config):
  gan.tiny(config)
  config.batch_size = 4
  config.model.embed_size = min(config.model.embed_size, 8)
  if not config.attributes:
    config.attributes.label = ('a', 'b', 'c')


VARIANTS = base.variants(
  projection, multi_discriminator, ac, tac, adc, am, contrastive, d2dce, multi_hinge, tiny
)
SHARED = base.variants(tiny)
ADJUST = {'labelled_digits': dense, 'overlapping3': points}
