"""What shows on scikit-learn's digits, 8 x 8 px, several seeds at once, in minutes on a laptop.

  python benchmarks/gan_digits.py kid             # MMD GAN, row 47, and others: KID before and after
  python benchmarks/gan_digits.py little          # LeCam and consistency on 100 digits
  python benchmarks/gan_digits.py labels          # K + 1 classes, row 35: accuracy with few labels
  python benchmarks/gan_digits.py stacked         # three digits as channels: how many of 1,000 modes
  python benchmarks/gan_digits.py backbones       # DCGAN, SNGAN, SAGAN, R3GAN at their words' lengths
  python benchmarks/gan_digits.py backbones --only=r3gan:digits
  python benchmarks/gan_digits.py entropy         # MEE, row 54, with its entropy and without

KID is of the 128 hidden units of a classifier of digits (scikit-learn's MLPClassifier, random state 0),
2,000 generated ones against the training set; +- is its standard error over subsamples.
"""

import argparse
import functools
import importlib
import sys
import time
from pathlib import Path

import jax
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from decoupled_gan import data  # noqa: E402
from decoupled_gan.core.images import to_float, to_uint8  # noqa: E402
from decoupled_gan.core.state import inference_variables  # noqa: E402
from decoupled_gan.core.types import Examples, present  # noqa: E402
from decoupled_gan.data import pipeline  # noqa: E402
from decoupled_gan.evaluation.metrics import points, registry  # noqa: E402
from decoupled_gan.evaluation.metrics.distribution import squared_mmd  # noqa: E402
from decoupled_gan.methods import gan as method  # noqa: E402
from decoupled_gan.run import experiment, members  # noqa: E402
from decoupled_gan.run.calls import Calls  # noqa: E402

CALL, GENERATED = 50, 2000
BACKBONES = ('dcgan:digits', 'sngan:digits', 'sagan:labelled_digits', 'r3gan:digits')


def config_of(recipe: str, seeds: int, **fields):
  name, _, words = recipe.partition(':')
  config = importlib.import_module(f'configs.{name}').get_config(words)
  config.seeds, config.steps_per_call = seeds, CALL
  config.sample_every_steps = config.checkpoint_every_steps = CALL
  with config.unlocked():
    config.update_from_flattened_dict(fields)
  return config


def arrays(dataset, config) -> dict[str, np.ndarray]:
  """{field: array [N, ...]} of the training examples, at the size of training."""
  return {
    name: x if isinstance(x, np.ndarray) else pipeline.test_images(x, None, config)
    for name, x in present(dataset.train).items()
  }


def train(run, datasets):
  """(states at first, states after config.num_steps steps) of all seeds, each on its data set."""
  config, call = run.config, Calls(run)
  fields = [arrays(dataset, config) for dataset in datasets]
  state = run.create_state()
  first = members.each(run, jax.tree.map(lambda x: x + 0, state))
  for step in range(0, config.num_steps, CALL):
    rng = np.random.default_rng((config.seed, step))
    parts = []
    for own in fields:
      which = rng.integers(len(own['x']), size=(CALL, config.batch_size))
      parts.append({name: x[which] for name, x in own.items()})
    batch = parts[0]  # of a single seed there is no axis of seeds
    if config.seeds > 1:
      batch = {name: np.stack([part[name] for part in parts], 1) for name in parts[0]}
    state, _ = call(state, Examples(**batch), step, CALL)
  return first, members.each(run, state)


def generated(run, state, count: int = GENERATED, labels=None) -> np.ndarray:
  """uint8 [count, H, W, C], under `labels` [count, 1] where the generator is told some."""
  z = jax.random.normal(jax.random.key(9), (count, run.gan.z_dim))

  @jax.jit
  def draw(variables, z):
    codes = run.gan.apply(variables, z, 1.0, method=method.style)
    return run.gan.apply(variables, codes, 'random', labels, method=method.draw)

  return to_uint8(draw(inference_variables(state), z))


@functools.cache
def classifier():
  """(images -> features [N, 128], the features of the training set)."""
  network, known = _network()

  def features(images):
    return np.maximum(_flat(images) @ network.coefs_[0] + network.intercepts_[0], 0)

  return features, features(known['x'])


