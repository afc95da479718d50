"""GAN-EM: clusters by rounds of a GAN and a classifier of its fakes (Zhao et al., IJCAI 2019).

arXiv 1812.00335.

  python main.py --config=configs/gan_em.py:mnist                     # their networks and rounds, 32 px
  python main.py --config=configs/gan_em.py:labelled_digits           # 8 px, 15 rounds, minutes
  python main.py --mode=evaluate --workdir=runs/gan_em-labelled_digits --metrics=cluster_accuracy
  python benchmarks/gan_em.py --seeds=0

Nothing is labelled; labels, where data have some, are for the evaluation. What each cluster came to be
is in the sample grid, a column for each.

Differs from the official code: see methods/noise/gan_em.py and networks/em.py. Their 1,000 rounds are
kept; their rates have gone by then (0.98^1000), so that it may be stopped much sooner.

Measured: benchmarks/gan_em.py --seeds=0, one seed, 15 rounds, half a CPU minute: accuracy on the 359
test digits 0.27 after the first round, 0.31 after nine and 0.37 after fifteen, mutual information 0.34.
It climbs, and is far below k-means (0.82) and a diagonal mixture of Gaussians (0.70) on pixels: the
paper's ranking is not seen at this size. Its samples are grey still: the discriminator is ahead.

Expected (ours, in torch, digits, perceptrons, 15 rounds): accuracy 0.47 and 0.56 (two seeds).
"""

from configs import base

M_STEPS = 5000  # 5 epochs of MNIST's 70,000
E_STEPS = 1000


def get_config(words=''):
  config = base.get_config()
  config.method = 'gan_em'
  config.image_size = 32
  config.image_channels = 1
  config.batch_size = 70
  config.model.clusters = 10
  config.model.z_dim = 62
  config.model.width = 1024
  config.model.channels = 64  # 0: perceptrons
  config.model.assign_batch = 200
  config.optimizer.b1 = 0.5
  config.optimizer_of.discriminator = {'learning_rate': 2e-4}
  config.optimizer_of.generator = {'learning_rate': 6e-4}
  config.optimizer_of.assigner = {'learning_rate': 6e-5}
  config.data.augment = False
  config.sample_count = 8
  config.evaluation.protocol = 'stylegan'
  config.routes.discriminate = {'cluster': {'discriminator': 1.0}}
  config.routes.generate = {'cluster': {'generator': 1.0}}
  config.routes.assign = {'classify': {'assigner': 1.0}}
  rounds(config, M_STEPS, E_STEPS, 1000)
  return base.apply(config, words, VARIANTS, ADJUST)


def rounds(config, m_steps, e_steps, count):
  """Rounds of so many steps of each kind; rates fall from round to round."""
  whole = m_steps + e_steps
  config.num_steps = whole * count
  config.round_steps = config.events.renew = whole
  config.window.discriminate = config.window.generate = (0, m_steps)
  config.window.assign = (m_steps, 0)
  config.anneal.optimizer = {'learning_rate': (0.98, whole, 'steps')}


def digits(config):
  """Of our runs in torch: perceptrons of 256, five epochs of the 1,438 digits, 200 steps of E."""
  config.model.width = 256
  config.model.channels = 0
  config.model.z_dim = 32
  config.optimizer_of.assigner.learning_rate = 3e-4
  rounds(config, 100, 200, 15)


def tiny(config):
  base.tiny(config, 8)
  config.model.width = 8
  config.model.channels = 4
  config.model.clusters = 3
  config.model.z_dim = 4
  config.model.assign_batch = 6
  rounds(config, 2, 2, 1)


VARIANTS = base.variants(tiny)
ADJUST = {'digits': digits, 'labelled_digits': digits}
