"""GAN, the original game (Goodfellow et al., NIPS 2014, arXiv 1406.2661), and where the others start.

  python main.py --config=configs/gan.py:digits                # 8 px, a minute on a laptop
  python main.py --config=configs/gan.py:ring8                 # points, drawn as heat
  python main.py --config=configs/gan.py:labelled_digits       # class-conditional, by projection
  python main.py --config=configs/gan.py:mnist,goodfellow      # the paper's networks and constants

Differs from the paper: the non-saturating loss of its section 3 (the word minimax is its eq. 1), no half
in the discriminator's, Adam, and these networks; `goodfellow` has theirs. Updates alternate, with fresh
latents, where the official code makes both at once from the same fakes; its momentum rises from 0.5 to
0.7 within 250 epochs, and its rate falls by 1.000004 an update, which are not here.

Measured: benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100, 5 seeds. Non-saturating:
8.0 modes of 8, 0.93 (0.86 to 0.96) of the points within three deviations, KL 0.004. Minimax: 8.0
modes of 8, 0.95 (0.95 to 0.96) of the points within three deviations, KL 0.002. On N(1, 0.5^2)
(benchmarks/gan_line.py equilibrium, 3 seeds) the game ends near its equilibrium: mean |D - 1/2|
0.013 to 0.020, a loss of D of 1.388 to 1.391 (2 log 2 = 1.386).
"""

import functools

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
  config.model.z_dim = 64  # 0: as many numbers as an example has
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
  config.model.activation = 'relu'  # of mlp: relu (leaky in the discriminator), silu or tanh
  config.model.frequencies = 0  # of mlp: numbers come as so many sines and cosines; 0: as they are
  config.model.noise = (0.6, 0.5)  # of improved: in D, at the input and before other layers
  config.model.head = 'linear'  # or projection, bilinear, direction, ..., see networks/heads.py
  config.model.outputs = 1
  config.model.classes = 'ac'  # where a row classify asks: a game of decoupled_gan/networks/games.py
  config.model.classes_of = 'labels'  # or rotations, ...: see decoupled_gan/terms/classes.py
  config.model.embed_size = 0  # of the embedding that classes are told by; 0: the features
  config.model.scene = 'plain'  # what the networks are shown, see decoupled_gan/terms
  config.model.conditional = True  # the generator is told labels, where there are any
  config.model.label_size = 16  # of the embedding of a label, in the generator
  config.model.label_waves = 0  # how labels that are quantities are told, see layers/linear.py: waves
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


def goodfellow(config):
  """goodfeli/adversarial: mnist.yaml, at 32 px; the discriminator's loss is half the sum."""
  config.model.backbone = 'maxout'
  config.model.width = 240
  config.model.z_dim = 100
  config.model.prior = 'uniform'
  config.batch_size = 100
  config.num_steps = 150_000  # 250 epochs
  config.optimizer.name = 'momentum'
  config.optimizer.learning_rate = 0.1
  config.optimizer.b1 = 0.5
  config.routes.discriminate.adversarial.discriminator = 0.5


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
  """Networks and latents of toy experiments, and many examples where they are counted or drawn."""
  config.model.backbone = 'mlp'
  config.model.norm_generator = config.model.norm_discriminator = 'none'
  config.model.z_dim = 2
  config.model.width = 64
  config.model.depth = 3
  config.batch_size = 256
  config.num_steps = 3000
  config.sample_count = 2000
  config.evaluation.images = 2500


def dense(config):
  """For images of 8 px and polygons: perceptrons rather than convolutions, minutes rather than days."""
  config.model.backbone = 'mlp'
  config.model.norm_generator = config.model.norm_discriminator = 'none'
  config.model.z_dim = 64
  config.model.width = 128
  config.model.depth = 3
  config.batch_size = 64
  config.num_steps = 3000


def labelled(config):
  dense(config)
  config.model.head = 'projection'


POINTS = ('ring8', 'grid25', 'unequal8', 'line1', 'line4')
SHARED = base.variants(tiny)
VARIANTS = base.variants(goodfellow, minimax, tiny)
ADJUST = {
  **dict.fromkeys(POINTS, points),
  **dict.fromkeys(('digits', 'stacked_digits', 'polygons'), dense),
  'labelled_digits': labelled,
  'digits7to3': labelled,
}


def also(words, function):
  """ADJUST with `function` after what is done at each of the data sets `words`."""

  def both(config, word):
    ADJUST.get(word, lambda config: None)(config)
    function(config)

  return ADJUST | {word: functools.partial(both, word=word) for word in words}
