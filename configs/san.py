"""SAN (Takida et al., ICLR 2024, arXiv 2301.12811): the last layer is a direction with its own loss.

  python main.py --config=configs/san.py:mnist                 # 32 px; digits at 8 px: :digits
  python main.py --config=configs/san.py:ring8,plain           # the GAN that it is made of

The paper's two stop-gradients are two rows of the table, and nothing else:

  discriminate  adversarial   discriminator   the base loss trains the features, not the direction
  discriminate  direction     direction       the Wasserstein loss trains the direction, not the features

The direction is a part of the discriminator, kept at length 1 by its optimizer. Any base loss will do;
for others than hinge the official codes change the direction's loss too, which is not done here.

Differs from simple-san: scale and bias beside the direction, as StyleSAN-XL and bigvsan have them; no
spectral norm; 32 px rather than 28; no classes.

Measured: benchmarks/gan_modes.py --data=ring8 --steps=3000 --batch=100, 5 seeds. SAN: 8.0 modes of
8, 0.88 (0.78 to 0.93) of the points within three deviations, KL 0.002. Plain hinge: 8.0 modes of 8,
0.94 (0.93 to 0.96) of the points within three deviations, KL 0.002. SAN does not beat hinge on the
ring.
"""

from configs import base, gan


def get_config(words=''):
  config = gan.get_config()
  config.losses.adversarial = 'hinge'
  config.model.head = 'direction'
  config.parts.direction = 'discriminator/head/direction'
  config.routes.discriminate.direction = {'direction': 1.0}
  config.optimizer_of.direction = {'unit_norm': True}
  config.model.backbone = 'dcgan'
  config.model.norm_generator = 'batch'
  config.model.width = 128
  config.model.z_dim = 100
  config.batch_size = 128
  config.num_steps = 94_000  # 200 epochs of MNIST
  config.optimizer.b2 = 0.99
  return base.apply(config, words, VARIANTS, gan.ADJUST)


def plain(config):
  """Two cells otherwise: the same networks as a plain GAN."""
  del config.routes.discriminate.direction
  config.routes.discriminate.adversarial.direction = 1.0
  config.optimizer_of.direction.unit_norm = False


VARIANTS = base.variants(plain) | gan.SHARED
