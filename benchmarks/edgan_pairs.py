"""What does ED//GAN's residual add to a translated pair? Both paths of a run, at each checkpoint.

  python benchmarks/edgan_pairs.py --workdir=runs/terrain_pairs   # of configs/terrain_pairs.py

For all test pairs, the reconstruction alone (`rebuilt`) and the sum of the two images, which is what
`translate` makes; the input as it is, and the baseline that matches means and variances, for comparison:

  mae, psnr, ssim     against the truth of each pair
  sliced_wasserstein  of patches, times 1000: whether they look like patches of the target at all
  roughness           the mean absolute difference of neighbouring pixels, over that of the truth

A coupled run (`configs/terrain_pairs.py:coupled`) has one path, which is told as the sum.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from decoupled_gan import data
from decoupled_gan.core.images import to_uint8
from decoupled_gan.core.types import Aligned
from decoupled_gan.evaluation.metrics import paired
from decoupled_gan.evaluation.metrics.sliced import sliced_wasserstein
from decoupled_gan.run import inference
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.pictures import grid, save_image
from decoupled_gan.run.workdir import Workdir

BATCH = 31
HEADS = 'step', 'images', 'mae', 'psnr', 'ssim', 'sliced_wasserstein', 'roughness'


def rebuilt(gan, images):
  """The reconstruction alone."""
  return gan.rebuild(Aligned(images, images))[0]


def roughness(images: np.ndarray) -> float:
  """The mean absolute difference of neighbouring pixels of uint8 [N, H, W, C], in levels."""
  levels = images.astype(np.float32)
  return float(np.mean([np.abs(np.diff(levels, axis=axis)).mean() for axis in (1, 2)]))


def line(step, name: str, images: np.ndarray, truth: np.ndarray) -> str:
  """A row of the table."""
  distance = sliced_wasserstein(truth, images, np.random.default_rng(0)).value
  mae, psnr, ssim = (metric(images, truth) for metric in (paired.mae, paired.psnr, paired.ssim))
  rough = roughness(images) / roughness(truth)
  return f'| {step} | {name} | {mae:.4f} | {psnr:.2f} | {ssim:.3f} | {distance:.1f} | {rough:.2f} |'


def translated(trained, inputs: np.ndarray) -> dict[str, np.ndarray]:
  """{name: uint8 images} of the paths that the run has."""
  functions = {'sum': trained.compiled(trained.run.method.translate, 'b')}
  if trained.run.gan.has_residual:
    functions['rebuilt'] = trained.compiled(rebuilt)
  return {
    name: to_uint8(inference.batched(function, inputs, BATCH)) for name, function in functions.items()
  }


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--workdir', type=Path, default=Path('runs/terrain_pairs'))
  parser.add_argument('--tiles', type=int, default=6, help='in pairs.png')
  args = parser.parse_args()
  workdir = Workdir(args.workdir)
  trained = inference.load(workdir)  # which tells where there is no run
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    steps = checkpoints.steps
  dataset = data.load(trained.run.config, Aligned)
  which = list(range(len(dataset.test.input)))
  inputs, truth = (data.test_images(x, which, trained.run.config) for x in dataset.test)
  train = (np.asarray(x) for x in dataset.train)
  print(f'| {" | ".join(HEADS)} |\n{"|---" * len(HEADS)}|')
  print(line('', 'the input', inputs, truth))
  print(line('', 'mean and variance', paired.matched(inputs, *train), truth), flush=True)
  for step in steps:
    made = translated(inference.load(workdir, step), inputs)
    for name, images in made.items():
      print(line(step, name, images, truth), flush=True)
  shown = np.linspace(0, len(which) - 1, args.tiles).astype(int)
  columns = {'input': inputs, **dict(reversed(made.items())), 'truth': truth}
  save_image(grid({name: x[shown] for name, x in columns.items()}), args.workdir / 'pairs.png')
  print(f'\n{args.workdir / "pairs.png"}: {args.tiles} of {len(which)} test pairs at step {steps[-1]}')


if __name__ == '__main__':
  main()
