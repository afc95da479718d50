"""BigBiGAN: three scores of a pair (Donahue and Simonyan, NeurIPS 2019, arXiv 1907.02544), small.

  python main.py --config=configs/bigbigan.py:digits               # 8 px, a minute
  python main.py --config=configs/bigbigan.py:digits,stochastic    # the encoder's code is drawn
  python main.py --config=configs/bigbigan.py:digits,no_unary      # an ablation: the joint score alone

Differs from the paper: perceptrons of BiGAN's size, of which nothing is published; both phases at each
step and one rate (theirs: two steps of the discriminator for one, and an encoder ten times as fast). Of
the published size there are neither official code nor exact constants.

Expected: nothing is published of this size.

Measured: `python benchmarks/encoders.py`, :digits, 4,000 steps, seeds 0, 1, 2: a linear probe of E(x),
standardised, is right in 0.939, 0.911, 0.877 of the test digits (untrained 0.825, 0.889, 0.838; BiGAN
0.875, 0.827, 0.830); reconstructions are 0.63, 0.76, 0.72 of the distance to a shuffled digit and not
nearer than BiGAN's 0.63, 0.68, 0.64. Runs of ours in torch had it the other way round.
"""

from configs import base, bigan


def get_config(words=''):
  config = bigan.get_config()
  config.method = 'bigbigan'
  config.model.stochastic = False
  config.optimizer.weight_decay = 0.0
  del config.routes.contest
  config.routes.discriminate = {
    row: {'discriminator': 1.0} for row in ('joint', 'unary_image', 'unary_latent')
  }
  config.routes.embed = {
    'joint': {'encoder': 1.0, 'generator': 1.0},
    'unary_image': {'generator': 1.0},  # a constant for the encoder
    'unary_latent': {'encoder': 1.0},  # and this one for the generator
  }
  return base.apply(config, words, VARIANTS, bigan.ADJUST)


def stochastic(config):
  """Codes with a standard deviation, drawn."""
  config.model.stochastic = True


def no_unary(config):
  """The joint score alone."""
  for phase in ('discriminate', 'embed'):
    for row in ('unary_image', 'unary_latent'):
      del config.routes[phase][row]


VARIANTS = base.variants(stochastic, no_unary) | base.variants(bigan.tiny)
