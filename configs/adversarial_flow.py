"""Adversarial Flow Models (Lin et al., ICML 2026, arXiv 2511.22475 v2), one step from noise to data.

  python main.py --config=configs/adversarial_flow.py          # the notebook's line of four modes: hours
  python main.py --config=configs/adversarial_flow.py:small    # the same with 64 units: a minute
  python main.py --config=configs/adversarial_flow.py:digits   # the constants of ImageNet on 8 px

Latents have the data's shape, and of all maps onto the data's law the generator is drawn to that which
moves least. `image_constants` are those of the paper's ImageNet training: the adversarial gradient has a
size of its own, and the pull fades.

Differs from the official code: both phases of a step see one batch (there steps alternate, each with a
new one); there are no steps in between (s = 1, t = 0), of which the networks would be told; no
transformers in the latent space of an autoencoder: perceptrons on points and pixels.

Expected: among maps onto the law, the monotone one.

Measured: `python benchmarks/gan_line.py transport`, :small, seeds 0, 1, 2. Mean distance of G from the
monotone map after a random start: 0.086 to 0.090 with the pull at 0.05, 0.077 to 0.096 where it falls
from 0.2 to 0.005, 0.078, 0.120 and 2.04 without it (one map is reversed); the laws are apart by 0.05 to
0.20. From a start that is the reversed map: 0.08, 0.37, 0.38; 0.073, 0.092, 0.097; without it 1.99.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config('line4')
  config.losses.adversarial = 'relativistic'
  config.losses.r1 = {'finite_difference': 0.01, 'share': 1.0}
  config.losses.r2 = {'finite_difference': 0.01, 'share': 1.0}
  config.routes.discriminate.r1 = {'discriminator': 0.01}  # gp_scale, all of notebooks/*.ipynb
  config.routes.discriminate.r2 = {'discriminator': 0.01}
  config.routes.discriminate.centering = {'discriminator': 0.01}
  config.routes.generate.transport = {'generator': 0.05}
  config.model.z_dim = 0
  config.model.width = 1024
  config.model.depth = 4
  config.model.activation = 'silu'
  config.model.frequencies = 32
  config.batch_size = 1024
  config.num_steps = 5000
  config.optimizer.learning_rate = 1e-4
  config.copies.generator = {'halflife_kimg': 70.6}  # 0.99 an update
  return base.apply(config, words, VARIANTS, ADJUST)


def small(config):
  config.model.width = 64
  config.model.depth = 3
  config.model.frequencies = 0
  config.batch_size = 128
  config.num_steps = 1500
  config.optimizer.learning_rate = 1e-3
  config.copies.generator.halflife_kimg = 8.8  # 0.99 an update


def no_transport(config):
  """Of which map the generator learns, nothing is said."""
  del config.routes.generate.transport


def image_constants(config):
  """Of train_adversarial_flow_imagenet.py."""
  base.instead(config.routes.generate, 'adversarial', 'normalised_adversarial')
  config.routes.generate.transport.generator = 0.2
  config.anneal.routes = {'generate': {'transport': (0.025, 1_000_000, 'cosine')}}  # to 0.005
  for name in ('r1', 'r2'):
    config.routes.discriminate[name].discriminator = 0.25
    config.losses[name].share = 0.25
  config.batch_size = 256
  config.optimizer.name = 'adamw'
  config.optimizer.weight_decay = 0.01
  config.copies.generator.halflife_kimg = 1774.0  # 0.9999 an update


def images(config):
  """The paper's constants on pictures, as far as a laptop goes."""
  image_constants(config)
  config.vector_size = 0
  config.model.width = 256
  config.model.frequencies = 0
  config.sample_count = 8
  config.optimizer.learning_rate = 1e-3  # ours: 1e-4 is for transformers
  config.anneal.routes.generate.transport = (0.025, 5000, 'cosine')
  config.copies.generator.halflife_kimg = 17.7  # 0.99


def tiny(config):
  gan.tiny(config)
  config.data.source = 'toy'
  config.model.z_dim = 0
  config.model.frequencies = 2


VARIANTS = base.variants(small, no_transport, image_constants, tiny)
ADJUST = dict.fromkeys(('digits', 'stacked_digits'), images)
