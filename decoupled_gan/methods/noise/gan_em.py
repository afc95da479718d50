"""GAN-EM: clusters by expectation and maximisation with a GAN (Zhao et al., IJCAI 2019).

arXiv 1812.00335; zhaowt61/GAN-EM: GANEM.py. The law of a cluster is what the generator makes under its
number, not a Gaussian. With w = softmax(E(x)), the shares of a real example in the K clusters, which are
constants:

  phase         loss      trains          BCE of logits, the mean over B x (K + 1)
  discriminate  cluster   discriminator   real: D(x) against [1, ..., 1, 0], elements weighted [w, 2];
                                          and fake: D(G(c, z)) against [0, ..., 0, 1]
  generate      cluster   generator       D(G(c, z)) against [one-hot of c, 0]
  assign        classify  assigner        cross entropy of E(G(c, z)) and c

A round is the M step, both first phases for some epochs, and then the E step, the last one alone:
windows that begin anew after `config.round_steps`. In the first round all shares are 1/K. Adam begins
each round with no moments (the event `renew`), at rates 0.98 times those of the round before. Clusters
come in equal numbers, in their order, so that batch normalisation sees all of them. The assigner learns
from images by the generator's running averages. The generator is told that its image is not of another
cluster, either.

*Where we differ*: whether the paper's own equations have the output K + 1 was not to be found; the code
has it. Real batches go on being drawn, unused, in E steps. Networks: see networks/em.py.
"""

from collections import OrderedDict

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Event, Method
from decoupled_gan.core.state import TrainState, clock
from decoupled_gan.core.types import Array, Examples, example_shape
from decoupled_gan.errors import UserError
from decoupled_gan.losses import f32
from decoupled_gan.networks import em

FAKE_WEIGHT = 2.0  # of the output `fake` on real examples


class GANEM(nn.Module):
  """`generator`: [c, z] -> examples; `discriminator`: K + 1 logits; `assigner`: K logits.

  Attributes:
    clusters: K.
    z_dim: of latents, U(0, 1); the generator's codes have K numbers more.
    assign_batch: fakes of an E step.
    round_steps: steps of the first round.
  """

  generator: nn.Module
  discriminator: nn.Module
  assigner: nn.Module
  clusters: int
  z_dim: int
  assign_batch: int
  round_steps: int

  def drawn(self, count: int) -> tuple[Array, Array]:
    """(codes [count, K + z_dim], their clusters int [count]), as many of each, in their order."""
    clusters = in_order(count, self.clusters)
    z = jax.random.uniform(self.make_rng('noise'), (count, self.z_dim))
    return self.coded(clusters, z), clusters

  def coded(self, clusters: Array, z: Array) -> Array:
    return jnp.concatenate([jax.nn.one_hot(clusters, self.clusters), z], -1)

  def shares(self, x: Array) -> Array:
    """w [B, K]; equal in the first round."""
    found = stop_gradient(jax.nn.softmax(f32(self.assigner(x))))
    return jnp.where(clock(self) < self.round_steps, jnp.full_like(found, 1 / self.clusters), found)


