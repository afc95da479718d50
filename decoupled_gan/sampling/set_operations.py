"""S2M: from single to multiple labels, samples of what several classes share (Cho et al., NeurIPS 2022).

arXiv 2206.05764. Each training example has one label, though it may be of several classes. Wanted are
examples of all classes I and of none of J, which no label says. Three classifiers on one trunk tell real
examples from the generator's (D_v), the label of a real example (D_r) and, where the generator is told a
class, that of a generated one (D_f). With p_g(x | c) the generator's law, c the first of I, the ratio of
the wanted density to it is, up to a factor,

  r(x) = max(0, min_{i in I} g_i D_r(i | x) - max_{j in J} g_j D_r(j | x))
  t(x) = r(x) D_v(x) / (1 - D_v(x)) / D_f(c | x)

g_i = P(an example is of class i) / p_data(label i). Fakes are proposals of a Metropolis-Hastings chain,
whatever it is at, and y is taken from x with probability min(1, t(y) / (t(x) + 1e-5)). A sample is the
last state of a chain of its own. This assumes that the densities of examples of one class alone do not
overlap. A common factor of all g_i changes nothing: they are 1 where nobody names them (--gammas).

*Where we differ.* Of the released configurations the numbers of steps, the temperatures by which logits
of D_r and D_v are divided, and the g_i were not to be found: 200 proposals, temperatures of 1; D_v is
calibrated on held-out examples as for the other samplers. The classifiers (the trunk `convnet` of
classifiers, of points a perceptron) and their training are ours. Their latent adaptation (proposals of a
Gaussian mixture that is fitted to accepted latents) is not here.

Measured: benchmarks/set_operations.py --seeds=0 (digits7to3, an unconditional GAN with R1, one seed, 200
images of each set): the share of images of the set, before and after. A 0.528, 0.965; A and B 0.223,
0.685; all three 0.132, 0.450; A without B 0.305, 0.830; A alone 0.153, 0.780; A and B without C 0.092,
0.710. Parts of a set do not come evenly: of A the digits 0, 3, 4, 6 in 0.505, 0.075, 0.180, 0.205.
With --conditional, a GAN that is told the class (seed 0): A 0.970, 1.000; A and B 0.380, 0.855; all
three 0.125, 0.825; A without B 0.590, 0.745; A and B without C 0.255, 0.405; but A alone 0.385, 0.325.
There parts of a set do not come evenly at all: what is of A and B was 0.130 threes and 0.725 sixes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.layers.linear import Linear
from decoupled_gan.losses import f32
from decoupled_gan.networks.classifier import ConvNet
from decoupled_gan.sampling import metropolis
from decoupled_gan.sampling.calibration import Calibration
from decoupled_gan.sampling.frozen import Frozen

STEPS = 200
EPS = 1e-5
RATE = 1e-3  # of Adam
MOST = 30.0  # log odds: their ratios stay finite


class Wanted(NamedTuple):
  """The classes that samples are of, `of`, and those that they are not of, and the weight of each class.

  Attributes:
    temperatures: what logits of D_r and log odds of D_v are divided by.
    told: the class that the generator is told; None where it is told none.
  """

  of: tuple[int, ...]
  without: tuple[int, ...]
  gammas: tuple[float, ...]
  temperatures: tuple[float, float]
  told: int | None


class Told(NamedTuple):
  """Log odds of being real [B]; logits of the label of a real example [B, K], and of a fake [B, K]."""

  real: Array
  real_class: Array
  fake_class: Array


class Judges(nn.Module):
  """Examples -> Told. Half of the trunk's features are dropped where noise is given, in training."""

  classes: int

  @nn.compact
  def __call__(self, x: Array) -> Told:
    if x.ndim == 4:
      x = ConvNet(name='trunk')(x)
    else:
      for i in range(2):
        x = nn.relu(Linear(128, name=f'hidden_{i}')(x))
    x = nn.Dropout(0.5, rng_collection='noise')(nn.relu(f32(x)), deterministic=not self.has_rng('noise'))
    heads = {'real': 1, 'real_class': self.classes, 'fake_class': self.classes}
    found = {name: nn.Dense(count, name=name)(x) for name, count in heads.items()}
    return Told(**found | {'real': found['real'][:, 0]})


def error(real: Told, fake: Told, labels: Array, conditional: bool) -> Array:
  """L_v + L_r + L_f of as many real examples and fakes, under labels [B] alike; each a cross entropy.

  Args:
    conditional: whether fakes were made for the labels; if not, L_f is left out.
  """
  of_class = optax.softmax_cross_entropy_with_integer_labels
  told_apart = (jax.nn.softplus(-real.real).mean() + jax.nn.softplus(fake.real).mean()) / 2
  classes = of_class(real.real_class, labels).mean()
  return told_apart + classes + (of_class(fake.fake_class, labels).mean() if conditional else 0.0)


