"""The event `instances`: once, before the first step, the nearest neighbours of all training examples.

IC-GAN (Casanova et al., NeurIPS 2021, arXiv 2109.05070), data_utils/. Features of length 1, Euclidean
neighbours, an example none of its own. `config.data.features` is 'pixels', or the path of an .npy file
[N, F] with a row for each training example in the order of the data set, by whatever network. With
`data.mirror` mirror images are examples, too, behind all others, and have features of their own.

Afterwards the data set has k examples for each training example i, its neighbours, so that example e is
a neighbour of i = e // k: an epoch shows each pair once. The features are kept with the run, which
costs N x F numbers on the device.

*Where we differ*: what is drawn after training is conditioned on M examples, the nearest to M means of
k-means.
"""

from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from decoupled_gan.core.method import Event
from decoupled_gan.core.state import TrainState
from decoupled_gan.core.types import example_size
from decoupled_gan.errors import UserError
from decoupled_gan.methods.events.clusters import placed
from decoupled_gan.terms.scenes.instances import KEPT

AT_ONCE = 256  # examples
PIXELS = 'pixels'


def find(run, state: TrainState, dataset, step: int):
  """(state with features and neighbours, the data set of neighbours)."""
  features, config = features_of(run, dataset), run.config
  neighbours = nearest(features, config.data.neighbours)
  kept = features[representatives(features, config.data.instances, config.seed)]
  memory = {**state.memory, 'instances': {'features': features, 'neighbours': neighbours}}
  state = placed(run, state, {**state.stats['terms'], KEPT: kept}, memory)
  return state, run.chosen(dataset, neighbours.ravel())


def recall(run, state: TrainState, dataset):
  """The data set of neighbours, where a run goes on."""
  return run.chosen(dataset, np.asarray(state.memory['instances']['neighbours']).ravel())


def memory(config: ConfigDict, dataset) -> dict:
  """What the event keeps, before there is any."""
  count, k = len(dataset.train.x), config.data.neighbours
  if not 0 < k < count:
    raise UserError(f'data.neighbours={k}: each of {count} examples has 1 to {count - 1} others.')
  return {
    'features': np.zeros((count, size_of(config)), np.float32),
    'neighbours': np.zeros((count, k), np.int32),
  }


def size_of(config: ConfigDict) -> int:
  """F, as it was settled when training began; 0 where no features are asked for."""
  return config.data.features_size or settle(config)['data.features_size']


def settle(config: ConfigDict) -> dict[str, int]:
  """F by the features themselves. Raises UserError if there is no such file."""
  name = config.data.features
  if name in ('', PIXELS):
    return {'data.features_size': example_size(config) if name else 0}
  if not Path(name).expanduser().is_file():
    raise UserError(f"data.features={name!r} is no file; 'pixels', or an .npy file of [N, F].")
  return {'data.features_size': _read(name).shape[1]}


def features_of(run, dataset) -> np.ndarray:
  """float32 [N, F], rows of length 1."""
  count, name = len(dataset.train.x), run.config.data.features
  if name == PIXELS:
    parts = [np.asarray(x, np.float32) for x in run.examples(dataset.train.x, AT_ONCE)]
    found = np.concatenate(parts)[:count].reshape(count, -1)
  else:
    found = np.asarray(_read(name), np.float32)
  if len(found) != count:
    rows = len(found)
    mirrored = ', half of which are mirror images, behind the others' if run.config.data.mirror else ''
    raise UserError(f'data.features={name!r} has {rows} rows, and {count} examples are there{mirrored}.')
  return unit(found)


def _read(name: str) -> np.ndarray:
  found = np.load(Path(name).expanduser(), mmap_mode='r')
  if found.ndim != 2:
    raise UserError(f'data.features={name!r} has the shape {found.shape}; it has to be [N, F].')
  return found


def unit(x: np.ndarray) -> np.ndarray:
  """Rows of length 1."""
  return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def nearest(features: np.ndarray, k: int) -> np.ndarray:
  """int32 [N, k]: the nearest others of each row, the nearest first."""
  from sklearn.neighbors import NearestNeighbors

  found = NearestNeighbors(n_neighbors=k).fit(features)
  return found.kneighbors(return_distance=False).astype(np.int32)


def representatives(features: np.ndarray, count: int, seed: int) -> np.ndarray:
  """int [count]: the rows that are nearest to means of k-means; all in turn, if there are no more."""
  if len(features) <= count:
    return np.arange(count) % len(features)
  from sklearn.cluster import KMeans
  from sklearn.metrics import pairwise_distances_argmin

  means = KMeans(count, n_init=1, random_state=seed % 2**32).fit(features).cluster_centers_
  return pairwise_distances_argmin(means, features)


EVENT = Event('instances', find, memory, recall, settle)
