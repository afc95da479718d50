"""Continuous conditional GANs with a regularised generator (Zheng et al., 2021, arXiv 2103.14884).

  python main.py --config=configs/continuous_gan.py:circle6            # points, a minute on a laptop
  python main.py --config=configs/continuous_gan.py:circle6,plain      # without the penalty
  python main.py --config=configs/continuous_gan.py --config.data.path=data/faces   # see docs/data.md

The label is a quantity (`age`, for want of another), and few of its values are trained on. The row
`neighbours` makes the generator's examples of near labels near, at the same latent.

Differs from the paper: neither its weight, nor its networks, nor code were found; see
decoupled_gan/terms/quantities.py. Weights and networks of the toy are ours.

Measured: `python benchmarks/conditioning.py circle --seeds=5`: distance of the mean of what is
generated from the circle, at the known angles and half-way between, means of the seeds: without the
penalty 0.10 and 1.20 (1.15 to 1.24); with weight 0.05 0.08 and 0.17 (0.16 to 0.17); with 0.2 0.06
and 0.15 (0.15 to 0.16).

Expected: between the known angles of circle6 the mean of what is generated is on the circle, or on the
chord of its neighbours (0.13 from it), rather than anywhere.
"""

from configs import base, gan, studiogan


def get_config(words=''):
  config = gan.get_config()
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 64
  config.model.z_dim = 100
  config.model.head = 'projection'
  config.data.source = 'folder'
  config.attributes.age = ()
  config.optimizer.learning_rate = 2e-4
  config.optimizer.b1 = 0.5
  config.optimizer.b2 = 0.999
  config.routes.generate.neighbours = {'generator': 0.05}
  return base.apply(config, words, VARIANTS, ADJUST)


def plain(config):
  """Nothing is asked between the known labels."""
  del config.routes.generate.neighbours


def circle(config):
  """Perceptrons; angles in high waves, so that what is between them is not found by itself."""
  studiogan.points(config)
  config.model.label_waves = 8
  config.model.head = 'projection'
  config.model.z_dim = 2
  config.batch_size = 128
  config.num_steps = 1800
  config.every.generate = 1
  config.optimizer.learning_rate = 5e-4
  if 'neighbours' in config.routes.generate:
    config.losses.neighbours = {'high': 6.2831853}


def tiny(config):
  gan.tiny(config)


VARIANTS = base.variants(plain, tiny)
ADJUST = {'circle6': circle}
