"""Dual-encoder BiGAN: anomalies are what it cannot give back (Budianto et al., 2020, arXiv 2012.11834).

  python main.py --config=configs/dual_bigan.py:labelled_digits                     # zeros are normal
  python main.py --config=configs/dual_bigan.py:labelled_digits --config.data.normal=3,5
  python main.py --mode=evaluate --workdir=runs/dual_bigan-labelled_digits --metrics=anomaly_auc
  python main.py --mode=reconstruct --workdir=runs/dual_bigan-labelled_digits --input=photos --output=out
  python benchmarks/anomalies.py --seeds=0

The first trains on one class and tests on all; of a plain folder of normal images everything is trained
on. The last writes a score for each image, anomalies.csv in the workdir. `one_encoder` is the BiGAN
alone, scored as EGBAD does (Zenati et al., 2018); `latent` scores by both encoders' codes.

Differs from the paper: the second encoder's input and loss, all weights and networks are ours, see
methods/encode/dual_bigan.py; of the paper's results nothing can be compared.

Measured: benchmarks/anomalies.py --seeds=0, stopped after four classes (0, 1, 2, 3 normal in turn), one
seed: area under the ROC curve over the test digits 1.000, 0.993, 0.996, 0.993; of `one_encoder` 0.999,
0.707, 0.907, 0.916. So what holds reconstructions to their images is what tells. The distance to the
nearest training image has 1.000, 0.998, 1.000, 0.999 and is not beaten: digits of 8 px are too easy.

Expected: an anomaly scores higher than a normal digit more often than not.
"""

from configs import base, bigan


def get_config(words=''):
  config = bigan.get_config()
  config.method = 'dual_bigan'
  config.model.score_share = 0.9  # EGBAD's 1 - w
  config.model.score_extra = 'feature'  # or latent
  config.optimizer.weight_decay = 0.0
  config.routes.contest.cycle = {'encoder': 1.0, 'generator': 1.0}
  config.routes.contest.latent = {'encoder': 1.0, 'generator': 1.0, 're_encoder': 1.0}
  return base.apply(config, words, VARIANTS, ADJUST)


def one_encoder(config):
  """BiGAN's game alone."""
  del config.routes.contest.cycle, config.routes.contest.latent


def latent(config):
  """Beside the distance of images that of their codes."""
  config.model.score_extra = 'latent'


def labelled_digits(config):
  """Networks as of BiGAN's digits, and fewer steps, as there are 144 images of a class."""
  bigan.digits(config)
  config.num_steps = 1500
  config.data.normal = '0'


VARIANTS = base.variants(one_encoder, latent) | base.variants(bigan.tiny)
ADJUST = {'labelled_digits': labelled_digits}
