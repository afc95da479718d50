"""ED//GAN for labelled images: edit an attribute by decoding under another label (see edgan.py).

  encoder, decoder       image -> code; code and labels -> reconstruction
  residual               a second decoder from the same code, which it does not train
  discriminator          sees labels after its first layer
  latent_discriminator   tells codes from U(-1, 1); in the official code nothing trains against it, so
                         that it changes no image. It is there if the table has `judge.latent`.
  classifier             tells the attributes of an image; no part of the paper. It is there if the table
                         has `judge.classify`, learns by real images (config.losses.classify), and leads
                         the residual by `refine.classify`: its images are to show their labels

Training never asks for another label than the image's own; editing does, at inference.
"""

from collections import OrderedDict
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Array, Examples, Losses, square_size
from decoupled_gan.errors import UserError
from decoupled_gan.layers.named_norms import Norm
from decoupled_gan.losses import classification
from decoupled_gan.losses.adversarial import logistic
from decoupled_gan.losses.classification import CLASSIFICATION, Classification
from decoupled_gan.methods.translate import edgan
from decoupled_gan.networks.backbones import dcgan
from decoupled_gan.networks.classifier import Classifier
from decoupled_gan.networks.edgan import PUBLISHED_STD, CodeJudge, Decoder, Encoder, Judge, check_size


class LabelledEDGAN(edgan.Decoupled, nn.Module):
  """Attributes: see networks/edgan.py and edgan.py; and

  attributes: ((name, (name of each value, ...)), ...), sorted by name.
  std: of the kernels of encoder and decoder, which nothing normalises; None for He's.
  """

  attributes: tuple[tuple[str, tuple[str, ...]], ...]
  image_size: int = 128
  channels: int = 3
  width: int = 64
  code_size: int = 50
  has_residual: bool = True
  std: float | None = PUBLISHED_STD
  dtype: Any = jnp.float32
  loss: Classification = CLASSIFICATION['cross_entropy']()

  def setup(self):
    counts = tuple(len(values) for _, values in self.attributes)
    decoding = (self.image_size, counts, self.channels, self.width)
    self.encoder = Encoder(self.width, self.code_size, self.std, self.dtype)
    self.decoder = Decoder(*decoding, False, self.std, self.dtype)
    if self.has_residual:
      self.residual = Decoder(*decoding, norm=True, dtype=self.dtype)
    self.discriminator = Judge(counts, self.width, self.dtype)
    self.latent_discriminator = CodeJudge()
    trunk = dcgan.Discriminator(self.image_size, self.width, Norm('batch'), self.dtype)
    self.classifier = Classifier(trunk, counts, self.loss)

  def truth(self, batch: Examples) -> Array:
    return batch.x

  def rebuild(self, batch: Examples) -> tuple[Array, Array]:
    code = self.encoder(batch.x)
    return self.decoder(code, batch.labels), code

  def correct(self, batch: Examples, code: Array) -> Array:
    return self.residual(code, batch.labels)

  def judge(self, batch: Examples, images: Array) -> Array:
    return self.discriminator(images, batch.labels)

  def recognise(self, images: Array, labels: Array) -> Array:
    """The classifier's loss of images under labels [B, K]."""
    return self.classifier.error(images, list(labels.T), self.make_rng('noise'))


def judge(gan: LabelledEDGAN, batch: Examples) -> Losses:
  """Tell real images from generated ones, and codes from uniform noise."""

  def latent():
    code = stop_gradient(gan.encoder(batch.x))
    prior = jax.random.uniform(gan.make_rng('noise'), code.shape, code.dtype, -1, 1)
    real_logits, fake_logits = gan.latent_discriminator(prior), gan.latent_discriminator(code)
    return logistic(real_logits, True) + logistic(fake_logits, False)

  return edgan.judge(gan, batch) | {
    'latent': latent,
    'classify': lambda: gan.recognise(batch.x, batch.labels),
  }


def refine(gan: LabelledEDGAN, batch: Examples) -> Losses:
  """Add what makes the reconstruction look real, and like its labels: trains the residual."""
  image = edgan.refined(gan, batch)
  return {
    'adversarial': lambda: logistic(gan.judge(batch, image()), True),
    'classify': lambda: gan.recognise(image(), batch.labels),
  }


def build(config: ConfigDict) -> LabelledEDGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  check_size(square_size(config), 16)
  attributes = tuple((name, tuple(config.attributes[name])) for name in sorted(config.attributes))
  poor = [name for name, values in attributes if len(values) < 2]
  if poor or not attributes:
    raise UserError(
      'attributes needs at least one attribute, with names for two values or more, such as '
      f"config.attributes.glasses = ('no', 'yes'); found {dict(attributes)}."
    )
  return LabelledEDGAN(
    attributes=attributes,
    image_size=square_size(config),
    channels=config.image_channels,
    width=config.model.width,
    code_size=config.model.code_size,
    std=None if config.model.he_init else PUBLISHED_STD,
    dtype=jnp.dtype(config.compute_dtype),
    has_residual=config.model.residual,
    loss=classification.choose(config.losses),
  )


def sample(gan: LabelledEDGAN, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: the image, both paths and their sum, then each value of each
  attribute in place of the image's own."""
  rebuilt, code = gan.rebuild(batch)
  columns = OrderedDict(input=batch.x, rebuilt=rebuilt)
  if gan.has_residual:
    columns['residual'] = gan.correct(batch, code)
  columns['sum'] = gan.generate(batch)
  for k, (name, values) in enumerate(gan.attributes):
    for number, value in enumerate(values):
      labels = batch.labels.at[:, k].set(number)
      columns[f'{name}={value}'] = gan.generate(batch._replace(labels=labels))
  return columns


def edit(gan: LabelledEDGAN, images: Array, labels: Array) -> Array:
  """Images [B, S, S, C] in [-1, 1] as they are under labels int32 [B, K], in [-2, 2]."""
  return gan.generate(Examples(images, labels))


def decode(gan: LabelledEDGAN, images: Array, labels: Array) -> Array:
  """The same without the residual, in [-1, 1].

  Most of an edit's error is the residual's and the code's: the difference of two such reconstructions,
  added to the image, has neither (benchmarks/edgan_edits.py). The paper has no such thing.
  """
  return gan.rebuild(Examples(images, labels))[0]


METHOD = Method(
  batch=Examples,
  objectives={'reconstruct': edgan.reconstruct, 'judge': judge, 'refine': refine},
  build=build,
  sample=sample,
  edit=edit,
  decode=decode,
)
