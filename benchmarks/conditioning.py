"""What class-conditional GANs do to a class: known answers on points, and digits, several seeds at once.

  python benchmarks/conditioning.py spread      # rows 1, 67: AC and AM narrow, TAC and ADC do not
  python benchmarks/conditioning.py turns       # row 53: SSGAN narrows what it makes, SSGAN-LA does not
  python benchmarks/conditioning.py circle      # row 30: what a generator makes of unseen conditions
  python benchmarks/conditioning.py triplets    # row 102: nearest neighbours in D's embedding
  python benchmarks/conditioning.py clusters    # row 9: modes with clusters for labels
  python benchmarks/conditioning.py instances   # row 33: is what is made of an instance of its class?
  python benchmarks/conditioning.py digits      # row 15: the axis of conditioning on 8 x 8 px

Each trains its recipes in one to a few minutes on a laptop; `--only=ac,adc` some of them.
"""

import argparse
import contextlib
import io
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm, wasserstein_distance

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import gan_digits  # noqa: E402
from gan_digits import config_of, train  # noqa: E402

from decoupled_gan import data  # noqa: E402
from decoupled_gan.core.images import to_uint8  # noqa: E402
from decoupled_gan.core.state import inference_variables  # noqa: E402
from decoupled_gan.core.types import Examples  # noqa: E402
from decoupled_gan.data.dataset import Dataset  # noqa: E402
from decoupled_gan.data.sources.classes import OVERLAPPING  # noqa: E402
from decoupled_gan.data.sources.toy import MIXTURES  # noqa: E402
from decoupled_gan.evaluation.metrics import points  # noqa: E402
from decoupled_gan.methods.events.instances import nearest, unit  # noqa: E402
from decoupled_gan.methods.gan import draw, style  # noqa: E402
from decoupled_gan.modes.train import train as train_run  # noqa: E402
from decoupled_gan.run import experiment, inference  # noqa: E402
from decoupled_gan.run.workdir import Workdir  # noqa: E402
from decoupled_gan.terms.scenes import tell  # noqa: E402

DRAWN = 20_000


def drawn(run, state, labels=None, count: int = DRAWN) -> np.ndarray:
  """Examples by the (averaged) generator, under labels [N, 1] where it is told any."""
  z = jax.random.normal(jax.random.key(9), (count, run.gan.z_dim))
  make = jax.jit(lambda v, z, y: run.gan.apply(
    v, run.gan.apply(v, z, 1.0, method=style), 'random', y, method=draw
  ))  # fmt: skip
  return np.asarray(make(inference_variables(state), z, labels))


def weighted(weight: float) -> dict:
  cells = {'discriminator': weight, 'classifier': weight}
  return {'routes.discriminate.classify': cells, 'routes.generate.classify': {'generator': weight}}


SPREADS = {
  'projection': ('studiogan:overlapping3', {}),
  'ac': ('acgan:overlapping3', {}),
  'am': ('am_gan:overlapping3', {}),
  'tac': ('tac_gan:overlapping3', {}),
  'adc': ('adc_gan:overlapping3', {'optimizer.b1': 0.5}),  # as all here; the recipe's is 0
  'ac4': ('acgan:overlapping3', weighted(4.0)),
}


def spread(seeds: int, only):
  """N(0, 1), N(3, 2), N(6, 3), overlapping: W1 of what is generated of each, and standard deviations."""
  print('conditioning   seed   mean W1   standard deviations (data: 1, 2, 3)')
  quantiles = norm.ppf((np.arange(DRAWN) + 0.5) / DRAWN)
  for name in only or SPREADS:
    recipe, fields = SPREADS[name]
    run = experiment.build(config_of(recipe, seeds, **fields))
    _, last = train(run, [data.load(run.config, Examples)] * seeds)
    for seed, state in enumerate(last):
      made = [drawn(run, state, jnp.full((DRAWN, 1), k))[:, 0] for k in range(len(OVERLAPPING))]
      away = [wasserstein_distance(x, m + s * quantiles)
              for x, (m, s) in zip(made, OVERLAPPING, strict=True)]  # fmt: skip
      stds = ', '.join(f'{x.std():.2f}' for x in made)
      print(f'{name:12s}   {seed:4d}   {np.mean(away):7.3f}   {stds}', flush=True)


TURNS = {
  'none': ('gan:line1', {}),
  'ss': ('ssgan_la:line1,ss', {'routes.generate.classify.generator': 1.0}),
  'ms': (
    'ssgan_la:line1,ms',
    {'routes.generate.classify.generator': 1.0, 'routes.generate.classify_fake.generator': -1.0},
  ),
  'la': ('ssgan_la:line1', {'losses.classify': 'cross_entropy'}),
}


