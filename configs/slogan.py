"""SLOGAN: a mixture of latents that learns, for clusters of unequal size (Hwang et al., ICLR 2022).

arXiv 2106.05319.

  python main.py --config=configs/slogan.py                    # their points, 100,000 steps
  python main.py --config=configs/slogan.py:short              # 6,000 steps
  python benchmarks/slogan.py --seeds=0

Eight Gaussians, four of them three times as large as the others, and a mixture of eight components: in
the end a component for each, of its size. `routes.generate` says what the prior learns of: without the
cells of means, covariances and weights (`frozen_prior`) it stays as it is.

Differs from the official code: see methods/encode/slogan.py. Of their image runs nothing is here.

Measured: benchmarks/slogan.py --seeds=0, `short`, one seed, half a CPU minute a run: mutual information
of components and modes 0.75, and 0.25 where the prior does not learn (`frozen_prior`); good samples 0.78
and 0.70. Weights left 1/8 (0.092 0.111 0.112 0.117 0.119 0.122 0.157 0.171), and did not part into four
small and four large ones: the sizes of the clusters are not found in so short a run. Strokes join modes.

Expected (of a run in torch, one seed, the same length): weights of 0.106 to 0.109 and 0.141 to 0.146,
mutual information 0.53 against 0.27. At the published rates nothing shows within 5,000 steps.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config('unequal8')
  config.method = 'slogan'
  config.batch_size = 128
  config.num_steps = 100_000
  config.model.width = 128
  config.model.depth = 2
  config.model.norm_generator = 'batch'
  config.model.z_dim = 64
  config.model.components = 8
  config.model.scale = 2.0  # s
  config.model.tau_steps = 20_000  # tau from 1 to 0
  config.losses.adversarial = 'hinge'
  config.parts.means = 'mixture/mean'
  config.parts.covariances = 'mixture/covariance'
  config.parts.weights = 'mixture/logit'
  config.optimizer.learning_rate = 1e-3
  config.optimizer.decay_start_step = 0
  config.optimizer_of.discriminator = {'learning_rate': 4e-3}
  config.optimizer_of.means = {'name': 'sgd', 'learning_rate': 0.1}
  config.optimizer_of.covariances = {'name': 'sgd', 'learning_rate': 1e-2, 'positive_definite': True}
  config.optimizer_of.weights = {'name': 'sgd', 'learning_rate': 1e-2}
  config.routes.discriminate.one_sided_gradient_penalty = {'discriminator': 10.0}
  config.routes.generate = {
    'adversarial': {'generator': 1.0, 'means': 1.0, 'covariances': 1.0},
    'contrast': {'generator': 4.0, 'encoder': 4.0, 'means': 4.0, 'covariances': 4.0},  # lambda
    'stein_weight': {'weights': 1.0},
  }
  return base.apply(config, words, VARIANTS)


def short(config):
  """Of our runs in torch: fewer latents, a prior five times as fast, tau over the whole run."""
  config.model.z_dim = 8
  config.num_steps = config.model.tau_steps = 6000
  config.optimizer_of.means.learning_rate = 0.5
  config.optimizer_of.covariances.learning_rate = 0.05
  config.optimizer_of.weights.learning_rate = 0.05


def frozen_prior(config):
  """The mixture stays as it is at first."""
  config.frozen = ('means', 'covariances', 'weights')
  config.routes.generate.adversarial = {'generator': 1.0}
  config.routes.generate.contrast = {'generator': 4.0, 'encoder': 4.0}
  del config.routes.generate.stein_weight


def tiny(config):
  gan.tiny(config)
  config.model.components = 3
  config.model.tau_steps = 10


VARIANTS = base.variants(short, frozen_prior, tiny)
