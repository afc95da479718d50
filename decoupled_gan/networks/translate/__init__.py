"""Networks of translators, in parts that methods share: size-free where their facts allow.

What they are initialised by, and normalised by, are words, so that a config can choose.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers import extent
from decoupled_gan.layers.norm import TorchBatchNorm, instance_normalise

INITS = {
  'normal': nn.initializers.normal(0.02),
  'xavier': nn.initializers.variance_scaling(0.02**2, 'fan_avg', 'normal'),  # a gain of 0.02
  'kaiming': nn.initializers.variance_scaling(2.0, 'fan_in', 'normal'),
}
"""Name -> initial kernels, as the official codes of CycleGAN, CUT and MUNIT have them. Biases are 0."""

NORMS = ('instance', 'batch', 'none')
"""'instance' has no parameters, 'batch' is torch's; see layers/norm.py."""


def normaliser(norm: str, own_statistics: bool, name: str, track: bool = True) -> Callable:
  """x -> x normalised, within a module's compact call, whose parameters are called `name`.

  Args:
    own_statistics, track: those of TorchBatchNorm.
  """
  if norm == 'batch':
    init = lambda key, shape: 1 + INITS['normal'](key, shape)  # noqa: E731
    return functools.partial(TorchBatchNorm(own_statistics, init, name=name), track=track)
  return instance_normalise if norm == 'instance' else lambda x: x


def dropped(module: nn.Module, x: Array) -> Array:
  """Half of the values of x, doubled, where the stream 'step' is there, which is in training.

  All phases of a step drop the same ones: a network that runs in two of them is one network.
  """
  drop = nn.Dropout(0.5, rng_collection='step', deterministic=not module.has_rng('step'))
  return drop(x)


def own_styles(images: Array, size: int, seed: int) -> Array:
  """Styles [B, size] of N(0, I), each a function of its image [H, W, C] in [-1, 1] and of `seed`."""
  levels = jnp.rint(extent.cleared(images + 1).astype(jnp.float32) * 127.5).astype(jnp.uint32)
  levels = levels.reshape(images.shape[0], -1)
  weights = jax.random.bits(jax.random.key(seed), levels.shape[1:], jnp.uint32)
  weights = weights[extent.places(images)]
  sums = (levels * weights[None]).sum(-1)  # modulo 2**32
  key = jax.random.key(seed)
  draw = lambda n: jax.random.normal(jax.random.fold_in(key, n), (size,))  # noqa: E731
  return jax.vmap(draw)(sums)


def choice(field: str, value: str, known) -> str:
  """`value`, or UserError if `config.<field>` names none of `known`."""
  if value not in known:
    raise UserError(f'{field}={value!r} is unknown; there are {listing(known, 40)}.')
  return value


def check_multiple(shape: tuple[int, int], factor: int, why: str):
  """Raises UserError unless height and width of `shape` are multiples of `factor`."""
  for size in shape:
    if size < factor or size % factor:
      near = max(1, size // factor) * factor
      raise UserError(
        f'image_size={size} must be a multiple of {factor}, for {why}: try {near} or {near + factor}.'
      )
