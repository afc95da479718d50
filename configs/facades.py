"""ED//GAN on CMP facades: photographs from label maps, 256 px, as published.

  python main.py --config=configs/facades.py --config.data.path=data/facades

Data: the facades of pix2pix: train/, val/ and test/ with pictures of 512x256 px, the photograph on
the left (a), the label map on the right (b); 400 to train. data.direction=a_to_b makes label maps.

Cost: 200 epochs of 400 pairs at batch 1 are 80,000 steps; 175 million parameters. Expected: the
authors publish no number for it; --mode=evaluate scores test pairs by PSNR.

Variants: coupled (ED+GAN), official (the U-Nets' innermost layer normalised, and so dead).
"""

from configs import base, edgan


def get_config(words=''):
  config = edgan.get_config('generator')
  config.method = 'edgan_aligned'
  config.data.source = 'folder'
  config.data.path = 'data/facades'
  config.data.direction = 'b_to_a'
  config.data.stretch = True
  config.image_size = 256
  config.batch_size = 1
  config.num_steps = 80_000
  config.model.norm_innermost = False
  return base.apply(config, words, VARIANTS)


def official(config):
  """The U-Nets' innermost layer is normalised, as in the official code: at 1x1 px it is then dead."""
  config.model.norm_innermost = True


VARIANTS = edgan.VARIANTS | {'official': official}