def turns(seeds: int, only):
  """N(0, 1), shifted by 0, 2, 4, 6: standard deviation of what is generated, and W1 (official toy).

  All weights are 1, as there. Tanh networks of 10 units; 128 examples a batch; 8,000 updates of D, every
  tenth one of G too (there every twentieth of 20,000).
  """
  print('transforms   seed   standard deviation (data: 1)   W1')
  common = {
    'model.width': 10, 'model.depth': 2, 'model.z_dim': 2, 'model.activation': 'tanh',
    'batch_size': 128, 'num_steps': 8000, 'every.generate': 10, 'optimizer.learning_rate': 1e-3,
    'optimizer.b1': 0.5, 'optimizer.b2': 0.999,
  }  # fmt: skip
  quantiles = norm.ppf((np.arange(DRAWN) + 0.5) / DRAWN)
  normal = np.random.default_rng(0).normal(size=(100_000, 1)).astype(np.float32)
  for name in only or TURNS:
    recipe, fields = TURNS[name]
    run = experiment.build(config_of(recipe, seeds, **common, **fields))
    _, last = train(run, [Dataset('normal', Examples(normal), Examples(normal))] * seeds)
    for seed, state in enumerate(last):
      x = drawn(run, state)[:, 0]
      away = wasserstein_distance(x, quantiles)
      print(f'{name:10s}   {seed:4d}   {x.std():28.2f}   {away:.3f}', flush=True)


def circle(seeds: int, only):
  """Six known angles of a circle: how far the mean of what is generated is from the truth, by weight."""
  print('weight   seed   known angles   half-way between')
  angles = np.arange(12) * np.pi / 6  # every other one is known
  truth = np.stack([np.sin(angles), np.cos(angles)], 1)
  for weight in map(float, only or ('0', '0.05', '0.2')):
    fields = {'routes.generate.neighbours.generator': weight}
    run = experiment.build(config_of('continuous_gan:circle6', seeds, **fields))
    _, last = train(run, [data.load(run.config, Examples)] * seeds)
    for seed, state in enumerate(last):
      labels = np.repeat(angles, 1000)[:, None].astype(np.float32)
      means = drawn(run, state, labels, len(labels)).reshape(len(angles), 1000, 2).mean(1)
      away = np.linalg.norm(means - truth, axis=1)
      print(f'{weight:6g}   {seed:4d}   {away[::2].mean():12.3f}   {away[1::2].mean():.3f}', flush=True)


def triplets(seeds: int, only):
  """10 labels a class: 9 nearest neighbours in T by all training labels, 1 by the 100; and on pixels."""
  from sklearn.neighbors import KNeighborsClassifier

  def share(x, y, test_x, test_y, k):
    flat = lambda z: np.asarray(z).reshape(len(z), -1)  # noqa: E731
    return KNeighborsClassifier(k).fit(flat(x), y).score(flat(test_x), test_y)

  print('trained by        seed   9 neighbours, all labels   1 neighbour, 100 labels')
  whole = config_of('gan:labelled_digits', 1)
  every = data.load(whole, Examples)
  x, y = (gan_digits.arrays(every, whole)[name] for name in ('x', 'labels'))
  test_x = np.stack([every.test.x[i] for i in range(len(every.test.x))])
  for name, words in (('triplets and GAN', ''), ('triplets', ',alone')):
    for seed in range(seeds):  # one by one: each leaves its labels to other examples
      config = config_of(f'triplet_gan:labelled_digits{words}', 1, seed=seed)
      run, dataset = experiment.build(config), data.load(config, Examples)
      _, (state,) = train(run, [dataset])
      known = gan_digits.arrays(dataset, config)
      few = np.flatnonzero(known['labels'][:, 0] >= 0)
      t = lambda images: gan_digits.judged(run, state, images)  # noqa: E731, B023
      of_test = t(test_x)
      nine = share(t(x), y[:, 0], of_test, every.test.labels[:, 0], 9)
      one = share(t(known['x'][few]), known['labels'][few, 0], of_test, every.test.labels[:, 0], 1)
      print(f'{name:16s}  {seed:4d}   {nine:24.3f}   {one:.3f}', flush=True)
  print('pixels, 9 neighbours, all labels:', share(x, y[:, 0], test_x, every.test.labels[:, 0], 9))


