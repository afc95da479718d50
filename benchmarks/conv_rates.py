"""How fast are the convolutions of NICE-GAN, as `conv_ops` computes them and as plain `lax` does?

  python benchmarks/conv_rates.py --image_size=128 --width=32 --depth=7 --batch_size=4

Prints GF/s (10^9 multiplications and additions per second), plain -> ours, for the forward pass,
the input gradient and the weight gradient of each distinct convolution. The rates of a noisy
machine are worth little, their ratios more: both are measured in turns, and the best turn counts.
"""

import argparse
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from decoupled_gan.layers import conv_formulations, conv_ops
from decoupled_gan.machine import cpu


def convolutions(image_size, width, depth):
  """Yields (name, padded input size, inputs, outputs, kernel size, stride) of each layer's kind."""
  size = image_size // 4  # of the latents
  yield 'encoder conv_0', image_size + 2, 3, width, 4, 2
  yield 'encoder conv_1', image_size // 2 + 2, width, 2 * width, 4, 2
  yield 'encoder attention', size, 2 * width, 2 * width, 1, 1
  yield 'generator stem', size + 2, 2 * width, 4 * width, 3, 1
  yield 'generator block', size + 2, 4 * width, 4 * width, 3, 1
  yield 'generator up_0 conv', size + 2, 4 * width, 2 * width, 3, 1
  yield 'generator up_0 expand', size, 2 * width, 8 * width, 1, 1
  yield 'generator up_1 conv', 2 * size + 2, 2 * width, width, 3, 1
  yield 'generator up_1 expand', 2 * size, width, 4 * width, 1, 1
  yield 'generator output', 4 * size + 6, width, 3, 7, 1
  features = 2 * width
  for i in range(depth - 6):
    yield f'classifier trunk_{i}', size + 2, features, 2 * features, 4, 2
    size, features = size // 2, 2 * features
  yield from _head('middle', size, features)
  for i in range(2):
    yield f'classifier global_trunk_{i}', size + 2, features, 2 * features, 4, 2
    size, features = size // 2, 2 * features
  yield from _head('global', size, features)


def _head(name, size, features):
  yield f'classifier {name}_hidden', size + 2, features, 2 * features, 4, 1
  yield f'classifier {name}_logits', size + 1, 2 * features, 1, 4, 1


def operations(x, kernel, dy, stride):
  """Yields ((plain, ours), arguments) of the forward pass and the two gradients."""
  bind = lambda f, *static: lambda a, b: f(a, b, *static)  # noqa: E731
  for name, arguments, static in (
    ('forward', (x, kernel), ()),
    ('input_gradient', (dy, kernel), (x.shape,)),
    ('weight_gradient', (x, dy), (kernel.shape,)),
  ):
    plain = getattr(conv_formulations, f'plain_{name}')
    ours = getattr(conv_ops, f'_{name}')
    yield [bind(f, stride, *static) for f in (plain, ours)], arguments


def in_loop(function, length):
  """`function` run `length` times in a scan, as in networks that scan over their blocks."""

  def loop(a, b):
    step = lambda carry, _: (function(a + carry, b).ravel()[0] * 1e-9, None)  # noqa: E731
    return jax.lax.scan(step, jnp.zeros((), a.dtype), None, length)[0]

  return loop


def best_seconds(functions, arguments, seconds):
  """The fastest run of each function, all run in turns for about `seconds`."""
  options = cpu.compiler_options() if jax.default_backend() == 'cpu' else {}
  compiled = [jax.jit(f).lower(*arguments).compile(options) for f in functions]
  best = [float('inf')] * len(compiled)
  end = time.perf_counter() + seconds
  for turn in range(1000):
    for i, run in enumerate(compiled):
      start = time.perf_counter()
      jax.block_until_ready(run(*arguments))
      if turn:  # the first run warms the caches up
        best[i] = min(best[i], time.perf_counter() - start)
    if turn > 2 and time.perf_counter() > end:
      break
  return best


def rates(arguments, size, inputs, outputs, kernel_size, stride):
  """[(plain, ours)] in GF/s of the forward pass, the input gradient and the weight gradient."""
  out = (size - kernel_size) // stride + 1
  normal = lambda i, *shape: jax.random.normal(jax.random.key(i), shape, arguments.dtype)  # noqa: E731
  x = normal(0, arguments.batch_size, size, size, inputs)
  kernel = normal(1, kernel_size, kernel_size, inputs, outputs)
  dy = normal(2, arguments.batch_size, out, out, outputs)
  work = 2e-9 * dy.size * kernel_size**2 * inputs * (arguments.loop or 1)
  measured = []
  for functions, arrays in operations(x, kernel, dy, stride):
    if arguments.loop:
      functions = [in_loop(f, arguments.loop) for f in functions]
    measured.append([work / s for s in best_seconds(functions, arrays, arguments.seconds)])
  return measured


def main():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--image_size', type=int, default=128)
  parser.add_argument('--width', type=int, default=32)
  parser.add_argument('--depth', type=int, default=7)
  parser.add_argument('--batch_size', type=int, default=1)
  parser.add_argument('--dtype', type=jnp.dtype, default='float32')
  parser.add_argument('--loop', type=int, default=0, help='run so often within a lax.scan')
  parser.add_argument('--seconds', type=float, default=0.5, help='for each pair of measurements')
  parser.add_argument('--only', default='', help='layers whose name contains this')
  arguments = parser.parse_args()
  print(f'{jax.default_backend()}, {arguments.dtype}, batch size {arguments.batch_size}; GF/s')
  titles = ('forward', 'input gradient', 'weight gradient')
  print(f'{"layer":26} {"shape":20}' + ''.join(f'{title:>19}' for title in titles))
  for name, *shape in convolutions(arguments.image_size, arguments.width, arguments.depth):
    if arguments.only in name:
      size, inputs, outputs, kernel_size, stride = shape
      text = f'{size} {inputs}->{outputs} k{kernel_size} s{stride}'
      pairs = rates(arguments, *shape)
      cells = ''.join(f'{plain:8.1f} -> {ours:7.1f}' for plain, ours in pairs)
      print(f'{name:26} {text:20}{cells}', flush=True)


if __name__ == '__main__':
  main()