def told_digits(images: np.ndarray) -> np.ndarray:
  """Which digit the classifier takes each image for, [N]."""
  return _network()[0].predict(_flat(images))


@functools.cache
def _network():
  """(the classifier, {field: array} of the training set)."""
  from sklearn.neural_network import MLPClassifier

  config = config_of('gan:labelled_digits', 1)
  known = arrays(data.load(config, Examples), config)
  network = MLPClassifier((128,), random_state=0, max_iter=300)
  return network.fit(_flat(known['x']), known['labels'][:, 0]), known


def _flat(images: np.ndarray) -> np.ndarray:
  return images.reshape(len(images), -1) / 255.0


def kid(images: np.ndarray) -> registry.Estimate:
  features, real = classifier()
  fake = features(images)
  rng = np.random.default_rng(0)
  return registry.subsampled(squared_mmd(real, fake), squared_mmd, real, fake, rng)


def told(images: np.ndarray) -> str:
  found = kid(images)
  return f'{found.value:8.4f} +- {(found.high - found.value) / 1.96:.4f}'


def of_kid(seeds: int):
  """Before and after 2,000 steps."""
  for recipe in (
    'mmd_gan', 'mmd_gan:rbf', 'cramer_gan', 'wgan_gp', 'wgan', 'gan', 'lsgan', 'hinge_gan', 'san',
    'san:plain', 'ptgan', 'adversarial_flow', 'top_k', 'relativistic_gan', 'r1_gan',
  ):  # fmt: skip
    name, _, words = recipe.partition(':')
    words = ','.join(filter(None, ('digits', words)))
    run = experiment.build(config_of(f'{name}:{words}', seeds, num_steps=2000))
    dataset = data.load(run.config, Examples)
    first, last = train(run, [dataset] * seeds)
    for seed, states in enumerate(zip(first, last, strict=True)):
      before, after = (told(generated(run, state)) for state in states)
      print(f'{recipe:20s} seed {seed}   KID at first {before}   after 2,000 steps {after}', flush=True)


def little(seeds: int):
  """100 training digits, 3,000 steps; KID against all of them, and the gap of D on held-out ones."""
  settings = {
    'hinge': 'hinge_gan:digits', 'hinge + LeCam': 'lecam:digits', 'hinge + CR': 'consistency:digits',
    'hinge + bCR': 'consistency:digits,bcr', 'hinge + zCR': 'consistency:digits,zcr',
  }  # fmt: skip
  for name, recipe in settings.items():
    run = experiment.build(config_of(recipe, seeds, num_steps=3000, **{'data.limit': 100}))
    dataset = data.load(run.config, Examples)
    test = np.stack([dataset.test.x[i] for i in range(len(dataset.test.x))])
    _, last = train(run, [dataset] * seeds)
    for seed, state in enumerate(last):
      seen, unseen = (judged(run, state, x).mean() for x in (arrays(dataset, run.config)['x'], test))
      shown = f'D on the 100: {seen:7.2f}, on held-out ones: {unseen:7.2f}'
      print(f'{name:15s} seed {seed}   KID {told(generated(run, state))}   {shown}', flush=True)


def judged(run, state, images: np.ndarray) -> np.ndarray:
  """Outputs [N, K] of the discriminator, averaged where it is, without noise."""
  variables, images = inference_variables(state), to_float(images)
  return np.asarray(run.gan.apply(variables, images, method=method.METHOD.judge))


def labels(seeds: int):
  """Test accuracy of the averaged discriminator, with 10 and with 2 labels a class."""
  for count in (10, 2):
    for name, words in (('labels alone', 'alone'), ('K + 1, feature matching', '')):
      words = ','.join(filter(None, ('labelled_digits', words)))
      config = config_of(f'improved_gan:{words}', seeds, **{'data.labels_per_class': count})
      run = experiment.build(config)
      datasets = [data.load(members.config_of(config, i), Examples) for i in range(seeds)]
      test = datasets[0].test
      images = np.stack([test.x[i] for i in range(len(test.x))])
      _, last = train(run, datasets)
      right = [(judged(run, s, images).argmax(1) == test.labels[:, 0]).mean() for s in last]
      shown = ' '.join(f'{x:.3f}' for x in right)
      print(f'{count:2d} labels a class   {name:24s} {np.mean(right):.3f}   {shown}', flush=True)


