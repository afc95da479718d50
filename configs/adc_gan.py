"""ADC-GAN: Auxiliary Discriminative Classifier GANs (Hou et al., ICML 2022, arXiv 2107.10060).

  python main.py --config=configs/adc_gan.py:labelled_cifar10
  python main.py --config=configs/adc_gan.py:labelled_cifar10,hinged     # classes by a hinge, too
  python main.py --config=configs/adc_gan.py:labelled_digits             # 8 px, a minute
  python main.py --config=configs/adc_gan.py:overlapping3                # points

The classifier has 2 K classes, real and fake ones of each; the generator raises the real logit of its
class against the fake one: -1 in the row classify_fake, so that the softmax's denominator cancels.

Differs from the official code (liang-hou/adcgan): SNGAN's networks for BigGAN's; class heads have
biases; labels of fakes are the real rows'; averages of weights start at once (there at 1,000).

Measured: `python benchmarks/conditioning.py spread --seeds=5`, with a first beta of 0.5 as all of
them have there: three overlapping classes of standard deviations 1, 2, 3; made of 0.98 to 1.01,
1.91 to 2.07 and 2.86 to 3.22, at a mean W1 of 0.11 (0.08 to 0.16) from the classes, where AC-GAN is
at 1.39 and projection at 0.18.

Expected: spreads of overlapping classes as in the data. Paper, CIFAR-10: FID 5.66 (from memory).
"""

from configs import base, studiogan


def get_config(words=''):
  config = studiogan.get_config()
  studiogan.adc(config)
  config.batch_size = 50  # launch_cifar10_adcgan.sh, as the numbers below
  config.every.generate = 4
  config.num_steps = 1_000_000  # 1,000 epochs
  config.optimizer.b1 = 0.0
  config.optimizer.eps = 1e-8
  config.copies.generator = {'halflife_kimg': 346.5}  # 0.9999 an update
  return base.apply(config, words, VARIANTS, studiogan.ADJUST)


def hinged(config):
  """--hinge: the multi-class hinge in place of cross-entropy."""
  config.losses.classify = 'class_hinge'


VARIANTS = base.variants(hinged) | studiogan.SHARED
