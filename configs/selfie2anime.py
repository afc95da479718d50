"""NICE-GAN on selfie2anime: portraits (a) to anime faces (b), 256 px.

  python main.py --config=configs/selfie2anime.py --config.data.path=data/selfie2anime

Data: 3,400 training and 100 test images a domain, published with U-GAT-IT (Kim et al., ICLR 2020);
see the README of taki0112/UGATIT. Unpacked into data/selfie2anime/{trainA,trainB,testA,testB}.

Expected: the paper has no number for it; use cat2dog for one to compare with.

Cost: 16.2 M parameters in the generators and 93.7 M in the discriminators, 68 + 12 GMAC for one pass
of each; the paper's numbers are after about 100,000 steps of one image of each domain.
"""

from configs import nice


def get_config(variant=''):
  config = nice.get_config(variant)
  config.data.source = 'folder'
  config.data.path = 'data/selfie2anime'
  return config
