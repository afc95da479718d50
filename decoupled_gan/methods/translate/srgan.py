"""SRGAN: Photo-Realistic Single Image Super-Resolution Using a GAN (Ledig et al., CVPR 2017, arXiv
1609.04802). There is no official code.

A generator makes images four times as large. First it learns alone, by the squared error (SRResNet),
then with a discriminator, from where it was, by features and by looking real.

  paper                    here
  l_MSE, eq. 4             pretrain/mse: phase `pretrain`, before config.window lets the others play
  l_X, eq. 4 and 5         upsample/content: `losses.content`, of CONTENTS
  l_Gen, eq. 6, 1e-3       upsample/adversarial
  eq. 2                    discriminate/adversarial

The examples are the large images; the small ones are made of them here, by an antialiased bicubic filter
(Keys, a = -0.5, as Pillow's and MATLAB's) and rounded to 8 bits, as files are. They enter in [0, 1], the
large ones count in [-1, 1] (section 3.2).

Where we differ: eq. 6 is a mean over the batch rather than a sum, as in all code (a factor of 16 at the
paper's batch); at the border the filter is normalised again, as Pillow does, where MATLAB mirrors. The
features are VGG-16's instead of VGG-19's, for whose file the house has a checksum: 'vgg22' is the same
layer, 'vgg53' the last one of VGG-16 where the paper has VGG-19's phi_5,4. Eq. 5 divides by width and
height only, so channels are summed; features are divided by 12.75, so losses by 162.6 (0.006 in later
papers). 'lpips' is ours: the learned distance, whose weights are fetched from the package index.
"""

from collections import OrderedDict
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Examples, image_shape
from decoupled_gan.losses.adversarial import Adversarial, unpaired
from decoupled_gan.losses.pixels import mse
from decoupled_gan.networks.translate import check_multiple, choice
from decoupled_gan.networks.translate.srgan import Discriminator, Generator
from decoupled_gan.pretrained import lpips, vgg

FEATURE_SCALE = 12.75  # section 3.2: features are divided by it, to be of the size of pixels


class SRGAN(nn.Module):
  """`generator`: small images in [0, 1] -> large ones. `discriminator`: large ones -> logits.

  Attributes:
    factor: how many times larger.
    content: (images, targets) -> scalar.
    adversarial: what the two players minimise.
  """

  generator: nn.Module
  discriminator: nn.Module
  factor: int
  content: Callable[[Array, Array], Array]
  adversarial: Adversarial

  def enlarge(self, small: Array, **options) -> Array:
    """Images [B, h, w, C] in [-1, 1], `factor` times as large."""
    return self.generator((small + 1) / 2, **options)


def reduced(images: Array, factor: int) -> Array:
  """Images [B, H, W, C] in [-1, 1], `factor` times smaller, of 8 bits."""
  batch, height, width, channels = images.shape
  small = jax.image.resize(
    images, (batch, height // factor, width // factor, channels), 'cubic', antialias=True
  )
  levels = jnp.clip(jnp.rint(small * 127.5 + 127.5), 0, 255)
  return levels / 127.5 - 1


def feature_distance(features: Array, targets: Array) -> Array:
  """Eq. 5: the squared difference of maps [B, h, w, C], summed over channels, a mean over the rest."""
  return jnp.square((features - targets) / FEATURE_SCALE).sum(-1).mean()


def _vgg(layer: int) -> Callable[[Array, Array], Array]:
  def distance(x, y):
    variables = vgg.load()
    maps = [vgg.maps(variables, (image + 1) * 127.5, layer) for image in (x, y)]
    return feature_distance(*maps)

  return distance


def _lpips(x: Array, y: Array) -> Array:
  return lpips.distance(lpips.load(), x, y).mean()


CONTENTS: dict[str, Callable[[Array, Array], Array]] = {
  'mse': mse,
  'vgg22': _vgg(7),
  'vgg53': _vgg(28),
  'lpips': _lpips,
}
"""Word of config.losses.content -> (images, targets) -> scalar. Weights are read when first needed."""


def pretrain(gan: SRGAN, batch: Examples) -> dict:
  """Give the large image back: trains the generator alone."""
  return {'mse': lambda: mse(gan.enlarge(reduced(batch.x, gan.factor)), batch.x)}


def discriminate(gan: SRGAN, batch: Examples) -> dict:
  """Tell large images from enlarged ones: trains the discriminator."""

  def adversarial():
    fake = stop_gradient(gan.enlarge(reduced(batch.x, gan.factor), track=False))
    return gan.adversarial.discriminate(gan.discriminator(batch.x), gan.discriminator(fake))

  return {'adversarial': adversarial}


def upsample(gan: SRGAN, batch: Examples) -> dict:
  """Look like the large image, and real: trains the generator."""
  fake = gan.enlarge(reduced(batch.x, gan.factor))
  return {
    'content': lambda: gan.content(fake, batch.x),
    'mse': lambda: mse(fake, batch.x),
    'adversarial': lambda: gan.adversarial.generate(gan.discriminator(fake), None),
  }


def build(config: ConfigDict) -> SRGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, dtype = config.model, jnp.dtype(config.compute_dtype)
  factor, known = 2**model.doublings, unpaired()
  check_multiple(image_shape(config), max(factor, 16), 'the discriminator halves it four times')
  return SRGAN(
    generator=Generator(model.width, model.blocks, config.image_channels, model.doublings, dtype),
    discriminator=Discriminator(model.d_width, model.hidden, dtype),
    factor=factor,
    content=CONTENTS[choice('losses.content', config.losses.content, CONTENTS)],
    adversarial=known[choice('losses.adversarial', config.losses.adversarial, known)],
  )


def bicubic(images: Array, factor: int) -> Array:
  """Images enlarged by the bicubic filter: what super-resolution is measured against."""
  batch, height, width, channels = images.shape
  return jax.image.resize(images, (batch, factor * height, factor * width, channels), 'cubic')


def sample(gan: SRGAN, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid, in order."""
  small = reduced(batch.x, gan.factor)
  return OrderedDict(bicubic=bicubic(small, gan.factor), enlarged=gan.enlarge(small), truth=batch.x)


def translate_images(gan: SRGAN, images: Array, target: str) -> Array:
  """Images [B, h, w, C] in [-1, 1] as images [B, 4h, 4w, C]."""
  return gan.enlarge(images)


def reconstruct(gan: SRGAN, images: Array) -> Array:
  """Images [B, H, W, C], made four times smaller and enlarged again."""
  return gan.enlarge(reduced(images, gan.factor))


METHOD = Method(
  batch=Examples,
  objectives={'pretrain': pretrain, 'discriminate': discriminate, 'upsample': upsample},
  build=build,
  sample=sample,
  translate=translate_images,
  targets=('b',),
  reconstruct=reconstruct,
)
