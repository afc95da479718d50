"""Two hundred digits: what helps a GAN whose discriminator learns its training set by heart?

  python benchmarks/little_data.py --output=runs/little_data [--seeds=3] [--steps=6000] [--only=ada]

Trains configs/few_digits.py and its words, each with several seeds in one program, and looks at them
`--looks` times:

  FD      Frechet distance of 64 features of a small digit classifier, trained here on all training
          digits, between 5,000 fakes of the averaged generator and all 1,797 digits. It is no FID
  train, held-out, fake   mean sign of D on the 200 training digits, on 359 it never saw, on fakes, all
          as they are, not augmented
  r, p    the mean sign of D on real digits as it saw them, and the controllers' strength
  told    of AugSelf-GAN: mean squared error of the predicted draws of real digits (a constant has 1/12
          for the colours), measured at the last look
  cosine, shrink   of AdaptiveMix: mean cosine of features of mixed digits and mixed features; the mean
          distance of two digits' features over their mean length

Writes measured.json, figure.png and samples.png, and prints a table. Twenty minutes of two cores.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also without installation

from configs import few_digits
from decoupled_gan import data
from decoupled_gan.core import state as states
from decoupled_gan.core.images import to_float
from decoupled_gan.evaluation.metrics.distribution import frechet_distance
from decoupled_gan.losses.pixels import cosine
from decoupled_gan.run import calls, experiment, members
from decoupled_gan.run.pictures import grid, save_figure, save_image
from decoupled_gan.terms import mixing

NAMES = {
  'none': 'nothing', 'diffaugment': 'DiffAugment', 'ada': 'ADA', 'apa': 'APA',
  'diffusion': 'Diffusion-GAN', 'augself': 'AugSelf', 'mixed': 'AdaptiveMix',
  'all_digits': 'nothing, 1,438 digits',
}  # fmt: skip
FAKES = 5000
PER_CALL = 100


class Classifier(nn.Module):
  """Digits [B, 8, 8, 1] -> (logits [B, 10], features [B, 64])."""

  @nn.compact
  def __call__(self, x):
    x = nn.relu(nn.Dense(256)(x.reshape(len(x), -1)))
    features = nn.relu(nn.Dense(64)(x))
    return nn.Dense(10)(features), features


def digits():
  """((images [-1, 1], labels) to train, the same to test), all of them."""
  config = few_digits.get_config('labelled_digits')
  config.data.limit = 0
  dataset = data.load(config, data.Examples)
  return tuple(
    (np.asarray(to_float(data.test_images(part.x, range(len(part.x)), config))), part.labels[:, 0])
    for part in (dataset.train, dataset.test)
  )


def trained_classifier(train, steps=2000):
  """images -> (logits, features), compiled."""
  model, optimizer = Classifier(), optax.adam(1e-3)
  variables = model.init(jax.random.key(0), train[0][:1])
  opt = optimizer.init(variables)

  @jax.jit
  def step(variables, opt, x, y):
    def loss(variables):
      logits = model.apply(variables, x)[0]
      return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    updates, opt = optimizer.update(jax.grad(loss)(variables), opt)
    return optax.apply_updates(variables, updates), opt

  rng = np.random.default_rng(0)
  for _ in range(steps):
    chosen = rng.integers(len(train[0]), size=128)
    variables, opt = step(variables, opt, train[0][chosen], train[1][chosen])
  return jax.jit(lambda x: model.apply(variables, x))


def _told(config) -> bool:
  return 'diffusion' in config.augment.pipeline and config.augment.tell_time


def measure(run, train, held_out):
  """f(one member's state) -> {name: number or array}, compiled."""
  config = run.config
  mixing_rows = 'adaptive_mix' in config.routes.discriminate

  def says(gan, x):
    told = (jnp.zeros((len(x), 1)),) if _told(config) else ()
    return gan.discriminator(x, None, *told)

  def judge(gan, train, held_out, fake):
    found = {'train': says(gan, train), 'held_out': says(gan, held_out), 'fake': says(gan, fake)}
    numbers = {name: jnp.sign(verdict.outputs).mean() for name, verdict in found.items()}
    features = found['train'].features
    apart = jnp.sqrt(jnp.square(features[:, None] - features[None]).sum(-1)).mean()
    numbers['shrink'] = apart / jnp.linalg.norm(features, axis=-1).mean()
    if mixing_rows:
      order = np.roll(np.arange(len(train)), 1)
      mixture = mixing.mix(lambda x: says(gan, x).features, train, 0.5, order)
      numbers['cosine'] = cosine(mixture.mixed, mixture.target)
    if config.augment.pipeline == 'diffaugment' and gan.predictor:
      seen = gan.view.lens(jax.random.key(3))(train)
      predicted = gan.predictor(says(gan, seen.x).features - says(gan, train).features)
      for word, drawn in seen.draws.items():
        numbers[f'told/{word}'] = jnp.square(predicted[word] - drawn).mean()
    return numbers

  @jax.jit
  def function(own):
    drawn = jax.random.normal(jax.random.key(1), (FAKES, config.model.z_dim))
    fakes = run.gan.apply(
      states.inference_variables(own), drawn, method=lambda gan, z: gan.generator(gan.codes(z), None)
    )
    numbers = run.gan.apply(own.variables(), train, held_out, fakes[:1000], method=judge)
    if 'controller' in own.stats:
      reading = own.stats['controller']['view']['reading']
      numbers |= {'p': reading.p, 'r': reading.overfitting}
    return numbers, fakes

  return function


def train_and_look(word: str, arguments, real_features, features_of, held_out):
  """[{step, seed, numbers}] and the last fakes of each seed."""
  config = few_digits.get_config(word if word != 'none' else '')
  config.seeds, config.num_steps, config.steps_per_call = arguments.seeds, arguments.steps, PER_CALL
  every = max(PER_CALL, arguments.steps // arguments.looks // PER_CALL * PER_CALL)
  for field in calls.BETWEEN:
    config[field] = every
  run = experiment.build(config)
  dataset = data.load(config, run.method.batch)
  known = to_float(data.test_images(dataset.train.x, range(len(dataset.train.x)), config))
  state, function = run.create_state(), measure(run, known, held_out)
  streams, play = members.batches(run, dataset, 0), calls.Calls(run)
  rows, started = [], time.perf_counter()
  for step, count in calls.spans(run, 0, config.num_steps):
    state, _ = play(state, members.taken(run, streams, count), step, count)
    done = step + count
    if done % every == 0:
      fakes = []
      for seed, own in zip(members.seeds(config), members.each(run, state), strict=True):
        numbers, made = function(own)
        fd = frechet_distance(real_features, np.asarray(features_of(made)[1]))
        row = {'word': word, 'step': done, 'seed': seed, 'FD': fd}
        rows.append(row | {name: float(x) for name, x in numbers.items()})
        fakes.append(np.asarray(made[:12]))
      shown = {name: round(float(np.mean([r[name] for r in rows[-config.seeds :]])), 3) for name in
               rows[-1] if name not in ('word', 'step', 'seed')}  # fmt: skip
      print(word, done, shown, f'{time.perf_counter() - started:.0f} s', flush=True)
  return rows, fakes


def column(rows, word, name):
  """(steps, [steps, seeds]) of a number."""
  own = [row for row in rows if row['word'] == word and name in row]
  steps = sorted({row['step'] for row in own})
  return steps, np.array([[row[name] for row in own if row['step'] == step] for step in steps])


def draw(rows, floor: float, path: Path):
  """FD of all; the signs that show overfitting; the strength."""
  words = list(dict.fromkeys(row['word'] for row in rows))
  figure = Figure((15, 4.6), layout='constrained')
  left, middle, right = figure.subplots(1, 3)

  def band(axes, word, name, label, colour, style='-'):
    steps, values = column(rows, word, name)
    if len(steps):
      axes.plot(steps, values.mean(1), style, color=colour, label=label)
      axes.fill_between(steps, values.min(1), values.max(1), color=colour, alpha=0.15, lw=0)

  for i, word in enumerate(words):
    if word != 'all_digits':  # far below, see the table
      band(left, word, 'FD', NAMES[word], f'C{i}')
    band(right, word, 'p', NAMES[word], f'C{i}')
    band(middle, word, 'train', NAMES[word], f'C{i}')
    band(middle, word, 'held_out', None, f'C{i}', '--')
  left.axhline(floor, color='grey', lw=1, ls=':', label='the 200 digits themselves')
  left.set(title='FD of a digit classifier, 200 digits', xlabel='step', yscale='log')
  middle.set(title='mean sign of D: training digits (-), held out (--)', xlabel='step')
  right.set(title='strength p', xlabel='step')
  left.legend(fontsize='small')
  right.legend(fontsize='small')
  save_figure(figure, path)


def table(rows) -> str:
  """The last look of each word: mean over seeds, and the seeds' range of FD; and its best FD."""
  lines = [f'{"":24}{"FD":>7} {"(seeds)":>16}{"best FD":>9}{"at step":>9}'
           f'{"train":>7}{"held out":>9}{"fake":>7}{"p":>7}']  # fmt: skip
  for word in dict.fromkeys(row['word'] for row in rows):
    steps, fd = column(rows, word, 'FD')
    best = fd.mean(1).argmin()
    last = {name: column(rows, word, name)[1][-1] for name in ('train', 'held_out', 'fake')}
    p = column(rows, word, 'p')[1]
    spread = f'({fd[-1].min():.2f}..{fd[-1].max():.2f})'
    lines.append(
      f'{NAMES[word]:24}{fd[-1].mean():7.2f} {spread:>16}{fd.mean(1)[best]:9.2f}{steps[best]:9}'
      + ''.join(f'{last[name].mean():{width}.2f}' for name, width in
                (('train', 7), ('held_out', 9), ('fake', 7)))
      + (f'{p[-1].mean():7.2f}' if len(p) else f'{"":7}')
    )  # fmt: skip
  return '\n'.join(lines)


def main():
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--output', default='runs/little_data')
  parser.add_argument('--seeds', type=int, default=3)
  parser.add_argument('--steps', type=int, default=6_000)
  parser.add_argument('--looks', type=int, default=12)
  parser.add_argument('--only', default=','.join(NAMES))
  arguments = parser.parse_args()
  output = Path(arguments.output)
  output.mkdir(parents=True, exist_ok=True)
  train, test = digits()
  features_of = trained_classifier(train)
  accuracy = float((features_of(test[0])[0].argmax(1) == test[1]).mean())
  everything = np.concatenate([train[0], test[0]])
  real_features = np.asarray(features_of(everything)[1])
  floor = frechet_distance(real_features, np.asarray(features_of(train[0][:200])[1]))
  print(f'classifier: {accuracy:.3f} of held-out digits; FD of the 200 digits themselves {floor:.2f}')
  rows, columns = [], {'real': train[0][:12]}
  for word in arguments.only.split(','):
    found, fakes = train_and_look(word, arguments, real_features, features_of, test[0])
    rows += found
    columns[NAMES[word]] = fakes[0]
    measured = {'accuracy': accuracy, 'floor': floor, 'rows': rows}
    (output / 'measured.json').write_text(json.dumps(measured))
    draw(rows, floor, output / 'figure.png')
    save_image(grid(columns), output / 'samples.png')
  print(table(rows))


if __name__ == '__main__':
  main()
