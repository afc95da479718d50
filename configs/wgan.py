"""WGAN (Arjovsky, Chintala, Bottou, ICML 2017, arXiv 1701.07875): clipped weights, RMSprop, a curve.

  python main.py --config=configs/wgan.py:bedroom              # 64 px, as published: DCGAN's networks
  python main.py --config=configs/wgan.py:ring8                # points, a minute on a laptop

A step is one update of the critic with a fresh batch; every fifth updates the generator too. Minus
`discriminate/adversarial` is the critic's gap, mean D(x) - mean D(G z): the paper's curve of figure 3.

Differs from the official code: weights are clipped after each update, as in Algorithm 1 (there before
it), all critic phases are of five updates (there 100 for the first 25 and at every 500th), and the
sign is not flipped. The number of steps is ours.

Measured: benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100, 5 seeds. Clipped: 8.0 modes
of 8, 0.68 (0.58 to 0.76) of the points within three deviations, KL 0.009. With the gradient
penalty: 8.0 modes of 8, 0.73 (0.68 to 0.79) of the points within three deviations, KL 0.003. Two
frozen laws theta apart (benchmarks/gan_line.py gap, 3 seeds): the clipped critic's gap at theta =
0.5, 1, 2, 4 is 0.31, 0.59, 1.02, 1.65: it grows, less than in proportion. KID of digits of 8 px
(benchmarks/gan_digits.py kid, 2,000 steps, 3 seeds; 2.3 to 4.3 at first): 0.084 (0.040 to 0.166).
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'wasserstein'
  config.image_size = 64
  config.num_steps = 500_000
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 64
  config.model.z_dim = 100
  config.model.norm_discriminator = 'batch'
  config.every.generate = 5  # n_critic of Algorithm 1, like the constants below
  config.optimizer.name = 'rmsprop'
  config.optimizer.learning_rate = 5e-5
  config.optimizer.b2 = 0.99  # torch's default decay
  config.optimizer_of.discriminator = {'clip_weights': 0.01}
  return base.apply(config, words, VARIANTS, ADJUST)


def toy(config):
  """A box and a rate for small networks: ten times the paper's."""
  config.num_steps = 15_000
  config.optimizer.learning_rate = 5e-4
  config.optimizer_of.discriminator.clip_weights = 0.1


VARIANTS = gan.SHARED
ADJUST = gan.also((*gan.POINTS, 'digits', 'stacked_digits'), toy)
