"""NICE-GAN on vangogh2photo: paintings by van Gogh (a) and landscape photographs (b), 256 px.

  python main.py --config=configs/vangogh2photo.py

Data: the CycleGAN set, by tensorflow-datasets. The first run prepares it, which takes the extra `tf`
(pip install -e .[tf]) and either internet or vangogh2photo.zip in <data_dir>/downloads/manual, where
<data_dir> is config.data.path (~/tensorflow_datasets if it is empty). Without tfds: unpack the zip
and say --config.data.source=folder --config.data.path=<folder with trainA, trainB, testA, testB>.
400 and 6,287 images to train, 400 and 751 to test.

Expected (paper, FID / KID x 100 against the test images):
                a_to_b (van Gogh to photo)   b_to_a (photo to van Gogh)
  NICE-GAN             112.00 / 2.79               122.27 / 3.71
  NICE-GAN* :star      117.81 / 3.61               122.59 / 3.53

Cost: 16.2 M parameters in the generators and 93.7 M in the discriminators, 68 + 12 GMAC for one pass
of each; the paper's numbers are after about 100,000 steps of one image of each domain.
"""

from configs import nice


def get_config(variant=''):
  config = nice.get_config(variant)
  config.data.source = 'tfds:cycle_gan/vangogh2photo'
  return config
