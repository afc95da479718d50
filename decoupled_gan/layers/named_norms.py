"""Normalisation by name, for both players: what `config.model.norm_generator` and its like say.

  none               nothing
  batch              batch normalisation (Ioffe and Szegedy, ICML 2015)
  conditional_batch  with a scale and a shift for each class (Dumoulin et al., ICLR 2017)
  layer              over all of an example, scale and shift for each channel (Ba et al., 2016; the form
                     of WGAN-GP's critic, Gulrajani et al., NIPS 2017)
  virtual            by a fixed reference batch and the example (Salimans et al., NIPS 2016, section 3.5)
  spectral           none, with all kernels divided by their spectral norms (Miyato et al., ICLR 2018)

'+spectral' behind another name does both, as in 'conditional_batch+spectral'.

*Where we differ*: several attributes add up, scale = 1 + sum of the classes' offsets; the offsets start
at 0, which is the published start (scale 1, shift 0) for one.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers.norm import BatchNorm

KINDS = ('none', 'batch', 'conditional_batch', 'layer', 'virtual')


@dataclass(frozen=True)
class Norm:
  """How a network normalises. `norm('norm_0', x, labels)`, within a compact module, is x normalised.

  Attributes:
    kind: of KINDS.
    spectral: whether kernels are spectrally normalised: the network's layers ask.
    counts: how many values each attribute has, of conditional_batch.
    reference: how many rows of each batch are the reference, of virtual.
    momentum: of the running averages, 1 less torch's.
    scale_std: scales start as N(1, scale_std^2).
  """

  kind: str = 'none'
  spectral: bool = False
  counts: tuple[int, ...] = ()
  reference: int = 0
  momentum: float = 0.9
  epsilon: float = 1e-5
  scale_std: float = 0.0

  def __call__(self, name: str, x: Array, labels: Array | None = None) -> Array:
    """x [B, ..., C] (and labels [B, K]) through a layer of this name."""
    if self.kind == 'batch':
      start = _around_one(self.scale_std)
      return BatchNorm(self.epsilon, self.momentum, start, name=name)(x)
    if self.kind == 'conditional_batch':
      return ConditionalBatchNorm(self.counts, self.epsilon, self.momentum, name=name)(x, labels)
    if self.kind == 'layer':
      axes = tuple(range(1, x.ndim))
      layer = nn.LayerNorm(
        self.epsilon, reduction_axes=axes, feature_axes=-1, dtype=x.dtype, name=name
      )  # fmt: skip
      return layer(x)
    if self.kind == 'virtual':
      return VirtualBatchNorm(self.reference, self.epsilon, name=name)(x)
    return x

  @property
  def unconditional(self) -> 'Norm':
    """The same without labels: the last norm of conditional generators."""
    kind = 'batch' if self.kind == 'conditional_batch' else self.kind
    return dataclasses.replace(self, kind=kind)

  @property
  def left_out(self) -> 'Norm':
    """No norm, where a network has one elsewhere; kernels are what they are there."""
    return dataclasses.replace(self, kind='none')


def parse(text: str, where: str, allowed: Sequence[str] = KINDS, **fields) -> Norm:
  """The norm called `text`; raises UserError, beginning with `where`, if there is none such."""
  words = text.split('+')
  kinds = [word for word in words if word != 'spectral']
  if len(kinds) > 1 or words.count('spectral') > 1 or not set(kinds) <= set(allowed):
    raise UserError(
      f"{where}={text!r} is unknown; there are {listing([*allowed, 'spectral'])}, and '+spectral' "
      'behind a name for both.'
    )
  return Norm(kinds[0] if kinds else 'none', 'spectral' in words, **fields)


def _around_one(std: float):
  """An initialiser: N(1, std^2)."""
  return lambda key, shape, dtype=jnp.float32: 1 + std * jax.random.normal(key, shape, dtype)


class ConditionalBatchNorm(nn.Module):
  """Batch normalisation whose scale and shift are those of the labels [B, K]."""

  counts: tuple[int, ...]
  epsilon: float = 1e-5
  momentum: float = 0.9

  @nn.compact
  def __call__(self, x: Array, labels: Array) -> Array:
    normed = BatchNorm(self.epsilon, self.momentum, use_bias=False, name='batch')(x)
    shape = (x.shape[0], *[1] * (x.ndim - 2), x.shape[-1])
    scale, shift = jnp.ones(shape), jnp.zeros(shape)
    for k, count in enumerate(self.counts):
      for name in ('scale', 'shift'):
        table = self.param(f'{name}_{k}', nn.initializers.zeros, (count, x.shape[-1]))
        chosen = table[labels[:, k]].reshape(shape)
        scale, shift = (scale + chosen, shift) if name == 'scale' else (scale, shift + chosen)
    return normed * scale.astype(x.dtype) + shift.astype(x.dtype)


class VirtualBatchNorm(nn.Module):
  """The first `reference` rows by their own statistics, the others by theirs and their own pixels'.

  With n rows of reference and c = 1 / (n + 1): mean = (1 - c) m_ref + c m_x, the mean square likewise.
  Scales start as exp(N(0, 0.02^2)): openai/improved-gan.
  """

  reference: int
  epsilon: float = 1e-5

  @nn.compact
  def __call__(self, x: Array) -> Array:
    channels = x.shape[-1]
    scale = jnp.exp(self.param('log_scale', nn.initializers.normal(0.02), (channels,)))
    shift = self.param('shift', nn.initializers.zeros, (channels,))
    n, pixels = self.reference, tuple(range(1, x.ndim - 1))
    wide = x.astype(jnp.float32)
    moments = [m.mean(pixels, keepdims=True) for m in (wide, jnp.square(wide))]  # [B, 1, ..., C]
    mean, square = (self._mixed(m, n) for m in moments)
    shape = (1,) * (x.ndim - 1) + (channels,)
    inverse = jax.lax.rsqrt(square - jnp.square(mean) + self.epsilon) * scale.reshape(shape)
    return ((wide - mean) * inverse + shift.reshape(shape)).astype(x.dtype)

  def _mixed(self, moments: Array, n: int) -> Array:
    reference, share = moments[:n].mean(0, keepdims=True), 1 / (n + 1)
    others = (1 - share) * reference + share * moments[n:]
    return jnp.concatenate([jnp.broadcast_to(reference, moments[:n].shape), others])