def stacked(seeds: int):
  """Modes of 1,000 and their KL, of 26,000 images, after 6,000 steps."""
  for recipe in ('gan', 'gan:minimax', 'hinge_gan', 'wgan_gp', 'relativistic_gan', 'r1_gan:both'):
    name, _, words = recipe.partition(':')
    words = ','.join(filter(None, ('stacked_digits', words)))
    run = experiment.build(config_of(f'{name}:{words}', seeds, num_steps=6000))
    dataset = data.load(run.config, Examples)
    for seed, state in enumerate(train(run, [dataset] * seeds)[1]):
      images = generated(run, state, 26_000)
      found, away = (m(dataset.law, images).value for m in (points.modes, points.mode_kl))
      print(f'{recipe:20s} seed {seed}   modes {found:4d}   KL {away:.3f}', flush=True)


def backbones(seeds: int, only: str = ''):
  """KID before and after, and which digits there are; runs/gan_digits/<recipe>.png to look at.

  One seed after another: in one program the kernels of seeds become groups, 1.3 times as dear a seed.
  """
  for recipe in only.split(';') if only else BACKBONES:
    for seed in range(seeds):
      images = of_backbone(recipe, config_of(recipe, 1, seed=seed))
    path = Path('runs/gan_digits') / f'{recipe.replace(":", "-")}.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    tiles = images[:100, ..., 0].reshape(10, 10, 8, 8).transpose(0, 2, 1, 3).reshape(80, 80)
    Image.fromarray(tiles).resize((480, 480), Image.Resampling.NEAREST).save(path)


def of_backbone(recipe: str, config) -> np.ndarray:
  """Trains one seed, prints its line and returns what it draws, uint8 [N, 8, 8, 1]."""
  run, start = experiment.build(config), time.monotonic()
  asked = np.arange(GENERATED)[:, None] % 10 if config.attributes else None
  states = [one for (one,) in train(run, [data.load(config, Examples)])]
  spent = time.monotonic() - start
  before, images = (eight(generated(run, x, labels=asked)) for x in states)
  digits = told_digits(images)
  right = '' if asked is None else f'   as asked {(digits == asked[:, 0]).mean():.3f}'
  print(
    f'{recipe:22s} seed {config.seed}   KID at first {told(before)}   after {config.num_steps} steps '
    f'{told(images)}   rarest digit {shares_of(digits).min():.3f}{right}   ({spent:.0f} s)',
    flush=True,
  )
  return images


def entropy(seeds: int):
  """KID and the digits that there are, after 4,500 steps (1,500 of the generator)."""
  without = {f'routes.{phase}.entropy': {} for phase in ('discriminate', 'generate')}
  for name, fields in (('MEE', {}), ('without entropy', without)):
    for seed in range(seeds):
      config = config_of('mee:digits', 1, seed=seed, num_steps=4500, **{'model.width': 32, **fields})
      run = experiment.build(config)
      _, (last,) = train(run, [data.load(config, Examples)])
      images = generated(run, last)
      shares = shares_of(told_digits(images))
      print(
        f'{name:15s} seed {seed}   KID {told(images)}   rarest digit {shares.min():.3f}   '
        f'entropy of digits {-(shares * np.log(shares + 1e-9)).sum():.3f}',
        flush=True,
      )


def shares_of(digits: np.ndarray) -> np.ndarray:
  """[10], how much of all each digit is."""
  return np.bincount(digits, minlength=10) / len(digits)


def eight(images: np.ndarray) -> np.ndarray:
  """uint8 [N, 8, 8, C]: means over equal squares of larger images."""
  count, size, _, channels = images.shape
  parts = images.reshape(count, 8, size // 8, 8, size // 8, channels).mean((2, 4))
  return parts.round().astype(np.uint8)


TASKS = {
  'kid': of_kid, 'little': little, 'labels': labels, 'stacked': stacked, 'backbones': backbones,
  'entropy': entropy,
}  # fmt: skip


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('what', choices=TASKS)
  parser.add_argument('--seeds', type=int, default=3)
  parser.add_argument('--only', default='', help='of backbones: recipes, separated by semicolons')
  options = parser.parse_args()
  only = {'only': options.only} if options.what == 'backbones' else {}
  TASKS[options.what](options.seeds, **only)


if __name__ == '__main__':
  main()
