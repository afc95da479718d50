"""What an accelerator does with the recipes: parity with the CPU, then seconds and TFLOP/s a step.

  python benchmarks/accelerator.py --output=accelerator.json [--minutes=9] [--only=nice] [--tiny]

For a machine with one GPU or a TPU and JAX, without a network. Beside jax it needs this checkout (a few
megabytes) and flax, optax, ml-collections, absl-py, etils and pillow, which can be carried as wheels
with what they need: `pip download --no-deps flax optax ml-collections absl-py etils pillow chex toolz
typing-extensions msgpack treescope orbax-checkpoint`, some 15 MB. Grain, tfds and data sets are not
needed: batches are random numbers.

  parity   one step of each core system at :tiny, all losses and parameters, on the device and on this
           machine's CPU, float32 with the highest precision of products (the CPU is what the tests hold
           to the official code)
  steps    the published sizes: compile time, seconds a step (median and range of some), TFLOP a step by
           the compiler's count, TFLOP/s and its share of the card's published dense peak, memory

A setting that does not fit or fails is told and does not stop the others. Everything goes to one JSON
file, written anew after each setting.
"""

import argparse
import importlib
import json
import statistics
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

PARITY = ('nice:tiny', 'utkface:tiny', 'facades:tiny', 'glead:tiny', 'gan:digits,tiny')
SETTINGS = {
  'nice 256 float32 1': ('nice', {'image_size': 256, 'batch_size': 1}),
  'nice 256 float32 8': ('nice', {'image_size': 256, 'batch_size': 8}),
  'nice 256 bfloat16 1': ('nice', {'batch_size': 1, 'compute_dtype': 'bfloat16'}),
  'nice 256 bfloat16 8': ('nice', {'batch_size': 8, 'compute_dtype': 'bfloat16'}),
  'stylegan2 256 bfloat16 16': ('glead:stylegan2,mse', {'batch_size': 16}),
  'glead 256 bfloat16 16': ('glead:mse', {'batch_size': 16}),
  'edgan faces 128 float32 25': ('utkface', {}),
  'r3gan 32 bfloat16 64': ('r3gan:cifar10', {'batch_size': 64, 'compute_dtype': 'bfloat16'}),
  'sngan 32 float32 64': ('sngan:cifar10', {'batch_size': 64}),
}
PEAKS = {  # dense TFLOP/s: (bfloat16, float32 by TF32 or the like), as the makers publish them
  'H200': (989, 495), 'H100': (989, 495), 'A100': (312, 156), 'L4': (121, 60), 'T4': (65, 8),
  'V100': (125, 16), 'TPU v5 lite': (197, 49), 'TPU v4': (275, 69), 'TPU v6': (918, 230),
}  # fmt: skip


def config_of(recipe: str, fields: dict):
  name, _, words = recipe.partition(':')
  config = importlib.import_module(f'configs.{name}').get_config(words)
  config.update_from_flattened_dict(fields)
  return config


def random_batch(run, seed: int = 0):
  """A batch of the run's shapes, of random numbers."""
  import numpy as np

  rng = np.random.default_rng(seed)

  def field(x):
    if x.dtype == np.uint8:
      return rng.integers(0, 256, x.shape, np.uint8)
    if np.issubdtype(x.dtype, np.integer):
      return rng.integers(0, 2, x.shape).astype(x.dtype)
    return rng.normal(size=x.shape).astype(x.dtype)

  import jax

  return jax.tree.map(field, run.batch_shape)


def one_step(recipe: str, device):
  """(losses, parameters) of the first step of a recipe on a device, as numpy."""
  import jax

  from decoupled_gan.core import routing
  from decoupled_gan.machine import sharding
  from decoupled_gan.run import experiment

  run = experiment.build(config_of(recipe, {}), [device])
  with jax.set_mesh(run.mesh), jax.default_matmul_precision('highest'):
    state = run.create_state()
    batch = sharding.shard_batch(run.mesh, random_batch(run))
    state, losses = run.train_step()(state, batch, routing.active(run.phases, 0))
    return jax.device_get((losses, state.params))


