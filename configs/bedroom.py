"""GLeaD on LSUN bedroom, 256 px.

  python main.py --config=configs/bedroom.py --config.data.path=data/bedroom
  python main.py --config=configs/bedroom.py:glead_star ...     # or ggdr, stylegan2

Data: the training images of LSUN bedroom, cropped to their centre and resized to 256 px, in a folder of
any depth; other sizes are cropped and resized when read.

Expected: FID 2.55 (glead), 2.72 (glead_star), 3.71 (ggdr), 4.30 (stylegan2) in the paper's table,
against the first 50,000 reals: not to be compared with those of church and ffhq, which are against all.

Cost: 24.8 M parameters in the generator, 25.8 M in the discriminator; 50 million images on 8 GPUs in the
paper. Here the same global batch of 64 on however many devices. Not run by us.
"""

from configs import glead


def get_config(variant=''):
  config = glead.get_config(variant)
  config.data.source = 'folder'
  config.data.path = 'data/bedroom'
  return config