def taught(
  frozen: Frozen, judges: Judges, params, memory, examples: Array, labels: Array, seeds: Array,
  conditional: bool,
):  # fmt: skip
  """(the judges' parameters after a step of Adam, its memory, the loss); the generator stays.

  Args:
    labels: int [B, 1] of the real examples, and of as many fakes of the seeds [B].
  """
  fakes = frozen.of_seeds(seeds, labels, name=2)
  rngs = {'noise': jax.random.fold_in(jax.random.key(3), seeds[0])}

  def loss(params):
    both = judges.apply(params, jnp.concatenate([examples, fakes]), rngs=rngs)
    real, fake = (Told(*parts) for parts in zip(*(jnp.split(x, 2) for x in both), strict=True))
    return error(real, fake, labels[:, 0], conditional)

  value, gradient = jax.value_and_grad(loss)(params)
  updates, memory = optax.adam(RATE).update(gradient, memory, params)
  return optax.apply_updates(params, updates), memory, value


def inside(real_class: Array, of: Sequence[int], without: Sequence[int], gammas: Array) -> Array:
  """r [B] of the probabilities D_r [B, K]."""
  weighted = real_class * jnp.asarray(gammas)[None]
  least = weighted[:, jnp.array(of)].min(1)
  most = weighted[:, jnp.array(without)].max(1) if without else jnp.zeros_like(least)
  return jnp.maximum(least - most, 0)


def ratio(told: Told, wanted: Wanted) -> Array:
  """t [B]; `told.real` are log odds that can be believed."""
  of_class, of_real = wanted.temperatures
  shares = jax.nn.softmax(told.real_class / of_class)
  share = inside(shares, wanted.of, wanted.without, wanted.gammas)
  odds = jnp.clip(told.real / of_real, -MOST, MOST)
  if wanted.told is not None:
    odds = odds - jax.nn.log_softmax(told.fake_class)[:, wanted.told]
  return share * jnp.exp(jnp.minimum(odds, MOST))


def acceptance(old: Array, new: Array) -> Array:
  """The probability of going from ratios `old` to `new`, [B]."""
  return jnp.minimum(new / (old + EPS), 1)


def sample(
  frozen: Frozen, keys: Array, wanted: Wanted, judges: Judges, params, calibration: Calibration,
  steps: int = STEPS,
) -> tuple[Array, dict[str, Array]]:  # fmt: skip
  """Examples [B, ...], the ends of each key's chain, and {what is told: [B]}.

  `kept` is whether a chain met anything whose ratio is above 0; if not, it is its first proposal.
  """
  labels = jnp.full((len(keys), 1), wanted.of[0], jnp.int32)

  def propose(keys):
    x = frozen.draw(jax.vmap(frozen.latents)(keys), labels)
    told = judges.apply(params, x)
    return x, ratio(told._replace(real=calibration(told.real)), wanted)

  return metropolis.chain(propose, keys, jnp.zeros(len(keys)), steps, acceptance, 'ratio')


def wanted_of(
  config: ConfigDict, classes: str, without: str = '', gammas: str = '', temperatures: str = ''
) -> Wanted:
  """What names with commas ask of a run; raises UserError where its data have no such classes."""
  if len(config.attributes) != 1 or not all(map(len, config.attributes.values())):
    raise UserError(
      '--sampler=s2m goes by the classes of one attribute, which this run does not have: train one on '
      'labelled data, such as digits7to3.'
    )
  ((attribute, names),) = config.attributes.items()
  asked = [tuple(filter(None, text.split(','))) for text in (classes, without)]
  for name in (*asked[0], *asked[1]):
    if name not in names:
      raise UserError(f'{attribute} has no class {name!r}; there are {listing(names, 40)}.')
  if not asked[0] or set(asked[0]) & set(asked[1]):
    raise UserError(
      '--sampler=s2m wants the classes that samples are of, as in --classes=A,B, and beside them those '
      f'that they are not of, --without=C; classes of {attribute} are {listing(names, 40)}.'
    )
  of, without = (tuple(map(names.index, part)) for part in asked)
  told = of[0] if config.model.get('conditional', True) else None
  weights = _numbers('gammas', gammas, len(names), 'each class')
  return Wanted(of, without, weights, _numbers('temperatures', temperatures, 2, 'D_r and D_v'), told)


def _numbers(flag: str, text: str, count: int, what: str) -> tuple[float, ...]:
  """Positive numbers with commas; 1 for each where there is no text."""
  if not text:
    return (1.0,) * count
  try:
    found = tuple(map(float, text.split(',')))
  except ValueError:
    found = ()
  if len(found) != count or not all(0 < x < float('inf') for x in found):
    raise UserError(f'--{flag}={text} has to be {count} positive numbers, one for {what}.')
  return found
