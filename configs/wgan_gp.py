"""WGAN-GP: Improved Training of Wasserstein GANs (Gulrajani et al., NIPS 2017, arXiv 1704.00028).

  python main.py --config=configs/wgan_gp.py:digits
  python main.py --config=configs/wgan_gp.py:grid25

A step is one update of the critic with a fresh batch; every fifth updates the generator too (the paper
updates the generator after five). No batch normalisation in the critic: the penalty is for each example.

Expected: nothing measured yet.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'wasserstein'
  config.routes.discriminate.gradient_penalty = {'discriminator': 10.0}  # eq. 3
  config.every.generate = 5
  config.num_steps = 15_000
  config.optimizer.learning_rate = 1e-4
  config.optimizer.b1 = 0.5  # gan_toy.py and gan_mnist.py of the official code; Algorithm 1 says 0
  return base.apply(config, words, VARIANTS, gan.ADJUST)


VARIANTS = gan.VARIANTS
