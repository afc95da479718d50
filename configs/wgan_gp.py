"""WGAN-GP: Improved Training of Wasserstein GANs (Gulrajani et al., NIPS 2017, arXiv 1704.00028).

  python main.py --config=configs/wgan_gp.py:cifar10           # 32 px, the DCGAN form of gan_cifar.py
  python main.py --config=configs/wgan_gp.py:cifar10,resnet    # the networks of their CIFAR table
  python main.py --config=configs/wgan_gp.py:digits            # 8 px
  python main.py --config=configs/wgan_gp.py:grid25,published_toy
  python main.py --config=configs/wgan_gp.py:ring8,one_sided   # or max_gradient, drift

A step is one update of the critic with a fresh batch; every fifth updates the generator too (the paper
updates the generator after five). No batch normalisation in the critic: the penalty is for each example.
One number a of U(0, 1) for each example; norms over all axes of an example's gradient.

Differs from the official code: sqrt(. + 1e-12), whose gradient at 0 is none rather than NaN; images are
not dequantised by noise of a level; kernels of the DCGAN form are of 4 x 4 (there 5 x 5).

Measured: benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100, 5 seeds. Two-sided: 8.0 modes of
8, 0.73 (0.68 to 0.79) of the points within three deviations, KL 0.003. Two frozen laws theta apart
(benchmarks/gan_line.py gap, 3 seeds): the critic's gap at theta = 0.5, 1, 2, 4 is 0.51, 1.03, 2.19,
4.81, where theta + theta^2 / (2 lambda) is 0.51, 1.05, 2.2, 4.8. KID of digits of 8 px
(benchmarks/gan_digits.py kid, 2,000 steps, 3 seeds; 2.3 to 4.3 at first): 0.016 (0.012 to 0.021).

Measured one_sided: as above, benchmarks/gan_modes.py, 5 seeds: 8.0 modes of 8, 0.72 (0.62 to 0.79) of
the points within three deviations, KL 0.002. It differs from the two-sided by less than seeds do.

Measured max_gradient: as above, benchmarks/gan_modes.py, 5 seeds: 8.0 modes of 8, 0.71 (0.56 to 0.79) of
the points within three deviations, KL 0.003. It differs from the two-sided by less than seeds do.

Measured drift: as above, benchmarks/gan_modes.py, 5 seeds: 8.0 modes of 8, 0.71 (0.67 to 0.78) of the
points within three deviations, KL 0.003. It differs from no drift by less than seeds do.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'wasserstein'
  config.routes.discriminate.gradient_penalty = {'discriminator': 10.0}  # eq. 3
  config.every.generate = 5
  config.num_steps = 1_000_000  # 200,000 of the generator
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 128
  config.model.z_dim = 128
  config.optimizer.learning_rate = 1e-4
  config.optimizer.b1 = 0.5  # gan_toy.py and gan_cifar.py; Algorithm 1 says 0
  return base.apply(config, words, VARIANTS, ADJUST)


def resnet(config):
  """gan_cifar_resnet.py, without classes."""
  config.model.backbone = 'resnet'
  config.model.pool = 'mean'
  config.model.head_bias = True
  config.optimizer.learning_rate = 2e-4
  config.optimizer.b1 = 0.0
  config.optimizer.decay_start_step = 0
  config.num_steps = 500_000  # 100,000 of the generator


def one_sided(config):
  """Section 4: only slopes above 1 are penalised."""
  base.instead(config.routes.discriminate, 'gradient_penalty', 'one_sided_gradient_penalty')


def max_gradient(config):
  """Zhou et al., ICML 2019: the largest squared slope of the batch, at StudioGAN's weight."""
  base.instead(config.routes.discriminate, 'gradient_penalty', 'max_gradient')


def drift(config):
  """ProGAN's loss (Karras et al., ICLR 2018, appendix A.1): outputs stay near 0."""
  config.routes.discriminate.drift = {'discriminator': 0.001}


def toy(config):
  """gan_toy.py's weight, for networks of 64 units at ten times its rate."""
  config.num_steps = 15_000
  config.optimizer.learning_rate = 1e-3
  for name, row in config.routes.discriminate.items():
    if name != 'adversarial':
      row.discriminator = 0.1


def published_toy(config):
  """gan_toy.py: 3 x 512 units, 100,000 updates of the generator."""
  config.model.width = 512
  config.optimizer.learning_rate = 1e-4
  config.num_steps = 500_000


VARIANTS = base.variants(resnet, one_sided, max_gradient, drift, published_toy) | gan.SHARED
ADJUST = gan.also(gan.POINTS, toy)
