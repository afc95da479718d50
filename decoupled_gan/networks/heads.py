"""From a discriminator's features to its verdict."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from decoupled_gan.core.optim import unit_norm
from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers.conv import spectral_norm
from decoupled_gan.layers.linear import Embed, waves
from decoupled_gan.layers.linear import Linear as Dense
from decoupled_gan.layers.minibatch import MinibatchDiscrimination
from decoupled_gan.losses.classification import Answer, Classification
from decoupled_gan.networks.told import Told


class Verdict(NamedTuple):
  """What a discriminator says: outputs [B, K], float32, and the features [B, F] that they come from."""

  outputs: Array
  features: Array


class Last(NamedTuple):
  """How the layers of a head are made: what backbones differ in, as their `last` says.

  Attributes:
    spectral: whether kernels and embeddings are spectrally normalised.
    embed_init: of embeddings [count, features].
    waves: of labels that are quantities, see layers/linear.py
  """

  use_bias: bool = True
  spectral: bool = False
  kernel_init: Any = nn.initializers.lecun_normal()
  embed_init: Any = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal', out_axis=0)
  waves: int = 0

  def dense(self, features: int) -> nn.Module:
    return Dense(features, self.use_bias, self.spectral, self.kernel_init, name='linear')

  def embedded(self, numbers: Array, count: int, features: int, name: str) -> Array:
    """An embedding of labels [B] of `count` values; a linear map of quantities, which have none."""
    if count == 0:
      shown = waves(numbers, self.waves)
      return Dense(features, self.use_bias, self.spectral, self.kernel_init, name=name)(shown)
    return Embed(count, features, self.spectral, self.embed_init, name=name)(numbers)


class Linear(nn.Module):
  """Features [B, F] -> outputs [B, K]."""

  outputs: int = 1
  counts: tuple[int, ...] = ()
  last: Last = Last()

  @nn.compact
  def __call__(self, features: Array, labels: Array | None = None) -> Array:
    return self.last.dense(self.outputs)(features.astype(jnp.float32))


class Projection(nn.Module):
  """Linear, and the product of features and an embedding of each label (Miyato and Koyama, 2018)."""

  outputs: int = 1
  counts: tuple[int, ...] = ()
  last: Last = Last()

  @nn.compact
  def __call__(self, features: Array, labels: Array) -> Array:
    features = features.astype(jnp.float32)
    out = self.last.dense(self.outputs)(features)
    for k, count in enumerate(self.counts):
      embedded = self.last.embedded(labels[:, k], count, features.shape[-1], f'embed_{k}')
      out += (embedded * features).sum(-1, keepdims=True)
    return out


class OfEachClass(nn.Module):
  """An output for each class, of which the label's is the verdict: several discriminators in one.

  As in StudioGAN's `MD` and Self-Conditioned GAN (Liu et al., CVPR 2020). Attributes add up.
  """

  outputs: int = 1
  counts: tuple[int, ...] = ()
  last: Last = Last()

  @nn.compact
  def __call__(self, features: Array, labels: Array) -> Array:
    each = self.last.dense(sum(self.counts))(features.astype(jnp.float32))
    first = np.cumsum((0, *self.counts[:-1]))
    return jnp.take_along_axis(each, labels + first[None], 1).sum(-1, keepdims=True)


class NoHead(nn.Module):
  """No output: for tables without an adversarial row, whose discriminator tells classes only."""

  of_one_example = False

  outputs: int = 0
  counts: tuple[int, ...] = ()
  last: Last = Last()

  def __call__(self, features: Array, labels: Array | None = None) -> Array:
    return features[:, :0].astype(jnp.float32)


class Bilinear(nn.Module):
  """The product of a linear map of features and an embedding of each label, and nothing else.

  As the conditional R3GAN has it (Huang et al., NeurIPS 2024); the map has as many outputs as inputs.
  """

  outputs: int = 1
  counts: tuple[int, ...] = ()
  last: Last = Last()

  @nn.compact
  def __call__(self, features: Array, labels: Array) -> Array:
    features = features.astype(jnp.float32)
    size = features.shape[-1]
    mapped, out = self.last.dense(size)(features), 0.0
    for k, count in enumerate(self.counts):
      embedded = self.last.embedded(labels[:, k], count, size, f'embed_{k}')
      out += (embedded * mapped).sum(-1, keepdims=True)
    return out


class Direction(nn.Module):
  """scale <direction, features + bias>: the last layer of SAN (Takida et al., ICLR 2024).

  `direction` is meant to be a group of its own that stays on the unit sphere, see configs/san.py; scale
  and bias [F] are learned with the features. As sony/bigvsan's SANConv: simple-san has no bias. The
  scale begins as the length that torch's initial weight has on average.
  """

  outputs: int = 1
  counts: tuple[int, ...] = ()
  last: Last = Last()

  @nn.compact
  def __call__(self, features: Array, labels: Array | None = None) -> Array:
    size = features.shape[-1]
    start = lambda key, shape: unit_norm(jax.random.normal(key, shape))  # noqa: E731
    direction = unit_norm(self.param('direction', start, (self.outputs, size)))  # its slope is tangent
    scale = self.param('scale', nn.initializers.constant(3**-0.5), (self.outputs,))
    bias = self.param('bias', nn.initializers.zeros, (size,))
    return scale[None] * ((features.astype(jnp.float32) + bias[None]) @ direction.T)


class Minibatch(nn.Module):
  """Linear in the features and in how near the other examples' are, see layers/minibatch.py."""

  of_one_example = False

  outputs: int = 1
  counts: tuple[int, ...] = ()
  last: Last = Last()

  @nn.compact
  def __call__(self, features: Array, labels: Array | None = None) -> Array:
    features = features.astype(jnp.float32)
    near = MinibatchDiscrimination(name='minibatch')(features)
    return self.last.dense(self.outputs)(jnp.concatenate([features, near], -1))