def clusters(seeds: int, only):
  """25 Gaussians: modes found and share of good points, with clusters for labels and without labels."""
  print('labels     seed   modes of 25   good share')
  law = MIXTURES['grid25']
  settings = {'clusters': 'self_conditioned_gan:grid25', 'none': 'gan:grid25'}
  for name in only or settings:
    for seed in range(seeds):
      config = config_of(settings[name], 1, seed=seed, num_steps=5000)
      config.optimizer.learning_rate, config.optimizer.b1, config.optimizer.b2 = 1e-3, 0.0, 0.99
      config.sample_every_steps = config.checkpoint_every_steps = config.num_steps
      with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        train_run(config, Workdir(folder))
        trained = inference.load(Workdir(folder))
        z = jax.random.normal(jax.random.key(9), (10_000, trained.run.gan.z_dim))
        make = lambda gan, z: draw(gan, style(gan, z, 1.0), 'random')  # noqa: E731
        x = np.asarray(trained.run.gan.apply(trained.variables, z, method=make))
      found, good = (measure(law, x).value for measure in (points.modes, points.high_quality_share))
      print(f'{name:9s}  {seed:4d}   {found:11d}   {good:.3f}', flush=True)


def instances(seeds: int, only):
  """Digits, by pixels: how often an instance's neighbours, and what is made of it, are of its class."""
  print('seed   neighbours of its class (chance 0.1)   made of its class   KID')
  for seed in range(seeds):
    config = config_of('ic_gan:digits', 1, seed=seed)
    config.sample_every_steps = config.checkpoint_every_steps = config.num_steps
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
      train_run(config, Workdir(folder))
      trained = inference.load(Workdir(folder))
    whole = config_of('gan:labelled_digits', 1)
    every = gan_digits.arrays(data.load(whole, Examples), whole)
    features = unit(every['x'].reshape(len(every['x']), -1).astype(np.float32))
    labels = every['labels'][:, 0]
    pure = (labels[nearest(features, config.data.neighbours)] == labels[:, None]).mean()
    which = np.random.default_rng(0).integers(len(labels), size=gan_digits.GENERATED)
    z = jax.random.normal(jax.random.key(9), (len(which), trained.run.gan.z_dim))
    make = lambda gan, z, h: gan.generator(tell(z, h), None)  # noqa: E731
    images = to_uint8(trained.run.gan.apply(trained.variables, z, features[which], method=make))
    right = (gan_digits.told_digits(images) == labels[which]).mean()
    print(f'{seed:4d}   {pure:37.3f}   {right:17.3f}   {gan_digits.told(images)}', flush=True)


DIGITS = ('projection', 'multi_discriminator', 'ac', 'tac', 'adc', 'am', 'contrastive', 'd2dce',
          'd2dce,adc', 'multi_hinge')  # fmt: skip


def digits(seeds: int, only):
  """How many of 2,000 generated digits a classifier tells as their label, and KID, after 3,000 steps.

  Both by gan_digits.py's classifier of 128 hidden units; spread is the mean standard deviation of its
  features within a class, over that of the data.
  """
  print('conditioning          seed   told as labelled   KID                  spread')
  labels = np.arange(gan_digits.GENERATED)[:, None] % 10
  features, real = gan_digits.classifier()
  for words in only or DIGITS:
    run = experiment.build(config_of(f'studiogan:labelled_digits,{words}', seeds))
    dataset = data.load(run.config, Examples)
    truth = gan_digits.arrays(dataset, run.config)['labels'][:, 0]
    _, last = train(run, [dataset] * seeds)
    for seed, state in enumerate(last):
      images = to_uint8(drawn(run, state, jnp.asarray(labels), len(labels)))
      right = (gan_digits.told_digits(images) == labels[:, 0]).mean()
      wide = within(features(images), labels[:, 0]) / within(real, truth)
      told = gan_digits.told(images)
      print(f'{words:20s}  {seed:4d}   {right:16.3f}   {told}   {wide:.2f}', flush=True)


def within(x: np.ndarray, labels: np.ndarray) -> float:
  """The mean standard deviation of features [N, D] within a class."""
  return float(np.mean([x[labels == k].std(0) for k in np.unique(labels)]))


TASKS = {
  'spread': spread, 'turns': turns, 'circle': circle, 'triplets': triplets, 'clusters': clusters,
  'instances': instances, 'digits': digits,
}  # fmt: skip


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('what', choices=TASKS)
  parser.add_argument('--seeds', type=int, default=2)
  parser.add_argument('--only', type=lambda text: text.split(','), default=())
  options = parser.parse_args()
  TASKS[options.what](options.seeds, options.only)


if __name__ == '__main__':
  main()
