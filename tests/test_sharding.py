"""Any number of devices gives the single device's result: real processes with forced host devices."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
TOLERANCE = {'nice': 5e-3}
"""Of arrays, relative to their largest value, where it is not 3e-5. NICE-GAN's L1 losses have kinks,
whose side rounding decides, and channels that hardly vary, whose normalisation enlarges it."""
METHODS = ('nice', 'edgan_labelled', 'edgan_aligned', 'stylegan2', 'glead')


def across_devices(folder, method, *counts):
  """[{what: numbers} for each number of devices]; see across_devices.py."""
  done = subprocess.run(
    [sys.executable, HERE / 'across_devices.py', method, folder / 'found.npz', *map(str, counts)],
    env=os.environ | {
      'XLA_FLAGS': f'--xla_force_host_platform_device_count={max(counts)}',
      'PYTHONPATH': str(HERE.parent),
    },
    capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr[-3000:]
  with np.load(folder / 'found.npz') as found:
    split = [(*name.partition('/'), found[name]) for name in found.files]
  return [{rest: x for n, _, rest, x in split if n == str(count)} for count in counts]


@pytest.mark.parametrize(
  'method', ['toy', *(pytest.param(method, marks=pytest.mark.slow) for method in METHODS)]
)
def test_any_number_of_devices_gives_the_numbers_of_one(tmp_path, method):
  """Losses of three steps (lazy phases too), parameters, statistics, sample grid and metrics.

  Latents, noise, groups of the minibatch deviation, normalisation and averages are thereby those of
  the global batch. In float32, and by plain gradient descent: gradients that start from zero, in
  biases, are compared as they are.
  """
  one, *others = across_devices(tmp_path, method, 1, 2, 4, 8)
  assert {name.partition('/')[0] for name in one} >= {'losses', 'params', 'columns', 'metrics'}
  for count, found in zip((2, 4, 8), others, strict=True):
    assert found.keys() == one.keys()
    for name, x in one.items():
      told = f'{name} on {count} devices'
      if x.ndim == 0:  # losses and metrics
        np.testing.assert_allclose(found[name], x, rtol=3e-5, atol=3e-8, err_msg=told)
      else:
        atol = TOLERANCE.get(method, 3e-5) * max(np.abs(x).max(), 1e-3)
        np.testing.assert_allclose(found[name], x, rtol=0, atol=atol, err_msg=told)


SPREAD = """
import jax
from decoupled_gan.machine.sharding import make_mesh, spread

def drawn(key, count):
  return spread(jax.random.normal(key, (count, 3)))

key, made = jax.random.key(0), jax.jit(drawn, static_argnums=1)
without = made(key, 4)
with jax.set_mesh(make_mesh()):
  within, odd = jax.jit(drawn, static_argnums=1)(key, 4), jax.jit(drawn, static_argnums=1)(key, 3)
assert (within == without).all()
print(*[len({str(s.index) for s in x.addressable_shards}) for x in (without, within, odd)])
"""


def test_random_numbers_made_in_a_step_are_spread_over_the_devices_that_divide_them():
  done = subprocess.run(
    [sys.executable, '-c', SPREAD],
    env=os.environ | {'XLA_FLAGS': '--xla_force_host_platform_device_count=2'},
    cwd=HERE.parent, capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.stdout.split() == ['1', '2', '1'], done.stderr[-3000:]


@pytest.mark.parametrize(
  'recipe', ['cyclegan', *(pytest.param(x, marks=pytest.mark.slow) for x in ('nice', 'ugatit'))]
)
def test_an_image_that_devices_share_is_that_of_one_device_and_takes_less_of_each(tmp_path, recipe):
  """Statistics of the whole image too; a third of its 100 rows is no whole number."""
  done = subprocess.run(
    [sys.executable, HERE / 'split_by_height.py', tmp_path / 'found.json', recipe],
    env=os.environ | {
      'XLA_FLAGS': f'{os.environ["XLA_FLAGS"]} --xla_force_host_platform_device_count=3',
      'PYTHONPATH': str(HERE.parent),
    },
    capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr[-3000:]
  found = json.loads((tmp_path / 'found.json').read_text())[recipe]
  assert found['shape'] == [100, 60, 3]
  assert found['spread'] > 0.1
  assert found['difference'] < 2e-5
  one, shared = found['bytes']
  assert shared < 0.85 * one
  assert found['told'][1].endswith('GiB of each of 3 devices beside the networks')
