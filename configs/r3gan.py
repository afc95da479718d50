"""R3GAN: The GAN is dead; long live the GAN! (Huang et al., NeurIPS 2024, arXiv 2501.05441).

  python main.py --config=configs/r3gan.py:labelled_cifar10    # 32 px, told the class, as published
  python main.py --config=configs/r3gan.py:cifar10             # the same untold
  python main.py --config=configs/r3gan.py:ffhq                # 256 px; and ffhq,px64
  python main.py --config=configs/r3gan.py:imagenet32          # or imagenet64, told the class
  python main.py --config=configs/r3gan.py:digits              # 8 px, minutes on two cores

The relativistic pairing loss with both zero-centred penalties in every update, and residual networks
without any norm. Rate, penalties, second beta and average follow half a cosine over the first 20 million
images (200 of ImageNet) and stay; published runs go on as long as they are let.

Differs from the official code (brownvc/R3GAN): both players of a step see the same real batch, where the
code draws one for each; nothing is augmented unless `config.augment` says so (pipeline='ada', target=0
and a p that stays), where the code brings it in along the same cosine (to 0.55 of CIFAR-10, 0.3 of FFHQ,
0.5 and 0.4 of ImageNet).

Expected: paper (FID): CIFAR-10 1.96, FFHQ-256 2.75, ImageNet-32 1.27.

Measured: `python benchmarks/gan_digits.py backbones --only=r3gan:digits`, 3,000 steps, seeds 0 to 2. KID
0.005, 0.001, 0.003, each with a standard error of 0.004 to 0.006: not told from 0 (SNGAN's is 0.043 to
0.057 after 5,000 steps, DCGAN's 0.21 to 0.25 after 2,000). The rarest digit is 0.069 to 0.079 of what is
drawn. About 25 minutes a seed on two cores. At 8 px only: the published sizes were not trained.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'relativistic'
  config.model.backbone = 'r3gan'
  config.model.z_dim = 64
  config.model.label_size = 64
  config.optimizer.b1 = 0.0
  config.optimizer.b2 = 0.9
  config.optimizer.learning_rate = 2e-4
  config.data.mirror = True
  config.compute_dtype = 'bfloat16'  # of all stages but those of float32_upto
  config.copies.generator = {'halflife_kimg': 0.0}
  config.image_size = 32
  networks(config, widths=(768,) * 4, groups=(96,) * 4)
  schedules(config, batch=512, gamma=0.05, halflife_kimg=5000)
  return base.apply(config, words, VARIANTS, ADJUST)


def networks(config, widths, groups, blocks=2, float32_upto=4):
  """Stages at 4, 8, ... px."""
  config.model.widths, config.model.groups = widths, groups
  config.model.blocks = (blocks,) * len(widths)
  config.model.float32_upto = float32_upto


def schedules(config, batch, gamma, halflife_kimg, images=20_000_000):
  """From the start to the end within so many images, by half a cosine: train.py of the official code.

  Rate 2e-4 to 5e-5, gamma to a tenth, second beta 0.9 to 0.99, half-life of the average from 0 on.
  """
  steps = images // batch
  config.batch_size, config.num_steps = batch, steps
  for name in ('r1', 'r2'):
    config.routes.discriminate[name] = {'discriminator': gamma / 2}
  tenth = (0.1, steps, 'cosine')
  config.anneal.routes = {'discriminate': {'r1': tenth, 'r2': tenth}}
  config.anneal.optimizer = {'learning_rate': (5e-5, steps, 'cosine'), 'b2': (0.99, steps, 'cosine')}
  config.anneal.copies = {'generator': (float(halflife_kimg), steps, 'cosine')}


def labelled(config):
  config.model.head = 'bilinear'


def ffhq(config):
  config.image_size = 256
  widths, groups = (768, 768, 768, 768, 384, 192, 96), (96, 96, 96, 96, 48, 24, 12)
  networks(config, widths, groups, float32_upto=16)
  schedules(config, batch=256, gamma=150.0, halflife_kimg=500)


def px64(config):
  """FFHQ at 64 px."""
  config.image_size = 64
  networks(config, (768, 768, 768, 768, 384), (96, 96, 96, 96, 48))
  schedules(config, batch=256, gamma=2.0, halflife_kimg=500)


def imagenet32(config):
  labelled(config)
  networks(config, (1536,) * 4, (96,) * 4)
  schedules(config, batch=4096, gamma=0.5, halflife_kimg=50_000, images=200_000_000)


def imagenet64(config):
  labelled(config)
  networks(config, (1536,) * 5, (96,) * 5)
  schedules(config, batch=4096, gamma=1.0, halflife_kimg=50_000, images=200_000_000)


def digits(config):
  """Small networks for 8 px: widths, rate, gamma and lengths are ours."""
  config.data.mirror = False
  config.compute_dtype = 'float32'
  networks(config, (64, 64), (8, 8))
  schedules(config, batch=64, gamma=0.05, halflife_kimg=10, images=64 * 3000)
  config.optimizer.learning_rate = 1e-3
  config.anneal.optimizer.learning_rate = (2.5e-4, 3000, 'cosine')


def labelled_digits(config):
  labelled(config)
  digits(config)


def no_penalty(config):
  """The loss alone, to compare with."""
  for name in ('r1', 'r2'):
    del config.routes.discriminate[name]
    del config.anneal.routes.discriminate[name]


def tiny(config):
  gan.tiny(config)
  networks(config, (8, 8), (4, 4), blocks=1)
  schedules(config, batch=2, gamma=0.05, halflife_kimg=1, images=8)


VARIANTS = base.variants(px64, no_penalty, tiny)
ADJUST = {
  'labelled_cifar10': labelled,
  'ffhq': ffhq,
  'imagenet32': imagenet32,
  'imagenet64': imagenet64,
  **dict.fromkeys(('digits', 'stacked_digits'), digits),
  'labelled_digits': labelled_digits,
}
