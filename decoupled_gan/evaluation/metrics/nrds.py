"""NRDS, the normalised relative discriminative score of Zhang, Song and Qi (WACV 2018).

One classifier learns to tell real images from the pooled fakes of all methods. After each epoch its
output is averaged over all the fakes of each method: the longer a method's fakes pass for real, the
larger the area under its curve.

  area_i = trapezoidal rule over epochs, of unit spacing;  NRDS_i = area_i / sum over methods of area_j

Scores sum to 1, and 1/n is par. They are relative: another set of methods gives other scores, which
cannot be compared with these. The real curve is recorded, and takes no part.

Where we differ from the official code: every method gives as many images to an epoch, so that a large
folder does not train the classifier against its method (`balanced`; the official pool is not); images
are not stretched to the full range first, which would hide differences of brightness and contrast
between methods; and the spread over seeds is told, since the differences are often within it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from decoupled_gan.core.images import to_float
from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers.conv import SameConv
from decoupled_gan.losses.adversarial import logistic
from decoupled_gan.machine import sharding

REAL = 'real'


class Setting(NamedTuple):
  """How the classifier is built and trained.

  Attributes:
    image_size: px; images are resized to it.
    width: channels of the first layer.
    batch_size: real images of a step, and as many fakes.
    epochs: points of a curve. An epoch is min(real images, pooled fakes) / batch_size steps.
    learning_rate: of Adam with b1 = 0.5.
    balanced: whether each method gives as many fakes to an epoch as any other.
  """

  image_size: int = 128
  width: int = 64
  batch_size: int = 1
  epochs: int = 20
  learning_rate: float = 2e-4
  balanced: bool = True


CLASSIFIERS = {'published': Setting(), 'small': Setting(image_size=64, width=16, batch_size=4)}


class Classifier(nn.Module):
  """Images [B, S, S, C] -> logits [B] of being real: the discriminator of ED//GAN's face form, without
  labels and without normalisation. 37,863,041 parameters at 128 px and width 64."""

  width: int = 64

  @nn.compact
  def __call__(self, x: Array) -> Array:
    normal, cut = nn.initializers.normal(0.02), nn.initializers.truncated_normal(0.02)
    for i in range(4):
      x = nn.relu(SameConv(self.width * 2**i, kernel_init=cut, name=f'conv_{i}')(x))
    x = nn.Dense(16 * self.width, kernel_init=normal, name='features')(x.reshape(len(x), -1))
    return nn.Dense(1, kernel_init=normal, name='logit')(nn.leaky_relu(x, 0.2))[:, 0]


def scores(curves: Mapping[str, Any]) -> dict[str, float]:
  """{method: NRDS} from {method: the classifier's mean output on its fakes after each epoch [T]}.

  Raises:
    UserError: fewer than two methods, curves of different lengths, or of less than two epochs.
  """
  if len(curves) < 2:
    raise UserError(f'NRDS compares methods: it needs two or more, found {listing(curves)}.')
  lengths = {name: len(curve) for name, curve in curves.items()}
  if len(set(lengths.values())) > 1 or min(lengths.values()) < 2:
    raise UserError(f'NRDS needs curves of one length, of two epochs or more; found {lengths}.')
  areas = {name: np.trapezoid(np.asarray(curve, np.float64)) for name, curve in curves.items()}
  return {name: float(area / sum(areas.values())) for name, area in areas.items()}


def curves(
  real: np.ndarray, fakes: Mapping[str, np.ndarray], setting: Setting, seed: int = 0
) -> dict[str, np.ndarray]:
  """Trains a classifier and records its mean output after each epoch, {name: [epochs]}.

  Args:
    real: uint8 [N, S, S, C].
    fakes: {method: uint8 [N_i, S, S, C]}.

  Returns:
    The curves of all methods, and of 'real'.
  """
  net, adam = Classifier(setting.width), optax.adam(setting.learning_rate, b1=0.5)
  params = sharding.jit(net.init, quick=True)(jax.random.key(seed), to_float(real[:1]))['params']
  opt = adam.init(params)

  @sharding.jit
  def step(params, opt, real, fake):
    def loss(params):
      logits = net.apply({'params': params}, to_float(jnp.concatenate([real, fake])))
      return logistic(logits[: len(real)], True) + logistic(logits[len(real) :], False)

    updates, opt = adam.update(jax.grad(loss)(params), opt)
    return optax.apply_updates(params, updates), opt

  @sharding.jit
  def output(params, images):
    return jax.nn.sigmoid(net.apply({'params': params}, to_float(images)))

  rng = np.random.default_rng(seed)
  found = {name: [] for name in (REAL, *fakes)}
  for _ in range(setting.epochs):
    for chosen_real, chosen_fake in epoch(real, fakes, setting, rng):
      params, opt = step(params, opt, chosen_real, chosen_fake)
    for name, images in {REAL: real, **fakes}.items():
      found[name].append(_mean(lambda x, params=params: output(params, x), images))
  return {name: np.array(curve) for name, curve in found.items()}


def epoch(real: np.ndarray, fakes: Mapping[str, np.ndarray], setting: Setting, rng):
  """The (real, fake) batches of one epoch, each [batch_size, S, S, C]."""
  orders = [[(name, i) for i in rng.permutation(len(x))] for name, x in fakes.items()]
  if setting.balanced:
    least = min(map(len, orders))
    orders = [order[:least] for order in orders]
  pool = [entry for order in orders for entry in order]
  pool = [pool[i] for i in rng.permutation(len(pool))]
  order, size = rng.permutation(len(real)), setting.batch_size
  for start in range(0, min(len(real), len(pool)) // size * size, size):
    fake = np.stack([fakes[name][i] for name, i in pool[start : start + size]])
    yield real[order[start : start + size]], fake


def _mean(function, images: np.ndarray, size: int = 50) -> float:
  """The mean of function(images) over batches of one shape: the last is filled up, and cut again."""
  values = []
  for start in range(0, len(images), size):
    which = np.minimum(np.arange(start, start + size), len(images) - 1)
    values.append(np.asarray(function(images[which]))[: len(images) - start])
  return float(np.concatenate(values).mean())
