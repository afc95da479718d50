"""NICE-GAN on horse2zebra: horses (a) and zebras (b), 256 px.

  python main.py --config=configs/horse2zebra.py

Data: the CycleGAN set, by tensorflow-datasets. The first run prepares it, which takes the extra `tf`
(pip install -e .[tf]) and either internet or horse2zebra.zip in <data_dir>/downloads/manual, where
<data_dir> is config.data.path (~/tensorflow_datasets if it is empty). Without tfds: unpack the zip
and say --config.data.source=folder --config.data.path=<folder with trainA, trainB, testA, testB>.
1,067 and 1,334 images to train, 120 and 140 to test.

Expected (paper, FID / KID x 100 against the test images):
                a_to_b (horse to zebra)   b_to_a (zebra to horse)
  NICE-GAN              65.93 / 2.09             149.48 / 4.29
  NICE-GAN* :star       84.89 / 3.29             150.57 / 4.43

Cost: 16.2 M parameters in the generators and 93.7 M in the discriminators, 68 + 12 GMAC for one pass
of each; the paper's numbers are after about 100,000 steps of one image of each domain.
"""

from configs import nice


def get_config(variant=''):
  config = nice.get_config(variant)
  config.data.source = 'tfds:cycle_gan/horse2zebra'
  return config
