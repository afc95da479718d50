"""NICE-GAN on cat2dog: cats (a) and dogs (b), 256 px.

  python main.py --config=configs/cat2dog.py --config.data.path=data/cat2dog

Data: 771 cats and 1,264 dogs to train, 100 and 100 to test, published with DRIT (Lee et al., ECCV
2018): cat2dog.zip, linked in the README of HsinYingLee/DRIT. Unpacked into
data/cat2dog/{trainA,trainB,testA,testB}.

Expected (paper, FID / KID x 100 against the 100 test images):
                a_to_b (cat to dog)   b_to_a (dog to cat)
  NICE-GAN            44.67 / 1.20          48.79 / 1.58
  NICE-GAN* :star     55.72 / 1.89          51.98 / 1.50
  :no_attention       51.49 / 1.68          63.80 / 3.27
  :no_c2             238.62 / 21.41        203.56 / 15.27

Cost: 16.2 M parameters in the generators and 93.7 M in the discriminators, 68 + 12 GMAC for one pass
of each; the paper's numbers are after about 100,000 steps of one image of each domain.
"""

from configs import nice


def get_config(variant=''):
  config = nice.get_config(variant)
  config.data.source = 'folder'
  config.data.path = 'data/cat2dog'
  return config