HEADS = {
  'linear': Linear, 'projection': Projection, 'bilinear': Bilinear, 'direction': Direction,
  'minibatch': Minibatch, 'of_each_class': OfEachClass, 'none': NoHead,
}  # fmt: skip
OF_LABELS = ('projection', 'bilinear', 'of_each_class')


class Discriminator(nn.Module):
  """A backbone with a head: examples (and labels, and what it is told beside) to a Verdict.

  It can be cut as its backbone can.
  """

  backbone: nn.Module
  head: nn.Module

  def setup(self):
    self.told = Told()

  @nn.nowrap
  def stages(self) -> tuple[str, ...]:
    """The backbone's, see staged.py."""
    return self.backbone.stages()

  def __call__(
    self,
    x: Array,
    labels: Array | None = None,
    told: Array | None = None,
    upto: str | None = None,
    from_: str | None = None,
  ) -> Verdict | Array:
    """The Verdict on x; with `upto`, what that stage gives."""
    features = self.backbone(x, labels, upto=upto, from_=from_)
    return self.conclude(features, labels, told) if upto is None else features

  def features(self, x: Array, labels: Array | None = None) -> Array:
    """What the head sees."""
    return self.backbone(x, labels)

  def outputs(self, x: Array, labels: Array | None = None) -> dict[str, Array]:
    """{stage: what it gives}, of all stages of the backbone."""
    return self.backbone.outputs(x, labels)

  def conclude(
    self, features: Array, labels: Array | None = None, told: Array | None = None
  ) -> Verdict:
    """The verdict on features; `told` adds outputs of its own to the head's."""
    outputs = self.head(features, labels)
    if told is not None:
      outputs += self.told(told, features.astype(jnp.float32))
    return Verdict(outputs, features)


def make_head(
  name: str,
  outputs: int,
  counts: tuple[int, ...],
  backbone: nn.Module | None = None,
  waves: int = 0,
) -> nn.Module:
  """The head that `config.model.head` names, as `backbone` wants its layers; waves: of quantities.

  Raises UserError if there is none, or no labels for it.
  """
  if name not in HEADS:
    raise UserError(f'model.head={name!r} is unknown; there are {listing(HEADS)}.')
  if name in OF_LABELS and not counts:
    raise UserError(f'model.head={name!r} needs labels: name some of the data in config.attributes.')
  if 0 in counts and name == 'of_each_class':
    raise UserError(f'model.head={name!r}: quantities have no classes; take projection or bilinear.')
  return HEADS[name](outputs, counts, getattr(backbone, 'last', Last())._replace(waves=waves))


class Classes(nn.Module):
  """Features [B, F] -> an Answer: what a loss of classes has to learn of `count` classes.

  `spectral`: whether the centres are divided by their spectral norm, as one matrix.
  """

  count: int
  loss: Classification
  spectral: bool = False

  @nn.compact
  def __call__(self, features: Array) -> Answer:
    features = features.astype(jnp.float32)
    found = {
      'centres': lambda key: self.loss.initial_centres(key, self.count, features.shape[-1]),
      'bias': lambda key: self.loss.initial_bias(self.count),
    }
    there = {name: jax.eval_shape(make, jax.random.key(0)) is not None for name, make in found.items()}
    answer = Answer(features, *[self.param(n, make) if there[n] else None for n, make in found.items()])
    if not self.spectral or answer.centres is None:
      return answer
    return answer._replace(centres=answer.centres / spectral_norm(self, answer.centres.T))
