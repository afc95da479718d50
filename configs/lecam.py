"""LeCam regularisation (Tseng et al., CVPR 2021, arXiv 2104.03310), for little data.

  python main.py --config=configs/lecam.py:cifar10 --config.data.limit=5000
  python main.py --config=configs/lecam.py:digits --config.data.limit=100

Weight 0.3 and hinge: the official scripts of CIFAR-10 (google/lecam-gan: biggan_cifar). `data.limit`
makes data scarce. The networks are DCGAN's rather than BigGAN's.

Expected: nothing measured yet.
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
