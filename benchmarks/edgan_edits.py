"""Why an edit can be farther from its truth than the face left alone: where ED//GAN's error comes from.

  python benchmarks/edgan_edits.py --workdir=runs/avatars     # a run of configs/avatars.py

PSNR against the true edited face, the mean over the held-out faces that lack the value, of

  alone       the face as it is
  edited      what `generate` makes: the reconstruction under the new label, and the residual
  decoded     the reconstruction alone
  rebuilt     not an edit: the same faces under their own labels, against themselves. What is lost there
              is lost to the code and to the residual, and no label can bring it back
  difference  the face, and what changes between its own label and the new one: an edit that leaves alone
              what the two images agree on
  smooth      the same of the reconstructions alone: what `generate --difference` makes

Then how many faces' own labels, all of them at once, are guessed right by what rebuilds a face best.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from decoupled_gan import data
from decoupled_gan.core.images import to_uint8
from decoupled_gan.core.types import Examples
from decoupled_gan.data.sources.labelled import sorted_attributes
from decoupled_gan.evaluation.metrics import paired
from decoupled_gan.modes.generate.edit import own_labels
from decoupled_gan.run import inference
from decoupled_gan.run.pictures import grid, save_image
from decoupled_gan.run.workdir import Workdir

WAYS = ('alone', 'edited', 'decoded', 'rebuilt', 'difference', 'smooth')
SIMILAR = ('alone', 'edited', 'difference', 'smooth')
BATCH = 50


def in_batches(function, images, labels) -> np.ndarray:
  """Floats in [-1, 1] of uint8 images under labels."""
  return np.clip(inference.batched(lambda given: function(*given), (images, labels), BATCH), -1, 1)


def edits_of(trained, dataset):
  """Yields (title, faces, {way: faces as it makes them}, truth) for each value of each attribute."""
  config, test = trained.run.config, dataset.test
  edit, decode = trained.compiled(trained.run.method.edit), trained.compiled(trained.run.method.decode)
  for column, (name, values) in enumerate(sorted(config.attributes.items())):
    for number, value in enumerate(values):
      which = np.flatnonzero(test.labels[:, column] != number)
      faces = data.test_images(test.x, which.tolist(), config)
      truth = data.test_images(dataset.edits[name, number], which.tolist(), config)
      own = test.labels[which]
      new = own.copy()
      new[:, column] = number
      edited, rebuilt = in_batches(edit, faces, new), in_batches(edit, faces, own)
      new_path, own_path = in_batches(decode, faces, new), in_batches(decode, faces, own)
      signed = faces / 127.5 - 1
      yield f'{name}={value}', faces, {
        'alone': faces,
        'edited': to_uint8(edited),
        'decoded': to_uint8(new_path),
        'rebuilt': to_uint8(rebuilt),
        'difference': to_uint8(np.clip(signed + edited - rebuilt, -1, 1)),
        'smooth': to_uint8(np.clip(signed + new_path - own_path, -1, 1)),
      }, truth  # fmt: skip


def guessed_right(function, trained, dataset, count: int) -> float:
  """The share of `count` test faces whose labels `function` is nearest to them under."""
  faces = data.test_images(dataset.test.x, list(range(count)), trained.run.config)
  attributes = sorted_attributes(trained.run.config)
  found = [own_labels(function, face[None], {}, attributes) for face in faces]
  return float((np.array(found) == dataset.test.labels[:count]).all(1).mean())


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--workdir', type=Path, default=Path('runs/avatars'))
  parser.add_argument('--checkpoint', type=int, help='a step; the latest when left out')
  parser.add_argument('--guesses', type=int, default=100, help='faces whose labels are guessed')
  parser.add_argument('--faces', type=int, default=4, help='in edits.png, for each edit')
  args = parser.parse_args()
  trained = inference.load(Workdir(args.workdir), args.checkpoint)
  dataset = data.load(trained.run.config, Examples)
  heads = 'edit', *WAYS, *[f'{way}, SSIM' for way in SIMILAR]
  print(f'step {trained.step}\n\n| {" | ".join(heads)} |\n{"|---" * len(heads)}|')
  shown = []
  for title, faces, made, truth in edits_of(trained, dataset):
    wanted = {way: faces if way == 'rebuilt' else truth for way in WAYS}
    psnr = [paired.psnr(made[way], wanted[way]) for way in WAYS]
    ssim = [paired.ssim(made[way], truth) for way in SIMILAR]
    told = [f'{x:.1f}' for x in psnr] + [f'{x:.2f}' for x in ssim]
    print(f'| {title} ({len(faces)}) | {" | ".join(told)} |', flush=True)
    shown.append({way: made[way][: args.faces] for way in WAYS} | {'truth': truth[: args.faces]})
  columns = {way: np.concatenate([x[way] for x in shown]) for way in (*WAYS, 'truth')}
  save_image(grid(columns), args.workdir / 'edits.png')
  for name in ('edit', 'decode'):
    function = trained.compiled(getattr(trained.run.method, name))
    share = guessed_right(function, trained, dataset, args.guesses)
    print(f'own labels guessed by `{name}`: {share:.2f} of {args.guesses} faces')
  print(f'\n{args.workdir / "edits.png"}: {args.faces} faces of each edit, in the order of the table')


if __name__ == '__main__':
  main()
