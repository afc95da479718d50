"""The event `clusters`: k-means on the discriminator's features labels the training examples.

Self-Conditioned GAN (Liu et al., CVPR 2020, arXiv 2006.10728), train.py and clusterers/selfcondgan.py.
At step 0 k-means++ finds K clusters among the features of the untrained discriminator; at each further
event k-means goes on from the means of the new features of each old cluster, and new clusters get the
numbers of the old ones that they overlap with most, so that a number keeps its meaning for both
networks.

*Where we differ*: the official code labels batches by a frozen copy of D, which sees them mirrored and
dequantised anew; here the whole set is labelled at the event, by its examples as they are, and the
labels are kept, [N] (the same up to that noise, much smaller, exactly resumable). A cluster that no
example is left in starts at the example that is farthest from its own centre, where the official code
fails.
"""

import jax
import numpy as np

from decoupled_gan.core.method import Event
from decoupled_gan.core.state import TrainState, inference_variables
from decoupled_gan.core.types import Array
from decoupled_gan.terms.scenes.clustered import SHARES

STARTS = 10  # of k-means++, the first time
AT_ONCE = 256  # examples


def cluster(run, state: TrainState, dataset, step: int):
  """(state with the labels of all training examples and the shares of the clusters, dataset)."""
  features = features_of(run, state, dataset)
  seed, count = run.config.seed, run.config.data.clusters
  fitted = np.random.default_rng(seed).permutation(len(features))[: run.config.data.clusters_from]
  if step == 0:
    labels = first_clusters(features, fitted, count, seed)
  else:
    labels = next_clusters(features, fitted, count, np.asarray(state.memory['clusters']['labels']))
  shares = np.bincount(labels, minlength=count) / len(labels)
  terms = {**state.stats['terms'], SHARES: shares.astype(np.float32)}
  memory = {**state.memory, 'clusters': {'labels': labels.astype(np.int32)}}
  return placed(run, state, terms, memory), dataset


def placed(run, state: TrainState, terms, memory) -> TrainState:
  """The state with other memory and terms, on the run's devices."""
  terms, memory = jax.device_put((terms, memory), run.state_sharding)
  return state.replace(stats={**state.stats, 'terms': terms}, memory=memory)


def features_of(run, state: TrainState, dataset) -> np.ndarray:
  """float32 [N, F] of the training examples, as the discriminator in evaluation mode gives them."""

  def look(gan, x: Array) -> Array:
    return gan.discriminator.features(x).reshape(len(x), -1)

  forward, variables = run.compiled(look), inference_variables(state)
  found = [np.asarray(forward(variables, x)) for x in run.examples(dataset.train.x, AT_ONCE)]
  return np.concatenate(found)[: len(dataset.train.x)]


def first_clusters(features: np.ndarray, fitted: np.ndarray, count: int, seed: int) -> np.ndarray:
  """The cluster of each example, [N], by k-means++ with STARTS starts on the examples `fitted`."""
  from sklearn.cluster import KMeans

  found = KMeans(count, n_init=STARTS, random_state=seed % 2**32).fit(features[fitted])
  return found.predict(features)


def next_clusters(
  features: np.ndarray, fitted: np.ndarray, count: int, old: np.ndarray
) -> np.ndarray:
  """The same from the means of the old clusters on, under the old clusters' numbers."""
  from sklearn.cluster import KMeans

  start = centres_of(features[fitted], old[fitted], count)
  found = KMeans(count, init=start, n_init=1).fit(features[fitted])
  return matched(old[fitted], found.labels_, count)[found.predict(features)]


def centres_of(features: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
  """[K, F]: the mean of each cluster; of an empty one the example that is farthest from its mean."""
  sizes = np.bincount(labels, minlength=count)
  sums = np.zeros((count, features.shape[1]))
  np.add.at(sums, labels, features)
  centres = sums / np.maximum(sizes, 1)[:, None]
  away = np.square(features - centres[labels]).sum(1)
  lost = np.flatnonzero(sizes == 0)
  centres[lost] = features[np.argsort(-away, kind='stable')[: len(lost)]]
  return centres.astype(features.dtype)


def matched(old: np.ndarray, new: np.ndarray, count: int) -> np.ndarray:
  """[K]: which old cluster each new one is, one to one, with the most examples in common (Hungarian)."""
  from scipy.optimize import linear_sum_assignment

  common = np.zeros((count, count), int)
  np.add.at(common, (new, old), 1)
  return linear_sum_assignment(-common)[1]


EVENT = Event(
  'clusters',
  cluster,
  memory=lambda config, dataset: {'labels': np.zeros(len(dataset.train.x), np.int32)},
)
