"""GLeaD on LSUN church outdoor, 256 px.

  python main.py --config=configs/church.py --config.data.path=data/church
  python main.py --config=configs/church.py:glead_star ...      # or ggdr, stylegan2

Data: the training images of LSUN church outdoor, cropped to their centre and resized to 256 px, in a
folder of any depth; other sizes are cropped and resized when read.

Expected: FID 2.82 (glead), 2.15 (glead_star), 2.81 (ggdr), 4.04 (stylegan2) in the paper's table,
against all reals.

Cost: 24.8 M parameters in the generator, 25.8 M in the discriminator; 50 million images on 8 GPUs in the
paper. Here the same global batch of 64 on however many devices. Not run by us.
"""

from configs import glead


def get_config(variant=''):
  config = glead.get_config(variant)
  config.data.source = 'folder'
  config.data.path = 'data/church'
  return config
