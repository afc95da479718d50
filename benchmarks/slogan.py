"""What SLOGAN's mixture makes of clusters of unequal size: weights, and components against modes.

  python benchmarks/slogan.py --seeds=0,1              # a CPU minute a run
  python benchmarks/slogan.py --seeds=0 --steps=1000   # another length, tau and rates falling with it

Trains configs/slogan.py:short, and `frozen_prior` of it, and prints of 10,000 samples of each: the
sorted weights of the components (true: four times 0.0625 and 0.1875); the normalised mutual information
of a sample's component and its mode; the share of good samples. Runs stay in --output, and what is there
already is not trained again.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sklearn.metrics import normalized_mutual_info_score  # noqa: E402

from decoupled_gan.data.sources.toy import MIXTURES  # noqa: E402
from decoupled_gan.networks import mixture  # noqa: E402
from decoupled_gan.run import inference  # noqa: E402
from decoupled_gan.run.workdir import Workdir  # noqa: E402

LAW = MIXTURES['unequal8']
COUNT = 10_000


def trained(folder: Path, words: str, seed: int, steps: int) -> inference.Trained:
  workdir = folder / f'{words.replace(",", "-")}{seed}-{steps}'
  if not (workdir / f'checkpoints/{steps}').exists():
    fields = ('num_steps', 'model.tau_steps', 'sample_every_steps', 'checkpoint_every_steps')
    command = [
      sys.executable, str(ROOT / 'main.py'), f'--config={ROOT}/configs/slogan.py:{words}',
      f'--workdir={workdir}', f'--config.seed={seed}', '--config.steps_per_call=50',
      *(f'--config.{field}={steps}' for field in fields),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
  return inference.load(Workdir(workdir))


def measure(found: inference.Trained) -> tuple[np.ndarray, float, float]:
  """(sorted weights, mutual information, share of good samples)."""

  def look(gan, normal):
    z = gan.mixture.place(normal)
    component = mixture.responsibilities(z, *gan.mixture.parameters).argmax(1)
    return gan.generator(z, None), component, jax.nn.softmax(gan.mixture.logit)

  normal = np.random.default_rng(0).normal(size=(COUNT, found.run.config.model.z_dim))
  points, component, weights = map(np.asarray, found.compiled(look)(normal.astype(np.float32)))
  mode, good = LAW.assign(points)
  return np.sort(weights), normalized_mutual_info_score(mode, component), good.mean()


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seeds', default='0,1')
  parser.add_argument('--steps', default=6000, type=int)
  parser.add_argument('--words', default='short short,frozen_prior')
  parser.add_argument('--output', default='runs/slogan', type=Path)
  arguments = parser.parse_args()
  for words in arguments.words.split():
    for seed in map(int, arguments.seeds.split(',')):
      weights, shared, good = measure(trained(arguments.output, words, seed, arguments.steps))
      shown = ' '.join(f'{w:.3f}' for w in weights)
      print(f'{words:20} seed {seed}: weights {shown}; NMI {shared:.3f}; good {good:.3f}', flush=True)


if __name__ == '__main__':
  main()