def parity(recipe: str) -> dict:
  """The largest differences between the device and the CPU after one step from equal parameters."""
  import jax
  import numpy as np

  (losses, params), (known, expected) = (
    one_step(recipe, device) for device in (jax.devices()[0], jax.devices('cpu')[0])
  )
  apart = {
    name: abs(float(losses[name]) - float(x)) / (abs(float(x)) + 1e-6) for name, x in known.items()
  }
  moved = [
    float(np.abs(a - b).max() / (np.abs(b).max() + 1e-6))
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(expected), strict=True)
  ]
  return {'losses': max(apart.values()), 'parameters': max(moved)}


def steps(recipe: str, fields: dict, count: int) -> dict:
  """Compile time, seconds a step, work and memory of a recipe's most frequent program."""
  import jax

  from decoupled_gan.core import routing
  from decoupled_gan.machine import sharding
  from decoupled_gan.run import experiment

  run = experiment.build(config_of(recipe, fields), jax.devices()[:1])
  with jax.set_mesh(run.mesh):
    state = run.create_state()
    batch = sharding.shard_batch(run.mesh, random_batch(run))
    active = routing.active(run.phases, 1)  # without lazy phases
    start = time.perf_counter()
    compiled = run.train_step().lower(state, batch, active).compile()
    compiling = time.perf_counter() - start
    seconds = []
    for _ in range(count + 2):
      start = time.perf_counter()
      state, losses = compiled(state, batch)
      jax.block_until_ready((state, losses))
      seconds.append(time.perf_counter() - start)
  seconds = sorted(seconds[2:])
  device, median = jax.devices()[0], statistics.median(seconds)
  flops, memory = compiled.cost_analysis().get('flops', 0.0), compiled.memory_analysis()
  half = run.config.compute_dtype == 'bfloat16'
  peak = next((p[not half] for name, p in PEAKS.items() if name in device.device_kind), None)
  rate = flops / median / 1e12
  return {
    'compile_seconds': round(compiling, 2),
    'seconds': median,
    'seconds_range': [seconds[0], seconds[-1]],
    'images_per_second': run.config.batch_size / median,
    'tflop': flops / 1e12,
    'tflops': rate,
    'share_of_peak': rate / peak if peak else None,
    'temporaries_gib': memory.temp_size_in_bytes / 2**30,
    'arguments_gib': memory.argument_size_in_bytes / 2**30,
    'device_peak_gib': (device.memory_stats() or {}).get('peak_bytes_in_use', 0) / 2**30,
    'losses_finite': all(bool(abs(float(x)) < float('inf')) for x in losses.values()),
  }


def tried(function, *arguments) -> dict:
  """What `function` finds, or the error that it ends with."""
  try:
    return function(*arguments)
  except Exception as error:  # out of memory, a recipe that is not there: the others go on
    traceback.print_exc()
    return {'error': ' '.join(f'{type(error).__name__}: {error}'.split())[:500]}


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('--output', default='accelerator.json')
  parser.add_argument('--minutes', type=float, default=9, help='no setting is begun after so many')
  parser.add_argument('--steps', type=int, default=20, help='that are timed, of each setting')
  parser.add_argument('--only', default='', help='settings whose name contains this')
  parser.add_argument('--tiny', action='store_true', help='all recipes at :tiny: a try, also on a CPU')
  options = parser.parse_args()
  begun = time.perf_counter()
  import jax

  device = jax.devices()[0]
  found = {'device': device.device_kind, 'platform': device.platform, 'jax': jax.__version__,
           'parity': {}, 'steps': {}}  # fmt: skip

  def keep():
    Path(options.output).write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')

  def in_time() -> bool:
    return time.perf_counter() - begun < 60 * options.minutes

  print(f'{device.device_kind} ({device.platform}), jax {jax.__version__}', flush=True)
  for recipe in PARITY:
    if options.only in recipe and in_time():
      found['parity'][recipe] = tried(parity, recipe)
      print(f'parity {recipe}: {found["parity"][recipe]}', flush=True)
      keep()
  for name, (recipe, fields) in SETTINGS.items():
    if options.only in name and in_time():
      module, _, words = recipe.partition(':')
      if not (Path(__file__).parents[1] / 'configs' / f'{module}.py').is_file():
        continue  # a recipe of a later version
      if options.tiny:
        recipe, fields = f'{module}:{words}{"," if words else ""}tiny', {}
      found['steps'][name] = tried(steps, recipe, fields, options.steps)
      print(f'{name}: {found["steps"][name]}', flush=True)
      keep()
  keep()
  print(f'written to {options.output} after {time.perf_counter() - begun:.0f} s')


if __name__ == '__main__':
  main()
