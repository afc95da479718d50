"""BiGAN: Adversarial Feature Learning (Donahue et al., ICLR 2017, arXiv 1605.09782), in perceptrons.

  python main.py --config=configs/bigan.py:mnist               # their permutation-invariant MNIST, 32 px
  python main.py --config=configs/bigan.py:digits              # 8 px, a minute
  python main.py --mode=reconstruct --workdir=runs/bigan-digits --input=photos --output=out

Differs from the official code: 32 px in place of 28; the rate falls in a line over the second half,
where theirs falls exponentially to a hundredth. Their ImageNet networks are not here.

Expected (official log, MNIST): joint 0.69 at first, 0.18 at epoch 200, 0.05 at 400; swapped 0.69, 2.87,
3.83; 1-NN accuracy of E(x) 92.1 %.

Measured: `python benchmarks/encoders.py`, :digits, 4,000 steps, seeds 0, 1, 2: reconstructions are 0.63,
0.68, 0.64 of the distance to a shuffled digit, so that the encoder inverts; a linear probe of E(x),
standardised, is right in 0.875, 0.827, 0.830 of the test digits, and in 0.825, 0.889, 0.838 before any
training: on 8 px digits random features are as good.
"""

from configs import base

EPOCH = 469  # steps, of MNIST


def get_config(words=''):
  config = base.get_config()
  config.method = 'bigan'
  config.image_size = 32
  config.image_channels = 1
  config.batch_size = 128
  config.num_steps = 400 * EPOCH
  config.model.width = 1024
  config.model.z_dim = 50
  config.model.prior = 'uniform'  # or normal
  config.optimizer.learning_rate = 2e-4
  config.optimizer.weight_decay = 2.5e-5  # in the gradient
  config.optimizer.decay_start_step = 200 * EPOCH
  config.data.augment = False
  config.sample_count = 8
  config.evaluation.protocol = 'stylegan'
  config.routes.contest = {
    'joint': {'discriminator': 1.0},
    'swapped': {'encoder': 1.0, 'generator': 1.0},
  }
  return base.apply(config, words, VARIANTS, ADJUST)


def digits(config):
  """Of our runs in torch: two minutes."""
  config.model.width = 256
  config.model.z_dim = 16
  config.batch_size = 64
  config.num_steps = 4000
  config.optimizer.decay_start_step = -1


def tiny(config):
  base.tiny(config, 8)
  config.model.width = 8
  config.model.z_dim = 4


VARIANTS = base.variants(tiny)
ADJUST = {'digits': digits, 'labelled_digits': digits}
