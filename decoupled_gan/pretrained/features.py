"""Feature networks behind one interface: images in, features (and logits) out, over all devices.

A network's numbers never share a name with another's: see registry.py.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import sharding
from decoupled_gan.pretrained import efficientnet, inception, vgg, weights

BATCH = 32  # images a call, at least one for each device


@dataclass(frozen=True, eq=False)
class Network:
  """A frozen network: published, or a classifier that one trained oneself (`own`).

  Attributes:
    name: as it stands behind the @ of a metric.
    input_size: px, square.
    sha256: of the file that the weights come from; of one's own, of the weights.
    apply: (variables, images [N, S, S, 3] in 0..255) -> {'features': [N, D], 'logits': [N, K]}
      where the network has logits.
    variables: what `apply` needs.
    learn: (images uint8 [N, S, S, C], labels int [N], other images) -> logits [R, M, K] that R networks
      of its kind give the others, trained anew on the images; None of published ones.
  """

  name: str
  input_size: int
  sha256: str
  apply: Callable
  variables: Any
  learn: Callable | None = None


NETWORKS = {
  module.NAME: module for module in (inception, efficientnet, vgg)
}  # each has NAME, INPUT_SIZE, SHA256, build() and load()


OWN = 'own'
_provided: dict[str, Network] = {}


def provide(network: Network):
  """Makes a network known by its name, in place of what went by it before."""
  _provided[network.name] = network


def load(name: str) -> Network:
  """The network `name`; raises UserError if there is none or its weights cannot be had."""
  return _provided[name] if name in _provided else published(name)


def available(name: str) -> bool:
  """Whether the network works at once: its weights lie there, or come with a package."""
  return name == efficientnet.NAME or weights.path_of(NETWORKS[name].FILE).is_file()


@functools.cache
def published(name: str) -> Network:
  if name == OWN:
    raise UserError(
      'the feature network `own` is a classifier of yours, which has to be named: see evaluation.own.'
    )
  if name not in NETWORKS:
    raise UserError(f'there is no feature network {name!r}; there are {listing([*NETWORKS, OWN])}.')
  module = NETWORKS[name]
  network = module.build()
  variables = module.load()
  weights.check(variables, network, module.INPUT_SIZE, name)
  return Network(name, module.INPUT_SIZE, module.SHA256, network.apply, variables)


def extract(network: Network, images: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
  """What the network makes of images [S, S, 3] in 0..255, S its input size.

  Returns:
    'features' [N, D], and 'logits' [N, K] where the network has them, float32, in order.
  """
  mesh, forward, variables = _compiled(network)
  size = -(-BATCH // mesh.size) * mesh.size
  outputs, batch = [], []

  def run():
    filled = np.stack(batch + batch[-1:] * (size - len(batch)))
    found = forward(variables, sharding.shard_batch(mesh, filled))
    outputs.append({name: np.asarray(x)[: len(batch)] for name, x in found.items()})
    batch.clear()

  for image in images:
    batch.append(image)
    if len(batch) == size:
      run()
  if batch:
    run()
  return {name: np.concatenate([x[name] for x in outputs]) for name in outputs[0]}


@functools.cache
def _compiled(network: Network):
  """The network over this host's devices: a mesh, a compiled function, replicated weights."""
  devices = jax.local_devices()
  mesh = jax.make_mesh((len(devices),), ('data',), axis_types=(AxisType.Auto,), devices=devices)
  rows, everywhere = (NamedSharding(mesh, spec) for spec in (P('data'), P()))
  forward = sharding.exact(network.apply)
  forward = sharding.jit(forward, in_shardings=(everywhere, rows), out_shardings=rows)
  return mesh, forward, sharding.replicate(mesh, network.variables)
