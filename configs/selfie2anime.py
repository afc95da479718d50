"""NICE-GAN on selfie2anime: portraits (a) to anime faces (b), 256 px.

  python main.py --config=configs/selfie2anime.py --config.data.path=data/selfie2anime

Data: 3,400 training and 100 test images a domain, published with U-GAT-IT (Kim et al., ICLR 2020);
see the README of taki0112/UGATIT. Unpacked into data/selfie2anime/{trainA,trainB,testA,testB}.

Expected: the paper has no number for it; use nice:cat2dog for one to compare with. Cost: see nice.py.
"""

from configs import nice


def get_config(words=''):
  return nice.get_config(f'selfie2anime,{words}')


VARIANTS = nice.VARIANTS
