"""BAGAN: data augmentation with balancing GAN (Mariani et al., 2018, arXiv 1803.09655; IBM/BAGAN).

Of data where some classes are rare a GAN is to draw as many images of each class. It begins as an
autoencoder, which all classes train, and each class is a Gaussian of the autoencoder's codes.

  phase         loss      trains              when       what happens
  reconstruct   mse       encoder, generator  stage one  mean (G(E(x)) - x)^2
  discriminate  classify  discriminator       stage two  K + 1 classes: B real examples of their own, and
                                                         ceil(B / K) fakes of the class `fake`, one mean
  generate      classify  generator           stage two  B + ceil(B / K) new fakes count as real ones of
                                                         the class that they were drawn for

There is no other game. Stages are windows of the phases. Where stage two begins, the event `initialise`
gives the discriminator the encoder's trunk (not its last layer), finds the mean and the covariance (by
N - 1) of the codes of each class, with the encoder in evaluation mode, once and for all, and makes the
optimizers of generator and discriminator anew. Real batches come as the data are, unbalanced; classes of
fakes are drawn evenly, or, `model.balance='rebalance'`, by what each lacks: 2/K less its share of the
data, nothing where that is negative. Each fake weighs as each real example in the discriminator's mean.

*Where we differ*: covariances of few images are singular, and codes are drawn by the roots of their
eigenvalues (the official code calls NumPy's multivariate_normal, which does so by an SVD).
"""

import math
from collections import OrderedDict
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Event, Method
from decoupled_gan.core.state import TrainState, inference_variables
from decoupled_gan.core.types import Array, Examples, square_size
from decoupled_gan.errors import UserError, listing
from decoupled_gan.losses import f32, pixels
from decoupled_gan.networks import bagan

BALANCES = ('uniform', 'rebalance')
AT_ONCE = 256  # examples


class BAGAN(nn.Module):
  """`encoder`: images -> codes; `generator`: codes -> images; `discriminator`: K + 1 logits.

  The collection `gaussians` has the mean [K, Z] and a root [K, Z, Z] of the covariance of each class,
  and the shares [K] in which classes are drawn.
  """

  generator: nn.Module
  encoder: nn.Module
  discriminator: nn.Module
  classes: int
  z_dim: int

  def setup(self):
    k, z = self.classes, self.z_dim
    self.means = self.variable('gaussians', 'means', jnp.zeros, (k, z))
    self.factors = self.variable('gaussians', 'factors', lambda: jnp.tile(jnp.eye(z)[None], (k, 1, 1)))
    self.shares = self.variable('gaussians', 'shares', lambda: jnp.full(k, 1 / k))

  def codes(self, normal: Array, classes: Array) -> Array:
    """Codes [B, Z] of classes int [B], of standard normal numbers [B, Z]."""
    means, factors = (jnp.asarray(x.value)[classes] for x in (self.means, self.factors))
    return means + jnp.einsum('bij,bj->bi', factors, normal)

  def drawn(self, count: int) -> tuple[Array, Array]:
    """(codes [count, Z], their classes int [count])."""
    noise = jax.random.split(self.make_rng('noise'))
    classes = jax.random.categorical(noise[0], jnp.log(self.shares.value), shape=(count,))
    return self.codes(jax.random.normal(noise[1], (count, self.z_dim)), classes), classes


def fakes_beside(count: int, classes: int) -> int:
  """How many fakes the discriminator sees beside so many real examples."""
  return math.ceil(count / classes)


def told_apart(logits: Array, classes: Array) -> Array:
  """The mean cross entropy of logits [N, K + 1] and classes [N]."""
  return optax.softmax_cross_entropy_with_integer_labels(f32(logits), classes).mean()


def reconstruct(gan: BAGAN, batch: Examples) -> dict:
  """Give examples back from their codes: trains encoder and generator."""
  return {'mse': lambda: pixels.mse(gan.generator(gan.encoder(batch.x)), batch.x)}


def discriminate(gan: BAGAN, batch: Examples) -> dict:
  """Tell the classes of real examples, and fakes: trains the discriminator."""

  def classify():
    codes, _ = gan.drawn(fakes_beside(len(batch.x), gan.classes))
    fake = stop_gradient(gan.generator(codes))
    classes = jnp.concatenate([batch.labels[:, 0], jnp.full(len(fake), gan.classes)])
    return told_apart(gan.discriminator(jnp.concatenate([batch.x, fake])), classes)

  return {'classify': classify}


def generate(gan: BAGAN, batch: Examples) -> dict:
  """Make what counts as a real example of its class: trains the generator."""

  def classify():
    codes, classes = gan.drawn(len(batch.x) + fakes_beside(len(batch.x), gan.classes))
    return told_apart(gan.discriminator(gan.generator(codes)), classes)

  return {'classify': classify}


def rebalanced(shares: Sequence[float]) -> np.ndarray:
  """The shares [K] in which fakes are drawn of data with these shares of the classes."""
  lacking = np.maximum(2 / len(shares) - np.asarray(shares, np.float64), 0)
  return lacking / lacking.sum()


