"""`python split_by_height.py <file> <recipe> ...`: images that devices share against one device's.

Run by test_sharding.py in a process of its own, which has several devices. The file (JSON) gets, for
each recipe, what one device makes against what three make, which do not divide the rows of the image:
the largest difference, the program's bytes on each, and what is told before.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
import untrained

from decoupled_gan.modes.translate import told
from decoupled_gan.run import experiment, inference

SIZE = 100, 60
COUNTS = 1, 3


def measured(recipe: str) -> dict:
  config = untrained.config_of(f'{recipe}:tiny')
  config.model.width = 8
  config.batch_size = 3
  image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
  found = {'made': [], 'bytes': [], 'told': []}
  for count in COUNTS:
    run = experiment.build(config, jax.devices()[:count], train=False)
    variables = drawn(run.variables)
    function = inference.Trained(run, variables, 0).any_size('a_to_b', [SIZE], 1, count > 1)
    found['made'].append(function.to_float(image))
    found['bytes'].append(function.memory(function.programs[0]))
    found['told'].append(told(function, [SIZE]))
  one, shared = found.pop('made')
  difference = float(np.abs(one - shared).max())
  return found | {'difference': difference, 'spread': float(one.std()), 'shape': one.shape}


def drawn(variables):
  """Parameters so that no two maps are alike; statistics of ones."""
  rng = np.random.default_rng(0)
  draw = lambda x: 0.2 * rng.standard_normal(x.shape).astype(np.float32)  # noqa: E731
  one = lambda x: np.ones(x.shape, x.dtype)  # noqa: E731
  stats = {k: jax.tree.map(one, x) for k, x in variables.items() if k != 'params'}
  return {'params': jax.tree.map(draw, variables['params']), **stats}


if __name__ == '__main__':
  Path(sys.argv[1]).write_text(json.dumps({recipe: measured(recipe) for recipe in sys.argv[2:]}))