def in_order(count: int, clusters: int) -> np.ndarray:
  """0, ..., 0, 1, ..., 1, ...: count / clusters of each, rounded; the last has what is left."""
  each = round(count / clusters)
  return np.minimum(np.arange(count) // max(each, 1), clusters - 1)


def cross_entropy(logits: Array, targets: Array, weights: Array | float = 1.0) -> Array:
  """The mean over all elements of weight x BCE of logits."""
  return (weights * optax.sigmoid_binary_cross_entropy(f32(logits), targets)).mean()


def on_real(logits: Array, shares: Array) -> Array:
  """What the discriminator minimises on real examples: logits [B, K + 1], shares [B, K]."""
  targets = jnp.ones_like(logits).at[:, -1].set(0)
  weights = jnp.concatenate([shares, jnp.full_like(shares[:, :1], FAKE_WEIGHT)], -1)
  return cross_entropy(logits, targets, weights)


def on_fake(logits: Array) -> Array:
  """What it minimises on fakes."""
  return cross_entropy(logits, jnp.zeros_like(logits).at[:, -1].set(1))


def of_cluster(logits: Array, clusters: Array) -> Array:
  """What the generator minimises: logits [B, K + 1] on fakes of the clusters [B]."""
  return cross_entropy(logits, jax.nn.one_hot(clusters, logits.shape[1]))


def discriminate(gan: GANEM, batch: Examples) -> dict:
  """Tell real examples of each cluster from fakes: trains the discriminator."""
  fake = stop_gradient(gan.generator(gan.drawn(len(batch.x))[0]))
  real = on_real(gan.discriminator(batch.x), gan.shares(batch.x))
  return {'cluster': real + on_fake(gan.discriminator(fake))}


def generate(gan: GANEM, batch: Examples) -> dict:
  """Make examples of a cluster that count as real: trains the generator."""
  codes, clusters = gan.drawn(len(batch.x))
  return {'cluster': of_cluster(gan.discriminator(gan.generator(codes)), clusters)}


def assign(gan: GANEM, batch: Examples) -> dict:
  """Tell which cluster a fake is of: trains the assigner."""
  codes, clusters = gan.drawn(gan.assign_batch)
  module, variables = gan.generator.unbind()
  fake = stop_gradient(module.apply(variables, codes))  # by running averages
  logits = f32(gan.assigner(fake))
  return {'classify': optax.softmax_cross_entropy_with_integer_labels(logits, clusters).mean()}


def renew(run, state: TrainState, dataset, step: int):
  """(state whose optimizers have seen nothing, dataset)."""
  fresh = {group: run.optimizers[group].init(state.params[group]) for group in state.opt}
  return state.replace(opt=jax.device_put(fresh, run.state_sharding)), dataset


def build(config: ConfigDict) -> GANEM:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model = config.model
  shape = example_shape(config)
  if model.channels and (len(shape) == 1 or any(n % 8 for n in shape[:2])):
    raise UserError(
      f'model.channels={model.channels}: its convolutions take images of edges that 8 divides; '
      'model.channels=0 takes others, and points.'
    )
  if model.clusters < 2:
    raise UserError(f'model.clusters={model.clusters}: there have to be two at least.')
  first, renewed = config.window.get('assign', (0, 0))[0], config.events.get('renew', 0)
  if not 0 < first < config.round_steps or renewed != config.round_steps:
    raise UserError(
      'method=gan_em plays in rounds: round_steps and events.renew are their length, and window.assign '
      f'begins within it; they are {config.round_steps} and {renewed}, and it begins at {first}.'
    )
  dtype = jnp.dtype(config.compute_dtype)
  of_size = {'width': model.width, 'channels': model.channels, 'dtype': dtype}
  return GANEM(
    generator=em.Generator(shape, **of_size),
    discriminator=em.Judge(model.clusters + 1, **of_size, normed=True),
    assigner=em.Judge(model.clusters, **of_size, normed=False),
    clusters=model.clusters,
    z_dim=model.z_dim,
    assign_batch=model.assign_batch,
    round_steps=config.round_steps,
  )


def style(gan: GANEM, z: Array, truncation: float) -> Array:
  """Codes of standard normal z [B, z_dim], whose first number chooses the cluster.

  Where it is within that cluster's part of the line is uniform again, and the first latent. There is no
  truncation: latents are uniform.
  """
  uniform = jax.scipy.stats.norm.cdf(z)
  place = uniform[:, :1] * gan.clusters
  clusters = jnp.minimum(jnp.floor(place), gan.clusters - 1)
  uniform = jnp.concatenate([place - clusters, uniform[:, 1:]], 1)
  return gan.coded(clusters[:, 0].astype(int), uniform)


def draw(gan: GANEM, codes: Array, noise: str) -> Array:
  """Examples of codes; `noise` is of no use here."""
  return gan.generator(codes)


def sample(gan: GANEM, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: real examples, and a column of drawings for each cluster."""
  z = jax.random.uniform(jax.random.key(0), (len(batch.x), gan.z_dim))
  rows = [(f'cluster {k}', jnp.full(len(z), k)) for k in range(gan.clusters)]
  return OrderedDict(real=batch.x, **{name: gan.generator(gan.coded(k, z)) for name, k in rows})


METHOD = Method(
  batch=Examples,
  objectives={'discriminate': discriminate, 'generate': generate, 'assign': assign},
  build=build,
  sample=sample,
  style=style,
  draw=draw,
  assign=lambda gan, x: gan.assigner(x),
  events=(Event('renew', renew),),
)
