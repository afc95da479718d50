"""ED//GAN for labelled images: edit an attribute by decoding under another label (see edgan.py).

  encoder, decoder       image -> code; code and labels -> reconstruction
  residual               a second decoder from the same code, which it does not train
  discriminator          sees labels after its first layer
  latent_discriminator   tells codes from U(-1, 1); in the official code nothing trains against it, so
                         that it changes no image. It is there when the table has `judge.latent`.

Training never asks for another label than the image's own; editing does, at inference.
"""

from collections import OrderedDict
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array, Labelled, Losses
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.tasks import of_editor
from decoupled_gan.losses.adversarial import logistic
from decoupled_gan.methods.translate import edgan
from decoupled_gan.networks.edgan import PUBLISHED_STD, CodeJudge, Decoder, Encoder, Judge, check_size


class LabelledEDGAN(edgan.Decoupled, nn.Module):
  """Attributes: see networks/edgan.py and edgan.py; and

  attributes: ((name, (name of each value, ...)), ...), sorted by name.
  latent_path: whether there is a discriminator of codes.
  std: of the kernels of encoder and decoder, which nothing normalises; None for He's.
  """

  attributes: tuple[tuple[str, tuple[str, ...]], ...]
  image_size: int = 128
  channels: int = 3
  width: int = 64
  code_size: int = 50
  residual_path: bool = True
  coupled: bool = False
  latent_path: bool = True
  std: float | None = PUBLISHED_STD
  dtype: Any = jnp.float32

  def setup(self):
    counts = tuple(len(values) for _, values in self.attributes)
    decoding = (self.image_size, counts, self.channels, self.width)
    self.encoder = Encoder(self.width, self.code_size, self.std, self.dtype)
    self.decoder = Decoder(*decoding, False, self.std, self.dtype)
    if self.residual_path:
      self.residual = Decoder(*decoding, norm=True, dtype=self.dtype)
    self.discriminator = Judge(counts, self.width, self.dtype)
    if self.latent_path:
      self.latent_discriminator = CodeJudge()

  def __call__(self, batch: Labelled):
    """Calls every network once: what `init` runs."""
    logits = self.judge(batch, self.generate(batch))
    return logits, self.latent_discriminator(self.encoder(batch.image)) if self.latent_path else None

  def truth(self, batch: Labelled) -> Array:
    return batch.image

  def rebuild(self, batch: Labelled) -> tuple[Array, Array]:
    code = self.encoder(batch.image)
    return self.decoder(code, batch.labels), code

  def correct(self, batch: Labelled, code: Array) -> Array:
    return self.residual(code, batch.labels)

  def judge(self, batch: Labelled, images: Array) -> Array:
    return self.discriminator(images, batch.labels)


def judge(gan: LabelledEDGAN, batch: Labelled) -> Losses:
  """Tell real images from generated ones, and codes from uniform noise."""
  losses = edgan.judge(gan, batch)
  if gan.latent_path:
    code = stop_gradient(gan.encoder(batch.image))
    prior = jax.random.uniform(gan.make_rng('noise'), code.shape, code.dtype, -1, 1)
    real_logits, fake_logits = gan.latent_discriminator(prior), gan.latent_discriminator(code)
    losses['latent'] = logistic(real_logits, True) + logistic(fake_logits, False)
  return losses


BATCH = Labelled
tasks = of_editor
OBJECTIVES = {'reconstruct': edgan.reconstruct, 'judge': judge, 'refine': edgan.refine}


def build(config: ConfigDict) -> LabelledEDGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  check_size(config.image_size, 16)
  attributes = tuple((name, tuple(config.attributes[name])) for name in sorted(config.attributes))
  poor = [name for name, values in attributes if len(values) < 2]
  if poor or not attributes:
    raise UserError(
      'attributes needs at least one attribute, with names for two values or more, such as '
      f"config.attributes.glasses = ('no', 'yes'); found {dict(attributes)}."
    )
  return LabelledEDGAN(
    attributes=attributes,
    image_size=config.image_size,
    channels=config.image_channels,
    width=config.model.width,
    code_size=config.model.code_size,
    latent_path='latent' in config.routes.judge,
    std=None if config.model.he_init else PUBLISHED_STD,
    dtype=jnp.dtype(config.compute_dtype),
    **edgan.paths(config),
  )


def sample(gan: LabelledEDGAN, batch: Labelled) -> OrderedDict[str, Array]:
  """The columns of a sample grid: the image, both paths and their sum, then each value of each
  attribute in place of the image's own."""
  rebuilt, code = gan.rebuild(batch)
  columns = OrderedDict(input=batch.image, rebuilt=rebuilt)
  if gan.residual_path:
    columns['residual'] = gan.correct(batch, code)
  columns['sum'] = gan.generate(batch)
  for k, (name, values) in enumerate(gan.attributes):
    for number, value in enumerate(values):
      labels = batch.labels.at[:, k].set(number)
      columns[f'{name}={value}'] = gan.generate(batch._replace(labels=labels))
  return columns


def edit(gan: LabelledEDGAN, images: Array, labels: Array) -> Array:
  """Images [B, S, S, C] in [-1, 1] as they are under labels int32 [B, K], in [-2, 2]."""
  return gan.generate(Labelled(images, labels))
