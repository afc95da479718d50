"""How fast features are: images a second of each network, and what depthwise convolutions cost.

  JAX_PLATFORMS=cpu taskset -c 0,1 python benchmarks/features.py

Random weights do: no file is needed. Prints the median of several batches of 32 after compilation.
"""

import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from decoupled_gan.machine import sharding
from decoupled_gan.pretrained import efficientnet, inception

BATCH, REPEATS = 32, 5


def rate(network, size: int) -> float:
  """Images a second."""
  images = jnp.asarray(np.random.default_rng(0).uniform(0, 255, (BATCH, size, size, 3)), jnp.float32)
  variables = jax.jit(network.init)(jax.random.key(0), images[:1])
  forward = sharding.jit(network.apply)
  jax.block_until_ready(forward(variables, images))
  times = []
  for _ in range(REPEATS):
    start = time.perf_counter()
    jax.block_until_ready(forward(variables, images))
    times.append(time.perf_counter() - start)
  return BATCH / float(np.median(times))


def main():
  networks = {
    'efficientnet_lite0, shifted slices (ours)': (efficientnet.EfficientNetLite0(), 224),
    'efficientnet_lite0, grouped convolution': (efficientnet.EfficientNetLite0(grouped=True), 224),
    'inception': (inception.Inception(), 299),
  }
  for name, (network, size) in networks.items():
    print(f'{name:45} {rate(network, size):7.1f} images/s', flush=True)


if __name__ == '__main__':
  main()
