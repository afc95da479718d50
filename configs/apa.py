"""APA: Deceive D, Adaptive Pseudo Augmentation (Jiang et al., NeurIPS 2021, arXiv 2111.06849), 256 px.

  python main.py --config=configs/apa.py:ffhq --config.data.limit=5000
  python main.py --config=configs/apa.py:ffhq,with_ada            # as most published numbers are
  python main.py --config=configs/few_digits.py:apa

With probability p a real image is replaced by a generated one that counts as real, in `discriminate` and
in R1's phase; p follows the mean sign of D on that mixture as ADA's does.

Differs from the official code: the fakes that stand in are drawn afresh (there: those of the last
`generate`), which differs in the noise only and costs a pass of the generator.

Expected (README, with ADA): FFHQ 5k FID 13.2, AFHQ-Cat 4.9, FFHQ 70k 3.7; not run by us at this size.

Cost: one pass of the generator more in `discriminate` and `regularise`.

Measured: `python benchmarks/little_data.py`, 200 digits of 8 px (configs/few_digits.py), perceptrons,
6,000 steps, three seeds: FD of a digit classifier 33.9 (32.9 to 35.0) without, 31.0 (28.3 to 33.2) with
APA. At the published size nothing.
"""

from configs import base, glead, stylegan2_ada


def get_config(words=''):
  config = stylegan2_ada.get_config()
  config.augment.pipeline = ''
  config.augment.pseudo = True
  return base.apply(config, words, VARIANTS)


def with_ada(config):
  """ADA on top (--with-dataaug), of one strength with it."""
  config.augment.pipeline = 'ada'


def tiny(config):
  glead.tiny(config)
  config.augment.kimg = 0.1


VARIANTS = base.variants(with_ada, tiny)
