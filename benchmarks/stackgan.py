"""StackGAN++: do colours of the scales agree, and do drawings show what was described?

  python benchmarks/stackgan.py colours --seeds=0          # two runs, three CPU minutes each
  python benchmarks/stackgan.py labels --seeds=0,1         # two runs a seed, a CPU minute each

colours: configs/stackgan.py:satellite,small with colour consistency and without. Printed is, over COUNT
drawings, the mean distance |mean(G_i) - mean(G_i-1)| of two scales' mean colours, in [-1, 1], and the
root of the mean squared distance of their covariances.

labels: configs/stackgan.py:labelled_digits, with the joint loss and with the conditional one alone
(`matching`). Printed are the shares of COUNT drawings of each scale that a support vector machine, of
real digits of 8 px, tells as the digit that was asked for. Runs that are in the folder are not trained
again.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from sklearn.datasets import load_digits
from sklearn.svm import SVC

from configs import stackgan as recipe
from decoupled_gan.methods.noise import stackgan
from decoupled_gan.modes import train
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

COUNT = 500
WORDS = {
  'colours': ('satellite,small', 'satellite,small,colourless'),
  'labels': ('labelled_digits', 'labelled_digits,matching'),
}

_FOLDER = flags.DEFINE_string('folder', 'runs/stackgan', 'Runs and scores.')
_SEEDS = flags.DEFINE_list('seeds', ['0'], 'Of the runs.')
_STEPS = flags.DEFINE_integer('steps', 0, 'Another length than the recipe has; 0: its own.')


def trained(words: str, seed: int) -> inference.Trained:
  config = recipe.get_config(words)
  config.seed = seed
  config.num_steps = _STEPS.value or config.num_steps
  config.log_every_steps = 50
  workdir = Workdir(str(Path(_FOLDER.value) / f'{words.replace(",", "-")}-{seed}'))
  train.train(config, workdir)
  return inference.load(workdir)


def drawn(found: inference.Trained, labels: np.ndarray | None) -> list[np.ndarray]:
  """COUNT drawings [N, S, S, C] of each scale, with running averages of all that has some."""
  normal = np.random.default_rng(0).normal(size=(COUNT, found.run.gan.z_dim)).astype(np.float32)
  given = normal if labels is None else (normal, labels)

  def images(gan, normal, labels=None):
    return gan.images(normal, gan.told(labels))

  function = found.compiled(images)
  return inference.batched(lambda x: function(*x) if isinstance(x, tuple) else function(x), given, 50)


def colours(found: inference.Trained) -> dict[str, list[float]]:
  pairs = [jax.jit(stackgan.colours)(x) for x in drawn(found, None)]
  apart = {'means': [], 'covariances': []}
  for (mean, covariance), (coarse, coarse_covariance) in zip(pairs[1:], pairs[:-1], strict=True):
    apart['means'].append(float(np.abs(mean - coarse).mean()))
    apart['covariances'].append(float(np.sqrt(np.square(covariance - coarse_covariance).mean())))
  return apart


def labels(found: inference.Trained) -> dict[str, list[float]]:
  asked = np.arange(COUNT, dtype=np.int32) % 10
  digits = load_digits()
  machine = SVC(gamma=0.001).fit(digits.data, digits.target)
  shares = []
  for images in drawn(found, asked[:, None]):
    side = images.shape[1] // 8
    small = images.reshape(COUNT, 8, side, 8, side).mean((2, 4))
    shares.append(float((machine.predict((small.reshape(COUNT, -1) + 1) * 8) == asked).mean()))
  return {'told as asked': shares}


def main(arguments):
  what = arguments[1] if len(arguments) > 1 else 'colours'
  measure = {'colours': colours, 'labels': labels}[what]
  scores = {
    f'{words} {seed}': measure(trained(words, int(seed)))
    for seed in _SEEDS.value
    for words in WORDS[what]
  }
  Path(_FOLDER.value, f'{what}.json').write_text(json.dumps(scores, indent=2))
  for name, found in scores.items():
    shown = '; '.join(f'{k} {" ".join(f"{x:.4f}" for x in v)}' for k, v in found.items())
    print(f'{name:35} {shown}')


if __name__ == '__main__':
  app.run(main)
