"""SSGAN-LA: Self-Supervised GANs with Label Augmentation (Hou et al., NeurIPS 2021, arXiv 2106.08601).

  python main.py --config=configs/ssgan_la.py:cifar10            # without labels
  python main.py --config=configs/ssgan_la.py:cifar10,plus       # or ss, ms: its predecessors
  python main.py --config=configs/ssgan_la.py:digits             # 8 px, a minute
  python main.py --config=configs/ssgan_la.py:line1,ss           # points, shifted

The discriminator tells by how much an image was turned, of real ones and of fakes: 8 classes, and no
adversarial loss. The generator raises 'real, turned by r' against 'fake, turned by r'. Constants are
those of CIFAR-10 (its scripts launch_cifar10_ema_*.sh): all four rotations of each image, the
multi-class hinge. An epoch there has 500 updates of D, however many go with one of G.

Differs from the official code (liang-hou/ssgan-la): SNGAN's networks for BigGAN's; da and da_md, which
tell real from fake of turned images, are not here.

Measured: `python benchmarks/conditioning.py turns --seeds=5`: the toy of the official notebook,
whose standard deviation is 1, all weights 1. Made of: without turns 0.97 to 1.04; `ss` 0.57 to
0.59; `ms` 0.64 to 0.69; `la` by cross-entropy 0.93 to 1.00. Mean W1: 0.04, 0.34, 0.26, 0.05.

Expected: `ss` narrows what is generated, `la` does not (the toy of the official notebook).
"""

from configs import base, gan, studiogan


def get_config(words=''):
  config = studiogan.get_config()
  studiogan.adc(config)
  config.model.classes_of = 'rotations'
  config.model.head = 'none'
  config.losses.classify = 'class_hinge'
  del config.routes.discriminate.adversarial
  del config.routes.generate.adversarial
  config.model.norm_generator = 'batch'
  config.batch_size = 100
  config.every.generate = 4
  config.num_steps = 200_000  # 400 epochs
  config.data.mirror = False
  config.optimizer.b1 = 0.0
  config.optimizer.eps = 1e-8
  config.copies.generator = {'halflife_kimg': 693.0}  # 0.9999 an update
  return base.apply(config, words, VARIANTS, ADJUST)


def plus(config):
  """SSGAN-LA+: the adversarial loss of upright images too; cross-entropy, a quarter for each angle."""
  config.losses.classify = 'cross_entropy'
  config.model.classes_of = 'shifts' if config.vector_size else 'quarters'
  config.model.head = 'linear'
  config.routes.discriminate.adversarial = {'discriminator': 1.0}
  config.routes.generate.adversarial = {'generator': 1.0}
  config.every.generate = 2
  config.num_steps = min(config.num_steps, 100_000)  # 200 epochs


def ss(config):
  """SSGAN (Chen et al., CVPR 2019): rotations alone are told, of real images; weights 1 and 0.2."""
  plus(config)
  config.model.classes = 'ac'
  del config.routes.discriminate.classify_fake
  del config.routes.generate.classify_fake
  config.routes.generate.classify.generator = 0.2


def ms(config):
  """SSGAN-MS (Tran et al., NeurIPS 2019): 'fake' is a fifth class; weights 1 and 0.2."""
  plus(config)
  config.model.classes = 'am'
  config.routes.generate.classify.generator = 0.2
  config.routes.generate.classify_fake.generator = -0.2


def quarters(config):
  """A quarter of the batch for each angle: a quarter of the work."""
  config.model.classes_of = 'quarters'


def small(config):
  studiogan.dense(config)
  config.batch_size = 64


def points(config):
  """Shifted points; on its law N(0, 1) see benchmarks/conditioning.py."""
  studiogan.points(config)
  config.model.classes_of = 'shifts'


def tiny(config):
  gan.tiny(config)
  config.batch_size = 4


VARIANTS = base.variants(plus, ss, ms, quarters, tiny)
ADJUST = dict.fromkeys(('digits',), small) | dict.fromkeys(gan.POINTS, points)
