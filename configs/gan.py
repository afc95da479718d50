"""GAN, the original game (Goodfellow et al., NIPS 2014, arXiv 1406.2661), and where the others start.

  python main.py --config=configs/gan.py:digits                # 8 px, a minute on a laptop
  python main.py --config=configs/gan.py:ring8                 # points, drawn as heat
  python main.py --config=configs/gan.py:labelled_digits       # class-conditional, by projection

Differs from the paper: the non-saturating loss of its section 3 (the word minimax is its eq. 1), no half
in the discriminator's, alternating updates with fresh latents, Adam, and these networks.

Expected: nothing measured yet.
"""

from configs import base


def get_config(words=''):
  config = base.get_config()
  config.method = 'gan'
  config.image_size = 32
  config.batch_size = 64
  config.num_steps = 3000
  config.model.backbone = 'mlp'  # or dcgan, sndcgan, resnet, r3gan, see docs/backbones.md
  config.model.width = 128
  config.model.depth = 3
  config.model.z_dim = 64
  config.model.prior = 'normal'  # or uniform, U(-1, 1)
  config.model.norm_generator = 'none'  # or batch, ..., see decoupled_gan/layers/named_norms.py
  config.model.norm_discriminator = 'none'
  config.model.fakes_per_real = 1  # of the generator's update
  config.model.spectral_updates = 'forward'  # or step: the spectral norms iterate on real examples only
  config.model.norm_momentum = 0.9  # of running averages, of resnet
  config.model.width_discriminator = 0  # of resnet; 0: as the generator
  config.model.hidden = 'input'  # of resnet: whose channels a discriminator's blocks have inside
  config.model.pool = 'sum'  # of resnet: over pixels, or mean
  config.model.gain = 2**0.5  # of resnet: of kernels in blocks, at the start (WGAN-GP, SNGAN)
  config.model.head_bias = False  # of resnet
  config.model.attention_size = 0  # of resnet: px of the maps with self-attention; 0: none
  config.model.widths = (64, 64)  # of r3gan, at 4, 8, ... px
  config.model.groups = (8, 8)
  config.model.blocks = (1, 1)
  config.model.float32_upto = 4  # px: r3gan's stages that stay float32 where compute_dtype is bfloat16
  config.model.head = 'linear'  # or projection, where there are labels
  config.model.outputs = 1
  config.model.label_size = 16  # of the embedding of a label, in the generator
  config.losses.adversarial = 'non_saturating'  # see decoupled_gan/losses/adversarial.py
  config.optimizer.learning_rate = 1e-3
  config.optimizer.b1 = 0.0
  config.optimizer.b2 = 0.9
  config.data.augment = False
  config.sample_count = 8
  config.evaluation.protocol = 'stylegan'
  config.routes.discriminate = {'adversarial': {'discriminator': 1.0}}
  config.routes.generate = {'adversarial': {'generator': 1.0}}
  config.routes.regularise = {}
  return base.apply(config, words, VARIANTS, ADJUST)


def minimax(config):
  """Eq. 1: the generator minimises log(1 - D)."""
  config.losses.adversarial = 'minimax'


def tiny(config):
  base.tiny(config, 8)
  config.model.width = 8
  config.model.depth = 2
  config.model.z_dim = 4
  config.model.label_size = 4


def points(config):
  """Networks and latents of toy experiments; pictures of a thousand points."""
  config.model.z_dim = 2
  config.model.width = 64
  config.batch_size = 256
  config.sample_count = 2000


def labelled(config):
  config.model.head = 'projection'


VARIANTS = base.variants(minimax, tiny)
ADJUST = dict.fromkeys(('ring8', 'grid25', 'line1', 'line4'), points) | {'labelled_digits': labelled}
