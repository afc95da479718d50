"""Council-GAN (Nizan and Tal, CVPR 2020, arXiv 1911.10538), 128 px; one direction.

  python main.py --config=configs/council.py:selfie2anime --config.data.direction=b_to_a
  python main.py --config=configs/council.py --config.data.source=folder --config.data.path=people
  python main.py --config=configs/council.py:inverted_digits       # minutes on a CPU

Data: any two folders of images; a run translates a to b, or b to a with --config.data.direction=b_to_a.
The starting point has the weights of the official anime2face; `glasses` and `male2female` are the
other two published settings. `translate` lets one member speak, `--config.model.speaker=2` another.

Where we differ: see methods/translate/council.py. Augmentation is NICE-GAN's without its grey images.

Expected: the paper's figures were not found.

Measured: not what the paper promises, on digits of 8 px and in 500 steps. With the council its two
members differ by 0.446, 0.649 and 0.413 (seeds 0, 1, 2), without by 0.526, 0.618 and 0.673: less by 17 %
in the mean and more in one seed; a third was hoped for. The digit is kept by 0.08, 0.10 and 0.09 of the
translations with, and 0.09 of them without, which is chance. In the pictures of seed 0 a member makes
nearly the same image of every digit, in both. `python benchmarks/council.py --seeds=0,1,2`.

Cost: each of the four members has 14.6 M parameters in its generator, 5.5 M in its discriminator and
6.0 M in its councillor.
"""

from configs import base


def get_config(words=''):
  """The official code's setting, anime2face_council_folder.yaml."""
  config = base.get_config()
  config.method = 'council'
  config.image_size = 128
  config.batch_size = 3
  config.num_steps = 1_500_000

  config.model.members = 4  # council_size
  config.model.width = 64
  config.model.blocks = 5
  config.model.style_size = 64
  config.model.hidden = 256  # of the MLP
  config.model.masks = 3  # num_of_mask_dim_to_add
  config.model.d_width = 64
  config.model.d_layers = 4
  config.model.scales = 2
  config.model.comparisons = 4  # numberOfCouncil_dis_relative_iteration
  config.model.speaker = 0
  config.model.style_seed = 0
  config.losses.less = 0.7  # discriminetro_less_style_by
  config.losses.focus_start = 2000

  config.optimizer.weight_decay = 1e-4
  config.anneal.optimizer = {'learning_rate': (0.5, 100_000, 'steps')}  # halved after each 100,000

  weighted(config, adversarial=26.0, council=6.0, start=1000, judge=1.0)
  return base.apply(config, words, VARIANTS, {'inverted_digits': eight_px})


def weighted(config, adversarial, council, start, judge=None):
  """gan_w, council_w and council_start_at_iter; the code has the domain's discriminator at 1 for b2a."""
  config.routes.discriminate = {'adversarial': {'discriminator': judge or adversarial}}
  config.routes.convene = {'council': {'councillor': council}}
  config.routes.translate = {
    'adversarial': {'generator': adversarial}, 'council': {'generator': council}
  }  # fmt: skip
  config.window.convene = (start, 0)


def focused(config, total, binary, edges, start):
  """mask_total_w, mask_zero_or_one_w, mask_tv_w and focus_loss_start_at_iter."""
  weights = {'mask_total': total, 'mask_binary': binary, 'mask_edges': edges}
  for loss, weight in weights.items():
    if weight:
      config.routes.translate[loss] = {'generator': weight}
  config.losses.focus_start = start


def glasses(config):
  """Glasses are taken off: small masks. 128 px."""
  weighted(config, 24.0, 12.0, 10_000)
  focused(config, 57.0, 10.0, 2.2, 15_000)


def male2female(config):
  """256 px."""
  config.image_size = 256
  weighted(config, 24.0, 4.0, 10_000)
  focused(config, 0.5, 0.5, 0.0, 50_000)
  config.losses.less = 0.71


def alone(config):
  """Without a council: as many translators that know nothing of each other."""
  config.routes.convene = {}
  del config.routes.translate.council


def eight_px(config):
  """Two members for digits of 8 px; the council begins at once."""
  config.batch_size = 32
  config.num_steps = 500
  config.model.members = 2
  config.model.width = config.model.d_width = 8
  config.model.blocks = 1
  config.model.style_size = 4
  config.model.hidden = 32
  config.model.d_layers = 2
  config.model.comparisons = 2
  config.window.convene = (0, 0)
  config.optimizer.learning_rate = 1e-3
  config.sample_every_steps = config.checkpoint_every_steps = 250


def tiny(config):
  base.tiny(config, 16)
  config.model.members = 2
  config.model.width = config.model.d_width = 2
  config.model.blocks = 1
  config.model.style_size = config.model.hidden = 3
  config.model.masks = 2
  config.model.d_layers = 2
  config.window.convene = (1, 0)
  config.losses.focus_start = 0


VARIANTS = base.variants(glasses, male2female, alone, tiny)
