"""One-dimensional problems whose answers are known: equilibria, gaps of critics, the best map.

  python benchmarks/gan_line.py equilibrium     # GAN, row 95: D = 1/2 and a loss of 2 log 2
  python benchmarks/gan_line.py average         # R1 and R2: moments of the averaged generator
  python benchmarks/gan_line.py gap             # WGAN and WGAN-GP, rows 5 and 98: a frozen generator
  python benchmarks/gan_line.py transport       # Adversarial Flow Models, row 105: the monotone map

Each trains recipes on points, three seeds at once, in a minute or two on a laptop.
"""

import argparse
import dataclasses
import importlib
import sys
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.stats import norm, wasserstein_distance

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from decoupled_gan.core.state import inference_variables  # noqa: E402
from decoupled_gan.core.types import Examples  # noqa: E402
from decoupled_gan.data.sources.toy import MIXTURES, Mixture  # noqa: E402
from decoupled_gan.methods.gan import METHOD, draw  # noqa: E402
from decoupled_gan.run import experiment, members  # noqa: E402
from decoupled_gan.run.calls import Calls  # noqa: E402

CALL = 50  # steps a call


def config_of(recipe: str, seeds: int, **fields):
  name, _, words = recipe.partition(':')
  config = importlib.import_module(f'configs.{name}').get_config(words)
  config.seeds, config.steps_per_call = seeds, CALL
  config.sample_every_steps = config.checkpoint_every_steps = CALL
  with config.unlocked():
    config.update_from_flattened_dict(fields)
  return config


def train(run, law: Mixture, state=None):
  """The states of all seeds after config.num_steps steps on fresh points of `law`."""
  config, call = run.config, Calls(run)
  state = run.create_state() if state is None else state
  shape = (CALL, config.seeds, config.batch_size)
  for step in range(0, config.num_steps, CALL):
    points = law.sample(int(np.prod(shape)), step).reshape(*shape, -1)
    points = points if config.seeds > 1 else points[:, 0]
    state, _ = call(state, Examples(points), step, CALL)
  return members.each(run, state)


def outputs(run, state, x):
  """What the discriminator says of points."""
  judge = lambda gan, x: METHOD.judge(gan, x)[:, 0]  # noqa: E731
  return np.asarray(run.gan.apply(state.variables(), jnp.asarray(x, jnp.float32), method=judge))


def generated(run, state, z):
  """Points of latents, by the averaged generator where there is one."""
  made = run.gan.apply(inference_variables(state), jnp.asarray(z, jnp.float32), 'random', method=draw)
  return np.asarray(made)


def equilibrium(seeds: int):
  """N(1, 0.5^2): mean |D - 1/2| over the data, and the discriminator's loss against 2 log 2 = 1.386."""
  config = config_of(
    'gan:line1', seeds, **{
      'model.width': 32, 'model.depth': 2, 'model.z_dim': 1, 'num_steps': 2000,
      'optimizer.b1': 0.5, 'optimizer.b2': 0.999,
    }
  )  # fmt: skip
  run, rng = experiment.build(config), np.random.default_rng(1)
  real, z = MIXTURES['line1'].sample(20_000, 10**6), rng.normal(size=(20_000, 1))
  print('seed   mean |D - 1/2|   loss of D   generated: mean, std (data: 1, 0.5)')
  for seed, state in enumerate(train(run, MIXTURES['line1'])):
    fake = generated(run, state, z)
    on_real, on_fake = outputs(run, state, real), outputs(run, state, fake)
    loss = np.logaddexp(0, -on_real).mean() + np.logaddexp(0, on_fake).mean()
    away = np.abs(1 / (1 + np.exp(-on_real)) - 0.5).mean()
    print(f'{seed:4d}   {away:14.3f}   {loss:9.3f}   {fake.mean():.2f}, {fake.std():.2f}')


def average(seeds: int):
  """N(1, 0.5^2) under R1 with gamma 0.1: the generator averaged by 0.995 a step, and the last one."""
  print('recipe        seed   averaged: mean, std   last: mean, std   (data: 1, 0.5)')
  for recipe in ('r1_gan:line1', 'r1_gan:line1,both'):
    config = config_of(
      recipe, seeds, **{
        'model.width': 32, 'model.depth': 2, 'model.z_dim': 1, 'num_steps': 2000,
        'optimizer.b1': 0.5, 'optimizer.b2': 0.999,
        'copies.generator': {'halflife_kimg': 0.256 * np.log(0.5) / np.log(0.995)},
      }
    )  # fmt: skip
    for name in config.routes.discriminate:
      if name in ('r1', 'r2'):
        config.routes.discriminate[name].discriminator = 0.05
    run, z = experiment.build(config), np.random.default_rng(1).normal(size=(20_000, 1))
    for seed, state in enumerate(train(run, MIXTURES['line1'])):
      means = [generated(run, s, z) for s in (state, state.replace(copies={}))]
      told = '   '.join(f'{x.mean():6.2f}, {x.std():.2f}     ' for x in means)
      print(f'{recipe.partition(":")[2]:12s}  {seed:4d}   {told}', flush=True)


