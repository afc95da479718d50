"""The feature network `own`: a classifier that was trained on the data that is measured.

`--own=<workdir>` (while a run trains: config.evaluation.own) names a run of a method that can
`classify`. Metrics take its features by `@own`, as in `fd_1k@own` or `kid@own`, and its logits of the
first attribute where they need classes. Numbers are comparable only where the network is the same: its
hash is in each line of evaluations.jsonl. A Frechet distance with it is called fd, never fid.

Some metrics (`cas`) take of it not its weights but how it was trained, see retraining.py.
"""

import functools
import hashlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from decoupled_gan.core.types import image_shape
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import retraining
from decoupled_gan.evaluation.metrics.registry import Request
from decoupled_gan.pretrained import features
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

GREY = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow's 'L'


def provide(where: str, requests: Sequence[Request]):
  """Makes the classifier in the workdir `where` the network `own`, if a request asks for it.

  Raises UserError if none is named, or the run there is no classifier of square images.
  """
  if not any(request.network == features.OWN for request in requests):
    return
  if not where:
    raise UserError(
      'the feature network `own` is a classifier of yours: train one (--config=configs/classifier.py '
      'with the data set) and name its workdir, --own=runs/classifier.'
    )
  try:
    features.provide(network_of(where))
  except UserError as error:
    raise UserError(f'own={where}: {error}') from error


def network_of(where: str) -> features.Network:
  """The classifier in a workdir as a feature network."""
  trained = inference.load(Workdir(where))
  run, method = trained.run, trained.run.method
  run.require('classify')
  height, width = image_shape(run.config)
  if run.config.vector_size or height != width:
    raise UserError('its classifier is not one of square images, which is what metrics are of.')
  channels, attribute = run.config.image_channels, run.gan.attributes[0]

  def apply(variables, images):
    if channels == 1:
      images = (images * jnp.array(GREY)[None, None, None]).sum(-1, keepdims=True)
    found = run.gan.apply(variables, images / 127.5 - 1, method=method.classify)[attribute]
    return {'features': found.features} | ({} if found.logits is None else {'logits': found.logits})

  variables = jax.device_get(trained.variables)
  learn = functools.partial(retraining.answers, run.config, attribute)
  return features.Network(features.OWN, height, _hash(variables), apply, variables, learn)


def _hash(variables) -> str:
  """Of all numbers of a pytree, by their paths."""
  found = hashlib.sha256()
  for path, x in jax.tree_util.tree_flatten_with_path(variables)[0]:
    found.update(jax.tree_util.keystr(path).encode() + np.asarray(x).tobytes())
  return found.hexdigest()
