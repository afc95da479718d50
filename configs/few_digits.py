"""Two hundred digits, 8 px: what to do when the discriminator learns the training set by heart.

  python main.py --config=configs/few_digits.py            # nothing is done about it
  python main.py --config=configs/few_digits.py:ada        # diffaugment, apa, diffusion, augself, mixed
  python main.py --config=configs/few_digits.py:ada --config.seeds=3 --config.steps_per_call=100

The generic method with small perceptrons. ADA's and Diffusion-GAN's controllers are 25 times as fast as
published (kimg 20 and 4), since the run is as much shorter.

Expected: less learning by heart.

Measured: `python benchmarks/little_data.py`, 6,000 steps, three seeds: FD of a digit classifier 33.9,
and 27.1 with ada, 28.3 with mixed, 28.8 with diffaugment, 31.0 with apa; 37.4 with diffusion and 43.8
with augself, which are worse than nothing here. D gives held-out digits a mean sign of -0.93, and 0.23
with diffaugment. docs/little_data.md has the table and the curves.
"""

from configs import adaptive_mix, base, gan

R1_EVERY, GAMMA = 4, 0.1


def get_config(words=''):
  config = gan.get_config('digits')
  config.data.limit = 200
  config.batch_size = 32
  config.num_steps = 20_000
  config.model.z_dim = 16
  config.optimizer.b2 = 0.99  # as all on this page
  config.copies.generator = {'halflife_kimg': 2.0, 'rampup': 0.05}
  config.augment.kimg = 20.0
  config.every.regularise = R1_EVERY
  config.routes.regularise.r1 = {'discriminator': GAMMA / 2 * R1_EVERY}
  return base.apply(config, words, VARIANTS)


def logged(config):
  config.routes.discriminate.update({'strength': {}, 'overfitting': {}})


def ada(config):
  """Adaptive discriminator augmentation, `bgc`."""
  config.augment.pipeline = 'ada'
  logged(config)


def apa(config):
  """Fakes stand in for real digits."""
  config.augment.pseudo = True
  logged(config)


def diffaugment(config):
  config.augment.pipeline = 'diffaugment'


def diffusion(config):
  config.augment.pipeline = 'diffusion'
  config.augment.kimg = 4.0
  logged(config)


def augself(config):
  """DiffAugment, and what it did is to be told; weights of the low-shot settings."""
  diffaugment(config)
  config.routes.discriminate.augself = {'discriminator': 1.0, 'predictor': 1.0}
  config.routes.generate.augself = {'generator': 1.0}


def mixed(config):
  """AdaptiveMix."""
  adaptive_mix.mixed(config)


def all_digits(config):
  """The whole training set, for comparison."""
  config.data.limit = 0


def tiny(config):
  gan.tiny(config)
  config.augment.kimg = 0.1


VARIANTS = base.variants(ada, apa, diffaugment, diffusion, augself, mixed, all_digits, tiny)
