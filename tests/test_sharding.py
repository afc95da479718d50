"""Any number of devices gives the single device's result: real processes with forced host devices."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
SCRIPT = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
import toy
from conftest import tiny_config
from test_methods_glead import tiny_config as tiny_glead
from decoupled_gan import methods, train
from decoupled_gan.workdir import Workdir

methods.METHODS['toy'] = toy
configs = {{'toy': toy.get_config, 'glead': tiny_glead}}
config = configs[sys.argv[2]]() if sys.argv[2] in configs else tiny_config(sys.argv[2])
config.batch_size = 4
train.train(config, Workdir(sys.argv[1]))
"""


def losses(folder, method, devices):
  """What a run on `devices` devices logged, [step, loss], and what it printed."""
  done = subprocess.run(
    [sys.executable, '-c', SCRIPT.format(tests=str(HERE), root=str(HERE.parent)), folder, method],
    env=os.environ | {'XLA_FLAGS': f'--xla_force_host_platform_device_count={devices}'},
    capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr[-3000:]
  assert f'devices   {devices} x' in done.stdout
  rows = map(json.loads, (folder / 'metrics.jsonl').read_text().splitlines())
  return np.array([[v for k, v in row.items() if 'time/' not in k] for row in rows])


def test_two_and_four_devices_train_as_one_does(tmp_path):
  one = losses(tmp_path / '1', 'toy', 1)
  for devices in (2, 4):
    np.testing.assert_allclose(losses(tmp_path / str(devices), 'toy', devices), one, rtol=1e-5)


SPREAD = """
import jax
from decoupled_gan.sharding import make_mesh, spread

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


@pytest.mark.slow
def test_glead_trains_on_two_devices_as_on_one(tmp_path):
  """Latents, noise, groups of the minibatch deviation and averages are those of the global batch."""
  one, two = (losses(tmp_path / str(n), 'glead', n) for n in (1, 2))
  np.testing.assert_allclose(two[0], one[0], rtol=1e-4)


@pytest.mark.slow
def test_nice_gan_trains_on_two_devices_as_on_one(tmp_path):
  """4 steps: Adam's first ones are sign-like, so that rounding shows in a few weights at once."""
  one, two = (losses(tmp_path / str(n), 'light', n) for n in (1, 2))
  np.testing.assert_allclose(two[0], one[0], rtol=1e-5)
  np.testing.assert_allclose(two, one, rtol=2e-3)