class Shift(nn.Module):
  """A generator that stays: z + theta."""

  theta: float

  def __call__(self, z, labels=None):
    return z + self.theta


def gap(seeds: int):
  """Critics of N(0, 1) against N(theta, 1), 1,000 updates: mean D(x) - mean D(g), theta = 0.5 to 4."""
  thetas, law = (0.5, 1.0, 2.0, 4.0), Mixture(np.zeros((1, 1)), 1.0)
  common = {
    'model.width': 32, 'model.depth': 2, 'model.z_dim': 1, 'num_steps': 1000, 'routes.generate': {},
    'frozen': ('generator',),
  }  # fmt: skip
  settings = {
    'WGAN, clipped to 0.1, RMSprop 5e-4': ('wgan:line1', {}),
    'WGAN-GP, lambda 10, Adam 2e-3': (
      'wgan_gp:line1',
      {'routes.discriminate.gradient_penalty.discriminator': 10.0, 'optimizer.learning_rate': 2e-3},
    ),
  }
  rng = np.random.default_rng(1)
  real, z = rng.normal(size=(50_000, 1)), rng.normal(size=(50_000, 1))
  print('theta:', *thetas, ' the best linear critic of the penalty:', [t + t * t / 20 for t in thetas])
  for name, (recipe, fields) in settings.items():
    found = []
    for theta in thetas:
      run = experiment.build(config_of(recipe, seeds, **common, **fields))
      run = dataclasses.replace(run, gan=run.gan.copy(generator=Shift(-theta)))  # reals above fakes
      states = train(run, law)
      found.append([outputs(run, s, real).mean() - outputs(run, s, z - theta).mean() for s in states])
    for seed, gaps in enumerate(np.array(found).T):
      print(f'{name}, seed {seed}: gap', *[f'{g:.3f}' for g in gaps], ' ratio to theta = 1:',
            *[f'{g / gaps[1]:.3f}' for g in gaps], flush=True)  # fmt: skip


def transport(seeds: int):
  """Four modes on a line from N(0, 1): distance of the laws, and of G from the monotone map."""
  law = MIXTURES['line4']
  z = norm.ppf((np.arange(4000) + 0.5) / 4000)[:, None]
  best = np.quantile(law.sample(10**6, 7), norm.cdf(z[:, 0]))
  settings = {
    '0.05': ('small', {}),
    '0.2 -> 0.005': (
      'small',
      {
        'routes.generate.transport.generator': 0.2,
        'anneal.routes': {'generate': {'transport': (0.025, 1500, 'cosine')}},
      },
    ),
    '0': ('small,no_transport', {}),
  }
  print('transport      start     seed     W1    map   down   near')
  for start in ('random', 'reversed'):
    for name, (words, fields) in settings.items():
      run = experiment.build(config_of(f'adversarial_flow:{words}', seeds, **fields))
      state = run.create_state()
      if start == 'reversed':
        state = state.replace(params=state.params | {'generator': reversed_map(run, state)})
        state = state.replace(copies={'generator': jax.tree.map(jnp.copy, state.params['generator'])})
      for seed, own in enumerate(train(run, law, state)):
        x = generated(run, own, z)[:, 0]
        near = (np.abs(x[:, None] - law.centres[:, 0]) < 0.15).any(1).mean()
        told = [wasserstein_distance(x, best), np.abs(x - best).mean(), (np.diff(x) < 0).mean(), near]
        print(f'{name:13s}  {start:8s}  {seed:4d}  ', *[f'{v:.3f}' for v in told], flush=True)


def reversed_map(run, state):
  """Parameters of generators, one a seed, that were fitted to G(z) = -z."""

  def loss(params, z):
    made = run.gan.apply({'params': {'generator': params}}, z, 'random', method=draw)
    return jnp.square(made + z).mean()

  optimizer = optax.adam(1e-3)

  def fit(params, key):
    def step(carry, key):
      params, opt = carry
      updates, opt = optimizer.update(jax.grad(loss)(params, jax.random.normal(key, (256, 1))), opt)
      return (optax.apply_updates(params, updates), opt), None

    return jax.lax.scan(step, (params, optimizer.init(params)), jax.random.split(key, 1500))[0][0]

  return jax.jit(jax.vmap(fit))(
    state.params['generator'], jax.random.split(jax.random.key(5), run.config.seeds)
  )


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('what', choices=('equilibrium', 'average', 'gap', 'transport'))
  parser.add_argument('--seeds', type=int, default=3)
  options = parser.parse_args()
  globals()[options.what](options.seeds)


if __name__ == '__main__':
  main()
