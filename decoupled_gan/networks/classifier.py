"""Classifiers: a trunk from images or points to features, and a head of classes for each attribute.

TRUNKS by `config.model.backbone`, where mlp and dcgan of the generic method serve as well:

  convnet   two 3 x 3 convolutions (width, then twice that at half the size) and a linear layer: 32, 64
            and 128 features are the size for digits that evaluations use (network `own`)
  conv4     four blocks of convolution, batch normalisation, ReLU and pooling (Vinyals et al.,
            NIPS 2016), pooled: what few-shot papers train
  resnet18  He et al., CVPR 2016, in its form for 32 px (section 4.2 with 3 x 3 stem and the widths of
            ResNet-18): what robust training is compared with

  pairs     two numbers as one-hots: an embedding that both share, a hidden layer of `width`, SiLU
            (grow-crystals, scripts/modadd.py: 100 and 10 in the place of width and features)

Features are not activated. Losses of logits read them behind a ReLU and dropout, losses of embeddings as
they are (`Classification.embeds`). Dropout is active only where noise is given, which is in training.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.layers.norm import BatchNorm
from decoupled_gan.losses.classification import Answer, Classification
from decoupled_gan.networks import heads
from decoupled_gan.networks.backbones import dcgan, mlp

HE = nn.initializers.he_normal()


class ConvNet(nn.Module):
  """Images [B, H, W, C] -> features [B, features]."""

  width: int = 32
  features: int = 128
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    for i, stride in enumerate((1, 2)):
      x = nn.relu(
        SameConv(self.width * 2**i, 3, stride, kernel_init=HE, dtype=self.dtype, name=f'conv_{i}')(x)
      )
    return nn.Dense(self.features, dtype=self.dtype, name='features')(x.reshape(x.shape[0], -1))


class Conv4(nn.Module):
  """Images [B, H, W, C] -> features [B, width]; sizes that cannot be halved again stay."""

  width: int = 64
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    for i in range(4):
      x = SameConv(self.width, 3, 1, kernel_init=HE, dtype=self.dtype, name=f'conv_{i}')(x)
      x = nn.relu(BatchNorm(name=f'norm_{i}')(x))
      if min(x.shape[1:3]) > 1:
        x = nn.max_pool(x, (2, 2), (2, 2))
    return x.mean((1, 2))


class ResNet18(nn.Module):
  """Images [B, H, W, C] -> features [B, 8 width]; `width` 64 is the published one."""

  width: int = 64
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    x = self._conv(x, self.width, 1, 'stem')
    for stage in range(4):
      for block in range(2):
        stride, name = 2 if stage and not block else 1, f'block_{stage}_{block}'
        x = self._block(x, self.width * 2**stage, stride, name)
    return nn.relu(x).mean((1, 2))

  def _block(self, x: Array, features: int, stride: int, name: str) -> Array:
    """Two convolutions beside the identity, or beside a 1 x 1 convolution where shapes change."""
    x = nn.relu(x)
    y = nn.relu(self._conv(x, features, stride, f'{name}_a'))
    y = self._conv(y, features, 1, f'{name}_b')
    if x.shape != y.shape:
      x = self._conv(x, features, stride, f'{name}_skip', kernel=1)
    return x + y

  def _conv(self, x: Array, features: int, stride: int, name: str, kernel: int = 3) -> Array:
    layer = SameConv(features, kernel, stride, kernel_init=HE, dtype=self.dtype, name=name)
    return BatchNorm(epsilon=1e-5, momentum=0.9, name=f'{name}_norm')(layer(x))


class Pairs(nn.Module):
  """Two one-hots in a row [B, 2 count] -> features [B, features]."""

  count: int
  width: int = 100
  features: int = 10

  def setup(self):
    init = nn.initializers.normal(self.features**-0.5)
    self.embedding = self.param('embedding', init, (self.count, self.features))
    self.hidden, self.out = nn.Dense(self.width), nn.Dense(self.features)

  def __call__(self, x: Array) -> Array:
    embedded = x.reshape(x.shape[0], 2, self.count) @ self.embedding[None]
    return self.out(nn.silu(self.hidden(embedded.reshape(x.shape[0], -1))))


TRUNKS = {
  'convnet': lambda config: ConvNet(config.model.width, config.model.features, _dtype(config)),
  'conv4': lambda config: Conv4(config.model.width, _dtype(config)),
  'resnet18': lambda config: ResNet18(config.model.width, _dtype(config)),
  'pairs': lambda config: Pairs(config.vector_size // 2, config.model.width, config.model.features),
  'mlp': mlp.discriminator,
  'dcgan': dcgan.discriminator,
}
OF_POINTS, OF_BOTH = ('pairs',), ('mlp', 'dcgan')  # dcgan tells itself that it is for images
"""Trunks that are not for images alone."""


def _dtype(config: ConfigDict):
  return jnp.dtype(config.compute_dtype)


class Classifier(nn.Module):
  """Images or points -> (features [B, F], an Answer for each attribute).

  Attributes:
    counts: of the classes of each attribute.
    dropout: share of the features that are dropped in training.
    activate: whether losses of logits read the features behind a ReLU.
    tied: whether the classes' centres are the embedding of the trunk `pairs`.
  """

  trunk: nn.Module
  counts: tuple[int, ...]
  loss: Classification
  dropout: float = 0.0
  activate: bool = True
  tied: bool = False

  def setup(self):
    self.heads = [heads.Classes(count, self.loss) for count in self.counts]
    self.drop = nn.Dropout(self.dropout, rng_collection='noise')

  def __call__(self, x: Array) -> tuple[Array, tuple[Answer, ...]]:
    features = self.trunk(x).astype(jnp.float32)
    seen = features
    if not self.loss.embeds:
      seen = nn.relu(features) if self.activate else features
      seen = self.drop(seen, deterministic=not self.has_rng('noise'))
    if self.tied:
      return features, (Answer(features, self.trunk.embedding),)
    return features, tuple(head(seen) for head in self.heads)

  def error(self, x: Array, labels: Sequence[Array], key: Array) -> Array:
    """The mean over examples of the loss, summed over attributes; `labels` (or targets) of each."""
    _, answers = self(x)
    both = enumerate(zip(answers, labels, strict=True))
    losses = [self.loss(answer, given, jax.random.fold_in(key, k)) for k, (answer, given) in both]
    return sum(losses).mean()


def trunk(config: ConfigDict) -> nn.Module:
  """The trunk that `config.model` describes; raises UserError if there is none for such data."""
  name = config.model.backbone
  if name not in TRUNKS:
    raise UserError(
      f'model.backbone={name!r} is no trunk of a classifier; there are {listing(TRUNKS)}.'
    )
  if name not in OF_BOTH and (name in OF_POINTS) != bool(config.vector_size):
    kind, others = ('points', 'images there is convnet') if name in OF_POINTS else (
      'images', 'points there is mlp'
    )  # fmt: skip
    raise UserError(f'model.backbone={name!r} is for {kind}; for {others}.')
  return TRUNKS[name](config)
