"""ED//GAN for pairs of images, the form that its authors built on pix2pix (see edgan.py).

  generator       U-Net, input -> reconstruction of the target; trained by l1 only
  residual        another U-Net on the same input, with nothing shared
  discriminator   sees the input beside the image

pix2pix itself (Isola et al., CVPR 2017) is the coupled baseline with l1 weighted by 100.
"""

from collections import OrderedDict
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Aligned, Array, square_size
from decoupled_gan.methods.translate import edgan
from decoupled_gan.networks.edgan import PairJudge, UNet, check_size


class AlignedEDGAN(edgan.Decoupled, nn.Module):
  """Attributes: see networks/edgan.py and edgan.py."""

  channels: int = 3
  width: int = 64
  norm_innermost: bool = False
  has_residual: bool = True
  dtype: Any = jnp.float32

  def setup(self):
    self.generator = UNet(self.channels, self.width, self.norm_innermost, self.dtype)
    if self.has_residual:
      self.residual = UNet(self.channels, self.width, self.norm_innermost, self.dtype)
    self.discriminator = PairJudge(self.width, self.dtype)

  def __call__(self, batch: Aligned):
    """Calls every network once: what `init` runs."""
    return self.judge(batch, self.generate(batch))

  def truth(self, batch: Aligned) -> Array:
    return batch.target

  def rebuild(self, batch: Aligned) -> tuple[Array, Array]:
    return self.generator(batch.input), batch.input

  def correct(self, batch: Aligned, code: Array) -> Array:
    return self.residual(code)

  def judge(self, batch: Aligned, images: Array) -> Array:
    return self.discriminator(batch.input, images)


def build(config: ConfigDict) -> AlignedEDGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  check_size(square_size(config), 16)
  return AlignedEDGAN(
    channels=config.image_channels,
    width=config.model.width,
    norm_innermost=config.model.norm_innermost,
    dtype=jnp.dtype(config.compute_dtype),
    has_residual=config.model.residual,
  )


def sample(gan: AlignedEDGAN, batch: Aligned) -> OrderedDict[str, Array]:
  """The columns of a sample grid: the input, both paths, their sum, and the truth."""
  rebuilt, code = gan.rebuild(batch)
  columns = OrderedDict(input=batch.input, rebuilt=rebuilt)
  if gan.has_residual:
    columns['residual'] = gan.correct(batch, code)
  columns['sum'] = gan.generate(batch)
  columns['truth'] = batch.target
  return columns


def translate_images(gan: AlignedEDGAN, images: Array, target: str) -> Array:
  """Images [B, S, S, C] in [-1, 1] as their counterparts, in [-2, 2]; 'b' is the only target."""
  return gan.generate(Aligned(images, images))


METHOD = Method(
  batch=Aligned,
  objectives={'reconstruct': edgan.reconstruct, 'judge': edgan.judge, 'refine': edgan.refine},
  build=build,
  sample=sample,
  translate=translate_images,
  targets=('b',),
)
