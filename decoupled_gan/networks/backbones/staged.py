"""Networks as chains of named stages, which can be cut behind any of them.

What needs a cut: frozen first layers (FreezeD), feature matching, dissection, inversion of a generator's
activations, refinement of samples, projected discriminators. All backbones have it, in one spelling:

  h = generator(z, labels, upto='up_1')               what the stage up_1 gives
  x = generator(h, labels, from_='up_1')              and the image that this becomes
  generator.stages()                                  the names, in order
  discriminator.outputs(x)                            {stage: what it gives}

The parameters of a stage lie below its name, so that `config.parts.early =
'discriminator/backbone/down_0/*'` makes a group of it.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array, image_shape
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers import named_norms
from decoupled_gan.layers.linear import Embed, waves
from decoupled_gan.layers.named_norms import Norm

Chain = Mapping[str, Callable[..., nn.Module]]
"""{stage: makes its module, given its name}; the module is (x, labels) -> x."""
Links = tuple[tuple[str, Callable[..., nn.Module]], ...]
"""A part of a chain, as a field of a module can hold it."""
REFERENCE = 64  # rows of a virtual batch norm's reference: our choice


class Staged(nn.Module):
  """A network of stages; a subclass says which by `chain`."""

  def chain(self) -> Chain:
    """The stages, in order."""
    raise NotImplementedError

  @nn.nowrap
  def stages(self) -> tuple[str, ...]:
    """The names of the stages, in order."""
    return tuple(self.chain())

  @nn.compact
  def __call__(
    self, x: Array, labels: Array | None = None, upto: str | None = None, from_: str | None = None
  ) -> Array:
    """x through the stages, or through some of them.

    Args:
      x: what the network takes; or, with `from_`, what that stage gave.
      labels: [B, K] or None.
      upto: the stage whose result is wanted; None: the last.
      from_: the stage that has been done; None: none.
    """
    chain = self.chain()
    for name in between(tuple(chain), upto, from_):
      x = chain[name](name=name)(x, labels)
    return x

  def outputs(self, x: Array, labels: Array | None = None) -> dict[str, Array]:
    """{stage: what it gives}, of all stages."""
    found, before = {}, None
    for name in self.stages():
      x = found[name] = self(x, labels, upto=name, from_=before)
      before = name
    return found


def between(stages: tuple[str, ...], upto: str | None, from_: str | None) -> tuple[str, ...]:
  """The stages behind `from_` up to and with `upto`; raises UserError if there are no such."""
  for field, name in (('upto', upto), ('from_', from_)):
    if name is not None and name not in stages:
      raise UserError(f'{field}={name!r}: there is no such stage; there are {listing(stages, 40)}.')
  first = 0 if from_ is None else stages.index(from_) + 1
  last = len(stages) if upto is None else stages.index(upto) + 1
  if last < first:
    raise UserError(f'upto={upto!r} comes before from_={from_!r}: the stages are {listing(stages, 40)}.')
  return stages[first:last]


class Condition(nn.Module):
  """Latents [B, z] with an embedding of each label behind them: how a generator is told labels.

  A quantity, whose count is 0, is told as `waves` shows it.
  """

  counts: tuple[int, ...]
  size: int
  embedding_init: Any = None
  waves: int = 0

  @nn.compact
  def __call__(self, z: Array, labels: Array | None = None) -> Array:
    init = {'embedding_init': self.embedding_init} if self.embedding_init else {}
    embedded = [
      Embed(count, self.size, name=f'embed_{k}', **init)(labels[:, k])
      if count
      else waves(labels[:, k], self.waves)
      for k, count in enumerate(self.counts)
    ]
    return jnp.concatenate([z, *embedded], -1)


class Referenced(nn.Module):
  """A generator with virtual batch norm: its reference latents go through it at each call.

  They are drawn once, with the parameters, and kept in the collection 'virtual' (Salimans et al., NIPS
  2016, section 3.5: "a reference batch that is chosen once and fixed at the start of training").

  Attributes:
    count: of the reference latents; the network's norms have it as `reference`.
    prior: (key, shape) -> latents.
    counts: how many values each attribute has; the reference's labels are uniform.
  """

  network: nn.Module
  count: int
  prior: Callable
  counts: tuple[int, ...] = ()

  @nn.nowrap
  def stages(self) -> tuple[str, ...]:
    return self.network.stages()

  @nn.compact
  def __call__(
    self, x: Array, labels: Array | None = None, upto: str | None = None, from_: str | None = None
  ) -> Array:
    """As the network's; what a cut gives has no rows of the reference, which are made again."""
    kept = self.variable('virtual', 'reference', self._reference, x.shape[1:])
    reference, own = kept.value['z'], kept.value.get('labels')
    if from_ is not None:
      reference = self.network(reference, own, upto=from_)
    both = jnp.concatenate([reference.astype(x.dtype), x])
    labels = None if own is None else jnp.concatenate([own, labels])
    return self.network(both, labels, upto=upto, from_=from_)[self.count :]

  def _reference(self, shape) -> dict[str, Array]:
    found = {'z': self.prior(self.make_rng('params'), (self.count, *shape))}
    if self.counts:
      columns = [
        jax.random.randint(self.make_rng('params'), (self.count,), 0, count) for count in self.counts
      ]
      found['labels'] = jnp.stack(columns, 1)
    return found


