"""GLeaD: Improving GANs with a Generator-Leading Task (Bai et al., CVPR 2023, arXiv 2212.03752), 256 px.

  python main.py --config=configs/glead.py:church               # as published
  python main.py --config=configs/glead.py:ffhq,glead_star      # or ggdr, or stylegan2: the baseline

Expected: FID (paper), against all reals, of bedroom against the first 50,000:

              church  bedroom  ffhq
  glead         2.82     2.55  3.24
  glead_star    2.15     2.72  2.90
  ggdr          2.81     3.71  3.25
  stylegan2     4.04     4.30  3.79

Cost: 24.8 M parameters in the generator, 25.8 M in the discriminator; 50 million images (ffhq: 25) on 8
GPUs in the paper. Here the same global batch of 64 on however many devices. Not run by us.
"""

from configs import base

GAMMA, R1_EVERY = 1.0, 16
PATH_WEIGHT, PATH_EVERY = 2.0, 4


def get_config(words=''):
  """The paper's "Ours" on StyleGAN2-ADA's `paper256`, without augmentation."""
  config = base.get_config()
  config.method = 'glead'
  config.batch_size = 64
  config.num_steps = 781_250  # 50 million images
  config.compute_dtype = 'bfloat16'  # of model.half_blocks; the official code has float16 there

  config.model.channel_base = 16384  # a block at r px has min(channel_base / r, channel_max) channels
  config.model.channel_max = 512
  config.model.z_dim = 512
  config.model.w_dim = 512
  config.model.mapping_layers = 8
  config.model.group_size = 8  # images of a minibatch deviation
  config.model.half_blocks = 4  # the largest blocks, which compute in compute_dtype
  config.model.clamp = 256.0  # limit of activations; 0: none
  config.model.mixing = 0.9  # how often styles of two latents are mixed
  config.model.noise = 'random'  # per pixel, in training
  config.model.decoder_size = 64  # r_d, px
  config.model.rebuild_size = 32  # r_g, px
  config.model.distance = 'lpips'  # or mse
  config.model.lpips_weights = ''  # a file to read in place of the downloaded one

  config.optimizer.learning_rate = 0.0025
  config.optimizer.b1 = 0.0
  config.optimizer.b2 = 0.99
  config.optimizer.lazy_correction = True
  config.optimizer.clean_gradients = True
  config.copies.generator = {'halflife_kimg': 20.0}

  config.data.augment = False
  config.data.center_crop = True

  config.evaluation.protocol = 'stylegan'

  config.every = {'path_length': PATH_EVERY, 'regularise': R1_EVERY}
  config.routes.generate = {'adversarial': {'generator': 1.0}}
  config.routes.path_length = {'path_length': {'generator': PATH_WEIGHT * PATH_EVERY}}
  config.routes.discriminate = {
    'adversarial': {'discriminator': 1.0},
    'reconstruct': {'discriminator': 10.0},
    'reconstruct_fake': {'discriminator': 3.0},
  }
  config.routes.regularise = {
    'r1': {'discriminator': GAMMA / 2 * R1_EVERY},
    'reconstruct': {'discriminator': 10.0 * R1_EVERY},  # a quirk of the published code
  }
  return base.apply(config, words, VARIANTS, {'ffhq': ffhq})


def ffhq(config):
  """Half as long as the others, and the generator takes up at 64 px."""
  config.num_steps = 390_625  # 25 million images
  config.model.rebuild_size = 64


def glead(config):
  """The paper's "Ours": what there is without a variant."""


def glead_star(config):
  """The paper's "Ours*", the official scripts' default: fakes give features to match instead."""
  del config.routes.discriminate.reconstruct_fake
  config.routes.discriminate.match = {'discriminator': 10.0}


def ggdr(config):
  """GGDR (Lee et al., 2022): features of fakes are matched, nothing is rebuilt."""
  glead_star(config)
  plain_r1(config)
  del config.routes.discriminate.reconstruct
  config.model.rebuild_size = config.model.decoder_size


def stylegan2(config):
  """The baseline."""
  config.method = 'stylegan2'
  config.routes.discriminate = {'adversarial': {'discriminator': 1.0}}
  plain_r1(config)


def plain_r1(config):
  """Without the reconstruction that the published code repeats, 16 times as strong, with R1."""
  if 'reconstruct' in config.routes.regularise:
    del config.routes.regularise.reconstruct


def mse(config):
  """Squared differences in place of LPIPS: needs no weights, and was never published."""
  config.model.distance = 'mse'


def float32(config):
  """float32 everywhere, without clamping: the official --fp32."""
  config.compute_dtype = 'float32'
  config.model.half_blocks = 0
  config.model.clamp = 0.0


def tiny(config):
  base.tiny(config, 16)
  float32(config)
  mse(config)
  config.batch_size = 4
  config.model.channel_base = 64
  config.model.channel_max = 8
  config.model.z_dim = config.model.w_dim = 8
  config.model.mapping_layers = 2
  config.model.group_size = 4
  config.model.decoder_size = 8
  config.model.rebuild_size = 8 if 'match' in config.routes.discriminate else 4


VARIANTS = base.variants(glead, glead_star, ggdr, stylegan2, plain_r1, mse, float32, tiny)
