"""AM-GAN: Activation Maximization GANs (Zhou et al., ICLR 2018, arXiv 1703.02000).

  python main.py --config=configs/am_gan.py:labelled_cifar10
  python main.py --config=configs/am_gan.py:labelled_cifar10,predefined   # classes are given
  python main.py --config=configs/am_gan.py:labelled_digits               # 8 px, a minute
  decoupled-gan evaluate --workdir=runs/am_gan-labelled_digits --metrics=am_score_2k@own --own=runs/own

One softmax over K classes and 'fake', and no other loss. The generator is told no class: it raises the
likeliest one of each of its images (`predefined`: the class that it was given), where LabelGAN (Salimans
et al., 2016) raises the sum of all.

Differs from the official code (ZhimingZhou/AM-GAN): DCGAN's networks, without noise on images and
without dropout; the generator is averaged, as in configs/studiogan.py.

Measured predefined: `python benchmarks/conditioning.py spread --seeds=5`: three overlapping classes
of standard deviations 1, 2, 3; made of 0.75 to 0.82, 0.16 to 0.68 and 0.31 to 1.34, at a mean W1 of
1.27 (1.13 to 1.43) from the classes: narrowed, as by AC-GAN (1.39, 1.14 to 1.76).

Measured: `python main.py --config=configs/am_gan.py:labelled_digits --config.seeds=3`, each member by
`evaluate --metrics=am_score_1k@own,kid_359@own`: AM score 1.33, 1.12, 2.03, KID x 1000 131, 276, 348.
Several digits are never drawn: no class is given, and nothing holds a generator that raises the
likeliest one to all of them. With classes given (`predefined`) 0.062, 0.064, 0.064 and 22, 34, 34.
Against LabelGAN nothing was run.

Expected: as AC-GAN, spreads of overlapping classes shrink. Paper, CIFAR-10: inception score 8.91.
"""

from configs import base, studiogan


def get_config(words=''):
  config = studiogan.get_config()
  studiogan.am(config)
  config.model.classes = 'am_dynamic'  # the repository's default
  config.model.conditional = False
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.norm_discriminator = 'batch'
  config.model.width = 128
  config.model.z_dim = 100
  config.batch_size = 100
  config.every.generate = 1
  config.num_steps = 1_000_000
  config.optimizer.learning_rate = 4e-4
  config.optimizer.eps = 1e-8
  config.optimizer.decay_start_step = 0
  config.data.mirror = False
  return base.apply(config, words, VARIANTS, ADJUST)


def predefined(config):
  """Section 4.2: the generator is told a class, and raises that."""
  config.model.classes = 'am'
  config.model.conditional = True


def small(config):
  """Perceptrons for 8 px; no decay, so short a run wants all of the rate."""
  studiogan.dense(config)
  config.optimizer.decay_start_step = -1


def points(config):
  """Of the toy three laws are to be told apart: by given classes."""
  studiogan.points(config)
  predefined(config)
  config.optimizer.decay_start_step = -1


VARIANTS = base.variants(predefined) | studiogan.SHARED
ADJUST = {'labelled_digits': small, 'overlapping3': points}
