"""LeCam regularisation (Tseng et al., CVPR 2021, arXiv 2104.03310), for little data.

  python main.py --config=configs/lecam.py:cifar10 --config.data.limit=5000
  python main.py --config=configs/lecam.py:digits --config.data.limit=100

Weight 0.3 and hinge: the official scripts of CIFAR-10 (google/lecam-gan: biggan_cifar). `data.limit`
makes data scarce. The networks are DCGAN's rather than BigGAN's.

Measured: KID of features of a digit classifier (benchmarks/gan_digits.py little: 100 digits of 8
px, 3 seeds, mean and range): hinge 0.320 (0.232 to 0.365), with LeCam 0.250 (0.194 to 0.306); the
mean output on the 100 falls from 2.0 to 0.6, on held-out digits it rises from -6.2 to -1.6. On a
ring of 8, where data is endless, no effect shows: 0.94 (0.90 to 0.96) of the points within three
deviations, 0.94 without (benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100, 5 seeds).
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'hinge'
  config.routes.discriminate.lecam = {'discriminator': 0.3}
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 64
  return base.apply(config, words, VARIANTS, gan.ADJUST)


VARIANTS = gan.SHARED
