"""`python across_devices.py <method> <file> 1 2 4`: a method on 1, 2 and 4 of this process's devices.

Run by test_sharding.py in a process of its own, since the number of devices is fixed at start-up. The
file (npz) gets, for each number of devices, what three steps, a sample grid and an evaluation gave.
"""

import sys

import jax
import numpy as np
import toy
from conftest import tiny_config as nice
from test_methods_edgan import FORMS, small
from test_methods_glead import tiny_config as glead

from decoupled_gan import data, methods
from decoupled_gan.core import routing, state
from decoupled_gan.evaluation.evaluator import Evaluator
from decoupled_gan.machine import sharding
from decoupled_gan.machine.sharding import jit
from decoupled_gan.run import experiment
from decoupled_gan.run.workdir import Workdir

STEPS = 3
CONFIGS = {
  'toy': toy.get_config,
  'nice': nice,
  'edgan_labelled': lambda: small(FORMS['labelled'].get_config()),
  'edgan_aligned': lambda: small(FORMS['aligned'].get_config()),
  'stylegan2': lambda: glead('stylegan2'),
  'glead': glead,
}


def config_of(method: str):
  """Its smallest recipe, a batch of 8, and plain gradient descent: Adam's first steps are sign-like."""
  config = CONFIGS[method]()
  assert config.method == method
  config.batch_size = config.sample_count = 8
  config.optimizer.name = 'sgd'
  config.optimizer.learning_rate = 1e-3
  config.optimizer_of = {}
  config.evaluation.metrics = ('sliced_wasserstein_8',)
  config.evaluation.images = 8
  for phase in config.every:
    config.every[phase] = 2  # so that three steps play lazy phases too
  return config


def run(method: str, devices, dataset) -> dict[str, np.ndarray]:
  """{what: numbers} after STEPS steps on `devices`."""
  built = experiment.build(config_of(method), devices)
  found = {}
  with jax.set_mesh(built.mesh):
    current, step = built.create_state(), built.train_step()
    batches = data.train_batches(dataset, built.config)
    for i in range(STEPS):
      current, losses = step(
        current, sharding.shard_batch(built.mesh, next(batches)), routing.active(built.phases, i))
      found |= {f'losses/{i}/{name}': x for name, x in losses.items()}
    variables = state.inference_variables(current)
    examples = data.test_batch(dataset, 8, built.config)
    columns = built.sampler()(variables, sharding.shard_whole(built.mesh, examples))
    metrics, _ = Evaluator(built, dataset, Workdir('.')).evaluate(STEPS, current)
  found |= {f'metrics/{name}': x for name, x in metrics.items()}
  for part, tree in {'columns': columns, 'params': current.params, 'stats': current.stats}.items():
    for path, x in jax.tree_util.tree_leaves_with_path(tree):
      found[f'{part}/{jax.tree_util.keystr(path)}'] = x
  return {name: np.asarray(x) for name, x in found.items()}


def main(method: str, file: str, *counts: str):
  config = config_of(method)
  dataset = data.load(config, experiment.build(config, jax.devices()[:1]).method.batch)
  found = {n: run(method, jax.devices()[: int(n)], dataset) for n in counts}
  np.savez(file, **{f'{n}/{name}': x for n, part in found.items() for name, x in part.items()})


if __name__ == '__main__':
  methods.METHODS['toy'] = toy.METHOD
  # Compiled without optimisation: compiling is what costs here, and rounding is what is compared.
  sharding.jit = lambda function, **options: jit(function, **(options | {'quick': True}))
  main(*sys.argv[1:])
