"""GLO: Optimizing the Latent Space of Generative Networks (Bojanowski et al., ICML 2018).

arXiv 1707.05776.

  python main.py --config=configs/glo.py:mnist              # 32 px, the third party's constants
  python main.py --config=configs/glo.py:digits             # 8 px, a minute
  python main.py --config=configs/glo.py:digits,fifty       # fifty images: learned by heart
  python main.py --mode=recover --workdir=runs/glo-digits-fifty --images=40

No discriminator: a generator, and a code for each training image in the unit ball. The row is the
Laplacian pyramid's distance; `mse` has squared differences instead. model.examples says how many images
there are.

Differs from the paper: codes start as N(0, 1) in the ball, not at principal components; rates, batch,
latents' size and the pyramid's three levels are tneumann/minimal_glo's, with a binomial kernel.

Measured: configs/glo.py:digits,fifty, `python main.py`, one seed: mse 9.0e-05 after 2,000 steps (46 dB).
Recovery (`--mode=recover`, sampling/recovery.py) finds training images and not held-out ones: gap 0.999.

Expected: fifty digits are learned by heart, at a PSNR above 35 dB.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.method = 'glo'
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 64
  config.model.z_dim = 128
  config.model.examples = 60_000  # codes; MNIST's
  config.batch_size = 128
  config.num_steps = 11_719  # 25 epochs of MNIST
  config.data.index = True
  config.events.count = 10**9  # at the beginning: are there as many codes as examples?
  config.optimizer.name = 'sgd'
  config.optimizer.learning_rate = 1.0
  config.optimizer_of.latents = {'learning_rate': 10.0, 'sparse_rows': True, 'unit_ball': True}
  del config.routes.discriminate, config.routes.generate, config.routes.regularise
  config.routes.reconstruct = {'laplacian': {'generator': 1.0, 'latents': 1.0}}
  return base.apply(config, words, VARIANTS, ADJUST)


def mse(config):
  """Squared differences."""
  base.instead(config.routes.reconstruct, 'laplacian', 'mse')


def digits(config):
  """Perceptrons, and Adam with the rates of our runs in torch; squared differences."""
  gan.dense(config)
  config.model.z_dim = 16
  config.model.depth = 2
  config.model.examples = 1438
  config.num_steps = 3000
  config.optimizer.name = 'adam'
  config.optimizer.learning_rate = 1e-3
  config.optimizer.b1, config.optimizer.b2 = 0.9, 0.999
  config.optimizer_of.latents.learning_rate = 1e-2
  mse(config)


def fifty(config):
  """The first fifty training images only."""
  config.data.limit = config.model.examples = config.batch_size = 50
  config.num_steps = 2000


def tiny(config):
  gan.tiny(config)
  config.model.backbone = 'mlp'
  config.model.norm_generator = 'none'
  config.model.examples = 16  # what the fake data have
  config.optimizer.learning_rate = 0.1


VARIANTS = base.variants(mse, fifty, tiny)
ADJUST = {'digits': digits}
