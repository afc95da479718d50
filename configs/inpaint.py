"""Free-form inpainting with gated convolutions and SN-PatchGAN (Yu et al., ICCV 2019, arXiv 1806.03589).

  python main.py --config=configs/inpaint.py --config.data.path=photos --workdir=runs/filled
  python main.py --config=configs/inpaint.py:small --workdir=runs/inpaint    # minutes on a CPU
  python main.py --mode=inpaint --workdir=runs/filled --input=a.jpg --mask=hole.png --output=b.png

Data: a folder of photographs, larger than 256 px; windows of 256 px are taken at their own scale. Holes
are drawn, see networks/translate/holes.py. `inpaint` takes images of any size, and masks of the same
size that are white where the hole is; `evaluate --metrics=mae,psnr` completes test images under one
hole.

Where we differ: see methods/translate/inpaint.py. How long the authors trained is not published in their
configuration (it runs until it is stopped); num_steps is our choice.

Expected (paper, Places2 validation, free-form holes): mean l1 error 9.1 %, l2 error 1.6 %.

Measured: `python benchmarks/inpainting.py`, :small, 64 test tiles under one hole each, PSNR inside
the hole, where the mean colour of what is around it has 16.95 dB. After 2,000 steps, seed 0: 18.36
dB with gates, 19.54 without (:plain, as many parameters); after 400, seeds 0 and 1: 15.95 and 16.62
with, 17.57 and 18.29 without. What gates gain does not show here: without them it is better at
once. The first layer's gates learn where the hole is all the same: 0.46 inside of it, 0.54 outside
(after 400 steps no difference).

Cost: 4.1 M parameters in the generator, 5.9 M in the discriminator.
"""

from configs import base


def get_config(words=''):
  """The official code's setting, inpaint.yml."""
  config = base.get_config()
  config.method = 'inpaint'
  config.batch_size = 16
  config.num_steps = 1_000_000

  config.data.source = 'folder'
  config.data.fit = 'crop'
  config.model.width = 48  # cnum; half of a convolution's outputs are gates
  config.model.gates = True
  config.model.d_width = 64
  config.losses.adversarial = 'hinge'

  config.routes.discriminate = {'adversarial': {'discriminator': 0.5}}  # the code's hinge loss is halved
  config.routes.complete = {'l1': {'generator': 1.0}, 'adversarial': {'generator': 1.0}}
  return base.apply(config, words, VARIANTS)


def plain(config):
  """Without gates, as many parameters: each convolution has half of the outputs of a wider network."""
  config.model.gates = False
  config.model.width = config.model.width * 68 // 48 // 2 * 2


def small(config):
  """64 px of the built-in satellite pictures, minutes of two cores."""
  base.apply(config, 'satellite', {})
  config.image_size = 64
  config.batch_size = 4
  config.num_steps = 2000
  config.model.width = config.model.d_width = 16
  config.optimizer.learning_rate = 5e-4
  config.checkpoint_every_steps = config.sample_every_steps = 500


def tiny(config):
  base.tiny(config, 32)
  config.model.width = config.model.d_width = 4


VARIANTS = base.variants(plain, small, tiny)
