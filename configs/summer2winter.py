"""NICE-GAN on summer2winter_yosemite: summers (a) and winters (b) of Yosemite, 256 px.

  python main.py --config=configs/summer2winter.py

Data: the CycleGAN set, by tensorflow-datasets. The first run prepares it, which takes the extra `tf`
(pip install -e .[tf]) and either internet or summer2winter_yosemite.zip in
<data_dir>/downloads/manual, where <data_dir> is config.data.path (~/tensorflow_datasets if it is
empty). Without tfds: unpack the zip and say --config.data.source=folder
--config.data.path=<folder with trainA, trainB, testA, testB>.
1,231 and 962 images to train, 309 and 238 to test.

Expected (paper, FID / KID x 100 against the test images):
                a_to_b (summer to winter)   b_to_a (winter to summer)
  NICE-GAN              76.03 / 0.67                76.44 / 1.22
  NICE-GAN* :star       77.13 / 0.73                79.02 / 1.35

Cost: 16.2 M parameters in the generators and 93.7 M in the discriminators, 68 + 12 GMAC for one pass
of each; the paper's numbers are after about 100,000 steps of one image of each domain.
"""

from configs import nice


def get_config(variant=''):
  config = nice.get_config(variant)
  config.data.source = 'tfds:cycle_gan/summer2winter_yosemite'
  return config
