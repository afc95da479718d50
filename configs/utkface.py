"""ED//GAN on UTKFace: faces at another age or of another gender, 128 px, as published.

  python main.py --config=configs/utkface.py --config.data.path=data/UTKFace

Data: the aligned and cropped faces of UTKFace (https://susanqq.github.io/UTKFace, non-commercial
research only), named age_gender_race_date...jpg, in one folder. The official code takes at most 5,000
of them; here all are taken, and one in ten, chosen by name, is for testing.

Cost: 50 epochs of 5,000 faces at batch 25 are 10,000 steps; 96 million parameters in all. Expected:
the authors publish no number for it; look at the grids, whose columns are ages and genders.
"""

from configs import base, edgan

AGES = ('0-5', '6-10', '11-15', '16-20', '21-30', '31-40', '41-50', '51-60', '61-70', '71+')


def get_config(words=''):
  config = edgan.get_config('encoder', 'decoder')
  config.method = 'edgan_labelled'
  config.data.source = 'utkface'
  config.data.path = 'data/UTKFace'
  config.data.augment = False
  config.data.stretch = True
  config.attributes.age = AGES
  config.attributes.gender = ('male', 'female')
  config.image_size = 128
  config.batch_size = 25
  config.num_steps = 10_000
  config.model.code_size = 50
  config.model.he_init = False  # of encoder and decoder; for networks much narrower than these
  config.play = ('reconstruct', 'judge', 'refine', 'refine')
  config.routes.judge.latent = {'latent_discriminator': 1.0}
  return base.apply(config, words, VARIANTS)


def tiny(config):
  edgan.tiny(config)
  config.model.code_size = 6


def classified(config):
  """Not in the paper: a classifier of the attributes, whose loss also trains the residual."""
  config.losses.classify = 'cross_entropy'  # or another of decoupled_gan/losses/classification
  config.routes.judge.classify = {'classifier': 1.0}
  config.routes.refine.classify = {'residual': 1.0}


VARIANTS = edgan.VARIANTS | base.variants(classified, tiny)
