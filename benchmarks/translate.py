"""Translating a folder: images per second of `--mode=translate` beside the official test loop.

  python benchmarks/translate.py --image_size=256 --width=64 --images=32 \
    --official=<checkout of alpc91/NICE-GAN-pytorch>

Both read PNGs from a folder and write PNGs into another, with networks at their initial weights. Ours
translates batches of 8, as the command does; the official code goes image by image, and is given
`torch.no_grad`, which it lacks. They take turns; compilation is told apart.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]


def ours(options, source: Path, output: Path):
  """translate() of the whole folder."""
  sys.path.insert(0, str(ROOT))
  import jax

  from configs import nice
  from decoupled_gan.core import state
  from decoupled_gan.data.results import destinations, input_images
  from decoupled_gan.modes import translate
  from decoupled_gan.run import experiment, inference

  config = nice.get_config()
  config.image_size, config.model.width, config.model.depth = (
    options.image_size, options.width, options.depth
  )  # fmt: skip
  run = experiment.build(config)
  with jax.set_mesh(run.mesh):
    initial = run.create_state()
  trained = inference.Trained(run, state.inference_variables(initial), 0)

  def run():
    images = input_images(str(source), config)
    files = destinations(images, str(source), str(output), '', config)
    translate.translate_images(trained, 'a_to_b', images, files)

  return run


def official(options, source: Path, output: Path):
  """The loop of the official test: one image after the other."""
  sys.path.insert(0, options.official)
  import networks
  import torch

  torch.set_num_threads(os.cpu_count())
  encoder = networks.Discriminator(3, options.width, options.depth).eval()
  generator = networks.ResnetGenerator(3, 3, options.width, 6, options.image_size, light=True).eval()
  size = (options.image_size, options.image_size)

  def run():
    with torch.no_grad():
      for path in sorted(source.iterdir()):
        image = Image.open(path).convert('RGB').resize(size, Image.Resampling.BILINEAR)
        x = torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())[None] / 127.5 - 1
        y = generator(encoder(x)[4])[0].clamp(-1, 1).numpy().transpose(1, 2, 0)
        Image.fromarray(np.uint8((y * 0.5 + 0.5) * 255)).save(output / path.name)

  return run


def serve(make, options, source, output, pipe):
  """A worker: each message has it translate the folder once, and answers with the seconds."""
  os.environ['JAX_PLATFORMS'] = 'cpu'
  run = make(options, source, output)
  while pipe.recv() == 'go':
    start = time.perf_counter()
    run()
    pipe.send(time.perf_counter() - start)


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--image_size', type=int, default=256)
  parser.add_argument('--width', type=int, default=64)
  parser.add_argument('--depth', type=int, default=7)
  parser.add_argument('--images', type=int, default=32)
  parser.add_argument('--turns', type=int, default=3)
  parser.add_argument('--official', default='', help='a checkout of the official repository')
  options = parser.parse_args()
  makers = {'ours': ours} | ({'official': official} if options.official else {})
  context, pipes, seconds = multiprocessing.get_context('spawn'), {}, {name: [] for name in makers}
  with tempfile.TemporaryDirectory() as folder:
    source = Path(folder) / 'in'
    source.mkdir()
    rng = np.random.default_rng(0)
    for i in range(options.images):
      small = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
      small.resize((256, 256), Image.Resampling.BICUBIC).save(source / f'{i:03d}.png')
    for name, make in makers.items():
      pipes[name], theirs = context.Pipe()
      output = Path(folder) / name
      output.mkdir()
      arguments = (make, options, source, output, theirs)
      context.Process(target=serve, args=arguments, daemon=True).start()
    for _ in range(1 + options.turns):
      for name in makers:
        pipes[name].send('go')
        seconds[name].append(pipes[name].recv())
    for pipe in pipes.values():
      pipe.send('leave')
  for name, (first, *rest) in seconds.items():
    rate = options.images / statistics.median(rest)
    print(f'{name:9} {rate:7.2f} images/s; the first time {first - statistics.median(rest):+.1f} s')
  if options.official:
    ratios = [a / b for a, b in zip(seconds['ours'][1:], seconds['official'][1:], strict=True)]
    print(f'ratio of times, ours to official (median): {statistics.median(ratios):.2f}')


if __name__ == '__main__':
  main()
