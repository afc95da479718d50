"""GLeaD on FFHQ, 256 px: mirrored, taken up by the generator at 64 px.

  python main.py --config=configs/ffhq.py --config.data.path=data/ffhq
  python main.py --config=configs/ffhq.py:glead_star ...        # or ggdr, stylegan2

Data: the 70,000 aligned faces of FFHQ (Karras et al., CVPR 2019) at 256 px, in a folder of any depth;
other sizes are resized when read.

Expected: FID 3.24 (glead), 2.90 (glead_star), 3.25 (ggdr), 3.79 (stylegan2) in the paper's table,
against all reals.

Cost: 24.8 M parameters in the generator, 25.8 M in the discriminator; 25 million images on 8 GPUs in the
paper. Here the same global batch of 64 on however many devices. Not run by us.
"""

from configs import glead


def get_config(variant=''):
  config = glead.get_config(variant)
  config.data.source = 'folder'
  config.data.path = 'data/ffhq'
  config.data.mirror = True
  config.num_steps = 390_625  # 25 million images
  config.model.rebuild_size = 64
  return config
