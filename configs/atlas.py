"""NICE-GAN between two maps of the Earth, 128 px: the translator that docs/demo shows, hours on a CPU.

  python main.py --config=configs/atlas.py --workdir=runs/atlas

Data: ETOPO1 (a: heights and depths in colours) and shaded relief (b), as in the quickstart, in tiles
of 128 px: 273 and 303 of different places to train, 76 of the Americas to test, with their truth.
Why this pair: heights determine the relief, so that a translation can be right and is scored, and
anybody can paint a map of heights to try it.

Not the paper's setting: narrow networks, 128 px, the identity loss, averaged generators. One image of
each domain a step, the rate and its decay from the half are the paper's shape.

Measured: `python main.py evaluate --workdir=runs/atlas --metrics=mae,psnr,ssim`, seed 0, held-out tiles:
heights to relief 0.0811, 19.85 dB (mean and variance matched: 0.0905, 19.32 dB), back 0.1646, 13.66 dB
(the input as it is: 0.1753, 13.43 dB); after 6,000 steps 0.0782 and 0.1653. Sharper than the pictures of
the quickstart and hardly nearer to the truth, for it learns from unpaired maps which height is which
colour: plains in sand become hills, and the highest mountains plains. By SSIM (0.56) matched means and
variances are ahead (0.63).

Cost: 0.8 s a step on one core, two hours for all; 1.6 M parameters in the generators.
"""

from configs import base, quickstart


def get_config(words=''):
  config = quickstart.get_config()
  config.image_size = config.data.tile_size = 128
  config.batch_size = 1
  config.num_steps = 9000
  config.model.width = 24
  config.sample_every_steps = 2000
  config.checkpoint_every_steps = 1000
  return base.apply(config, words, VARIANTS)


VARIANTS = quickstart.VARIANTS
