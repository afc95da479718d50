"""MEE: Manifold Entropy Estimation against mode collapse (Liu et al., AAAI 2023, arXiv 2208.12055).

  python main.py --config=configs/mee.py:cifar10               # 32 px, the official code's constants
  python main.py --config=configs/mee.py:digits                # 8 px, minutes on two cores
  python main.py --config=configs/mee.py:grid25                # points

The discriminator embeds images in 16 numbers, whose mean is its score. Two rows give the embedding a
structure, the third spreads codes out: of real examples for the discriminator, of fakes for the
generator.

Differs from the official code (HaozheLiu-ST/MEE): the memory is one ring of codes (`official` is the
released one, see decoupled_gan/terms/entropy.py); the discriminator's codes are not drawn from a normal
law; the generator's step has latents of its own; the weight of `entropy` is there from the start (there
it rises over 100 epochs); CIFAR-10's test images are not trained on; networks are configs/dcgan.py's.

Expected (paper): CelebA FID 9.13 against 12.43 without; not run by us at this size.

Measured: `python benchmarks/gan_digits.py entropy`, :digits at width 32, 4,500 steps, seeds 0 to 2. KID
0.094, 0.068, 0.077 with entropy, 0.260, 0.153, 0.116 without (standard errors 0.007 to 0.021): it shows
in each pair. The entropy of the digits that are drawn is 2.21, 2.22, 2.22 against 2.08, 2.22, 2.13 (all
ten alike: 2.30). On 25 Gaussians (`python benchmarks/gan_modes.py --study=entropy --seeds=3`, 10,000
steps) it does not: 15.3 (12 to 18) modes against 18.3 (18 to 19), and in both 0.02 to 0.03 of the points
lie within 3 std of one, so that neither has learned the law.
"""

from configs import base, gan

EPOCH = 781  # steps of 50,000 images in batches of 64


def get_config(words=''):
  config = gan.get_config()
  config.num_steps = 1800 * EPOCH
  config.every.generate = 3  # G_split_num
  config.losses.adversarial = 'wasserstein'
  config.routes.discriminate.dlle = {'discriminator': 1.0}
  config.routes.discriminate.disomap = {'discriminator': 1.0}
  config.routes.discriminate.entropy = {'discriminator': 5e-4}
  config.routes.generate.entropy = {'generator': 5e-4}
  config.model.backbone = 'dcgan'
  config.model.width = 128
  config.model.norm_generator = 'batch'
  config.model.norm_discriminator = 'spectral'
  config.model.outputs = 16
  config.optimizer.learning_rate = 1e-4
  config.optimizer.b2 = 0.999
  config.anneal.optimizer = {'learning_rate': (0.9, 50 * EPOCH, 'steps')}
  return base.apply(config, words, VARIANTS, ADJUST)


def official(config):
  """The memory as the released code has it."""
  config.losses.entropy = {'official': True}


def small(config):
  config.num_steps = 15_000
  config.model.norm_discriminator = 'spectral'
  config.optimizer.learning_rate = 5e-4


def tiny(config):
  base.tiny(config, image_size=16)
  config.model.width = 8


VARIANTS = base.variants(official, tiny)
ADJUST = gan.also((*gan.POINTS, 'digits'), small)