def gaussian(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """(the mean [Z], a root [Z, Z] of the covariance) of codes [N, Z]; of one code the root is 0."""
  mean = codes.mean(0)
  covariance = np.cov(codes.T, ddof=1) if len(codes) > 1 else np.zeros((codes.shape[1],) * 2)
  values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
  return mean, vectors * np.sqrt(np.maximum(values, 0))[None]


def initialise(run, state: TrainState, dataset, step: int):
  """(the state that stage two begins with, dataset), if it begins at this step."""
  if step != run.config.events.initialise:
    return state, dataset
  labels, classes = dataset.train.labels[:, 0], run.gan.classes
  counts = np.bincount(labels, minlength=classes)
  if (counts == 0).any():
    raise UserError(f'method=bagan: class {int(counts.argmin())} has no training example.')
  forward, variables = run.compiled(lambda gan, x: gan.encoder(x)), inference_variables(state)
  found = [np.asarray(forward(variables, x)) for x in run.examples(dataset.train.x, AT_ONCE)]
  codes = np.concatenate(found)[: len(labels)].astype(np.float64)
  means, factors = zip(*(gaussian(codes[labels == k]) for k in range(classes)), strict=True)
  even = run.config.model.balance == 'uniform'
  shares = np.full(classes, 1 / classes) if even else rebalanced(counts / counts.sum())
  gaussians = {'means': np.stack(means), 'factors': np.stack(factors), 'shares': shares}
  gaussians = jax.tree.map(lambda x: x.astype(np.float32), gaussians)
  trunk = jax.tree.map(jnp.copy, state.params['encoder']['trunk'])
  params = {**state.params, 'discriminator': {**state.params['discriminator'], 'trunk': trunk}}
  opt = {group: run.optimizers[group].init(params[group]) for group in ('discriminator', 'generator')}
  gaussians, opt = jax.device_put((gaussians, opt), run.state_sharding)
  stats = {**state.stats, 'gaussians': gaussians}
  return state.replace(params=params, stats=stats, opt={**state.opt, **opt}), dataset


def build(config: ConfigDict) -> BAGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, counts = config.model, list(map(len, config.attributes.values()))
  if len(counts) != 1 or counts[0] < 2:
    raise UserError(
      'method=bagan goes by the classes of one attribute: name data with labels, such as the word '
      f'labelled_digits; there are {len(counts)} attributes.'
    )
  size = 0 if config.vector_size else square_size(config)
  if size < 2 * model.start or (size // model.start) & (size // model.start - 1) or size % model.start:
    raise UserError(
      f'method=bagan makes squares of model.start={model.start} px doubled some times, and these '
      f'are of {size} px: name another model.start.'
    )
  if model.balance not in BALANCES:
    raise UserError(f'model.balance={model.balance!r} is unknown; there are {listing(BALANCES)}.')
  begin = config.events.get('initialise', 0)
  windows = {name: tuple(config.window.get(name, (0, 0))) for name in config.routes}
  asked = {'reconstruct': (0, begin), 'discriminate': (begin, 0), 'generate': (begin, 0)}
  if begin < 1 or windows != asked:
    raise UserError(
      f'method=bagan has two stages: events.initialise is the step at which the second begins, '
      f'and windows are {asked}; they are {windows}.'
    )
  dtype = jnp.dtype(config.compute_dtype)

  def headed(outputs: int) -> nn.Module:
    return bagan.Headed(bagan.Trunk(model.start, model.width, dtype), outputs)

  return BAGAN(
    generator=bagan.Generator(size, config.image_channels, model.start, model.width, dtype),
    encoder=headed(model.z_dim),
    discriminator=headed(counts[0] + 1),
    classes=counts[0],
    z_dim=model.z_dim,
  )


def style(gan: BAGAN, z: Array, truncation: float) -> Array:
  """Standard normal z [B, Z], which a class makes codes of; truncation scales them."""
  return z * truncation


def draw(gan: BAGAN, codes: Array, noise: str, labels: Array) -> Array:
  """Images of what `style` gives, of the classes `labels` [B, 1]; `noise` is of no use here."""
  return gan.generator(gan.codes(codes, labels[:, 0]))


def judge(gan: BAGAN, x: Array, labels: Array | None = None) -> Array:
  """Log odds [B, 1] of being real, of any class."""
  logits = f32(gan.discriminator(x))
  return jax.nn.logsumexp(logits[:, :-1], 1, keepdims=True) - logits[:, -1:]


def sample(gan: BAGAN, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: given, given back, and drawn of the same classes."""
  z = jax.random.normal(jax.random.key(0), (2, len(batch.x), gan.z_dim))
  drawn = [draw(gan, y, '', batch.labels) for y in z]
  rebuilt = gan.generator(gan.encoder(batch.x))
  return OrderedDict(real=batch.x, rebuilt=rebuilt, generated=drawn[0], more=drawn[1])


METHOD = Method(
  batch=Examples,
  objectives={'reconstruct': reconstruct, 'discriminate': discriminate, 'generate': generate},
  build=build,
  sample=sample,
  style=style,
  draw=draw,
  conditional=True,
  judge=judge,
  events=(Event('initialise', initialise),),
)
