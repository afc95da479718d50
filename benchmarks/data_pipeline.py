"""How fast does the data pipeline make batches?

  python benchmarks/data_pipeline.py --image_size=256 --batch_size=8 --threads=1,2,8

Decodes, flips, enlarges and crops JPEGs of the photographs' usual size (made from the built-in
terrain, 256 px, quality 95) as training does, and prints images per second, both domains counted, for
each number of threads. A training step of so many images must take longer than that, or it waits.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from configs import base
from decoupled_gan import data


def write_photographs(folder: Path, size: int, count: int):
  """The folder layout of training, with `count` JPEGs in each of its four folders."""
  config = base.get_config()
  config.data.source, config.data.tile_size = 'terrain', 64
  tiles = data.load(config).train
  for domain, images in zip('AB', tiles, strict=True):
    for split in ('train', 'test'):
      target = folder / f'{split}{domain}'
      target.mkdir()
      for i in range(count):
        picture = Image.fromarray(images[i]).resize((size, size), Image.Resampling.BICUBIC)
        picture.save(target / f'{i}.jpg', quality=95)


def images_per_second(config, seconds: float) -> float:
  """Of both domains, after the first batches."""
  batches = data.train_batches(data.load(config), config)
  for _ in range(3):
    next(batches)
  count, start = 0, time.perf_counter()
  while time.perf_counter() - start < seconds:
    next(batches)
    count += 2 * config.batch_size
  elapsed = time.perf_counter() - start
  batches.close()
  return count / elapsed


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--image_size', type=int, default=256)
  parser.add_argument('--batch_size', type=int, default=8)
  parser.add_argument('--threads', default='1,2,8')
  parser.add_argument('--seconds', type=float, default=8)
  options = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    write_photographs(Path(folder), 256, 64)
    config = base.get_config()
    config.data.source, config.data.path = 'folder', folder
    config.image_size, config.batch_size = options.image_size, options.batch_size
    for threads in map(int, options.threads.split(',')):
      config.data.num_threads = threads
      print(f'{threads:2} thread(s): {images_per_second(config, options.seconds):7.1f} images/s')


if __name__ == '__main__':
  main()