class Flatten(nn.Module):
  """[B, ...] -> features [B, F]."""

  def __call__(self, x: Array, labels: Array | None) -> Array:
    return x.reshape(x.shape[0], -1)


def looks(network: nn.Module, x: Array, labels: Array | None = None) -> Array | None:
  """Where the middle pixel of each map with self-attention looks: weights [B, h, w]; None without any.

  Within `apply` of what has the network; what it draws for x is what is shown.
  """
  if 'attention' not in network.stages():
    return None
  module, variables = network.unbind()
  _, sown = module.apply(variables, x, labels, upto='attention', mutable=['attention'])
  (weights,) = jax.tree.leaves(sown)  # [B, HW, keys]
  side, keys = math.isqrt(weights.shape[1]), math.isqrt(weights.shape[2])
  return weights[:, side // 2 * side + side // 2].reshape(-1, keys, keys)


def referenced(generator: nn.Module, config: ConfigDict, shaped: Callable) -> nn.Module:
  """`generator`, with a reference if its norm is virtual; `shaped` makes latents of normal numbers."""
  if 'virtual' not in config.model.norm_generator.split('+'):
    return generator
  return Referenced(
    generator, REFERENCE, lambda key, shape: shaped(jax.random.normal(key, shape)), counts_of(config)
  )


def counts_of(config: ConfigDict) -> tuple[int, ...]:
  """How many values each attribute has, in the order of the labels' columns; or of clusters."""
  if config.data.clusters:
    return (config.data.clusters,)
  return tuple(len(config.attributes[name]) for name in sorted(config.attributes))


def norm_of(config: ConfigDict, player: str, **fields) -> Norm:
  """The norm of the 'generator' or 'discriminator' that the config names; UserError if there is none."""
  field = f'norm_{player}'
  kinds = [kind for kind in named_norms.KINDS if player == 'generator' or kind != 'virtual']
  norm = named_norms.parse(
    config.model[field], f'model.{field}', kinds, counts=counts_of(config), reference=REFERENCE, **fields
  )
  if norm.kind == 'conditional_batch' and not (norm.counts and all(norm.counts)):
    raise UserError(f'model.{field}={config.model[field]!r} needs labels: classes in config.attributes.')
  return norm


def check_bare(config: ConfigDict, backbone: str, *players: str):
  """Raises UserError where a norm, or 'spectral', is named for a network that takes neither."""
  for player in players:
    value = config.model[f'norm_{player}']
    if value != 'none':
      raise UserError(
        f"model.norm_{player}={value!r}: the {player} of the backbone {backbone} has no norm; there is "
        "'none'."
      )


def condition_of(config: ConfigDict, norm: Norm, init=None) -> Links:
  """The stage `condition`, where a generator is told labels by its latents rather than by its norms."""
  counts = counts_of(config)
  if not counts or not config.model.conditional or norm.kind == 'conditional_batch':
    return ()
  model = config.model
  made = functools.partial(Condition, counts, model.label_size, init, model.label_waves)
  return (('condition', made),)


def square_size(config: ConfigDict, backbone: str, least: int) -> int:
  """The side of the images; raises UserError unless it is a power of two from `least` on."""
  height, width = image_shape(config)
  if config.vector_size or height != width or height < least or height & (height - 1):
    raise UserError(
      f'image_size={config.image_size}: the backbone {backbone} makes squares whose side is a power of '
      f'two from {least} px; for points there is mlp.'
    )
  return height
