"""The commands as a user types them: real processes, real files, small networks."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from decoupled_gan.run import experiment
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

ROOT = Path(__file__).parent.parent
STEPS = 30
RECIPE = """
from configs import {name}

def get_config(words=''):
  config = {name}.get_config('tiny')
  config.num_steps = {steps}
  config.checkpoint_every_steps = 10
  config.sample_every_steps = 25
  return config
"""


SHOWN = {'cyclegan': (32, 5), 'nice': (48, 6)}
"""{recipe: (pixels of an image, columns of a sample grid)}."""


@pytest.fixture(scope='module', params=['cyclegan', pytest.param('nice', marks=pytest.mark.slow)])
def name(request):
  return request.param


@pytest.fixture(scope='module')
def home(tmp_path_factory, name):
  """A folder with a recipe."""
  folder = tmp_path_factory.mktemp('home')
  recipe = RECIPE.format(name=name, steps=STEPS)
  (folder / 'tiny.py').write_text(recipe)
  return folder


def command(home, *arguments, **options):
  """The started process of `python main.py <arguments>`."""
  return subprocess.Popen(
    [sys.executable, 'main.py', *arguments],
    cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
  )  # fmt: skip


def finish(process):
  """(exit code, stdout, stderr)."""
  out, err = process.communicate(timeout=400)
  return process.returncode, out, err


def training(home, name):
  return command(home, f'--config={home}/tiny.py', f'--workdir={home / name}')


def rows(folder):
  """The lines of metrics.jsonl so far; the one that is just being written does not count yet."""
  path = folder / 'metrics.jsonl'
  whole = path.read_text().rpartition('\n')[0] if path.exists() else ''
  return [json.loads(x) for x in whole.splitlines()]


def losses_of(folder):
  """The metrics without the times."""
  return [{k: v for k, v in row.items() if not k.startswith('time/')} for row in rows(folder)]


def wait_for(process, condition):
  """Until `condition()` holds; the process must still be at it."""
  while not condition():
    assert process.poll() is None, process.communicate()
    time.sleep(0.005)


@pytest.fixture(scope='module')
def straight(home):
  """A run of all steps in one go."""
  code, out, err = finish(training(home, 'straight'))
  assert code == 0, err
  assert f'Done: {STEPS} steps' in out
  return home / 'straight'


def state_of(folder):
  built = experiment.build(Workdir(folder).load_config())
  with Checkpoints(Workdir(folder).checkpoints, read_only=True) as checkpoints:
    return jax.tree.map(np.asarray, checkpoints.restore(built.abstract_state()))


def test_kill_and_terminate_and_resume_end_where_the_straight_run_does_bit_for_bit(home, straight):
  folder = home / 'interrupted'
  first = training(home, 'interrupted')
  saved = folder / 'checkpoints' / '10' / 'commit_success.txt'
  wait_for(first, saved.exists)
  first.kill()  # SIGKILL: no goodbye
  assert finish(first)[0] == -signal.SIGKILL

  second = training(home, 'interrupted')
  wait_for(second, lambda: any(row['step'] > 22 for row in rows(folder)))
  second.terminate()
  code, out, err = finish(second)
  assert code == 0, err
  assert 'start     step' in out, 'it began from nothing'
  assert 'Stopped by SIGTERM' in out

  code, out, err = finish(training(home, 'interrupted'))
  assert code == 0, err
  jax.tree.map(np.testing.assert_array_equal, state_of(straight), state_of(folder))
  assert losses_of(straight) == losses_of(folder)
  for image in (straight / 'samples').iterdir():
    assert image.read_bytes() == (folder / 'samples' / image.name).read_bytes()


def test_sample_grids_have_their_columns_and_a_row_for_each_test_image(straight, name):
  grid = Image.open(straight / 'samples' / f'{STEPS:08d}.png')
  size, columns = SHOWN[name]
  cell = 2 * size + 2  # shown twice as large, so that the names fit
  assert grid.size == (columns * cell, 18 + 4 * cell)


@pytest.mark.parametrize('resize', ['square', 'keep'])
def test_translate_keeps_names_and_takes_any_size(home, straight, name, tmp_path, resize):
  source = tmp_path / 'in'
  (source / 'sub').mkdir(parents=True)
  pixels = np.random.default_rng(0).integers(0, 256, (51, 70, 3), np.uint8)
  Image.fromarray(pixels).save(source / 'one.jpg')
  Image.fromarray(pixels[..., 0]).save(source / 'sub' / 'two.png')
  code, out, err = finish(command(
    home, '--mode=translate', f'--workdir={straight}', f'--input={source}',
    f'--output={tmp_path / "out"}', '--direction=b_to_a', f'--resize={resize}',
  ))  # fmt: skip
  assert code == 0, err
  assert f'2 image(s) translated b_to_a at step {STEPS}' in out
  size = (70, 51) if resize == 'keep' else (SHOWN[name][0],) * 2
  for file in ('one.jpg', 'sub/two.png'):
    assert Image.open(tmp_path / 'out' / file).size == size


def test_evaluate_scores_both_directions_beside_both_baselines(home, straight, name):
  code, _, err = finish(command(home, '--mode=evaluate', f'--workdir={straight}'))
  assert code == 0, err
  written = [json.loads(x) for x in (straight / 'evaluations.jsonl').read_text().splitlines()]
  told = {(row['task'], row['images'], row['metric']) for row in written}
  names = ('identity', 'mean and variance', name)
  assert told == {
    (d, n, m) for d in ('a_to_b', 'b_to_a') for n in names for m in ('mae', 'psnr')
  }
  assert {row['checkpoint'] for row in written} == {STEPS}


@pytest.mark.parametrize(
  'arguments, sentence',
  [
    (['--mode=translate'], r'needs --workdir'),
    (['--mode=evaluate', '--real=/nowhere'], '--real=<folder> and --fake=<folder> come together'),
    (['--mode=evaluate', '--real=/nowhere', '--fake=/x'], '--real=/nowhere is not a folder'),
    (['--mode=evaluate', '--workdir=x', '--checkpoint=last'], 'x holds no run'),
    (['--mode=paint', '--config=configs/emoji.py'], 'mode=paint is unknown; there are'),
    (['--config=configs/nothing.py'], 'no recipe configs/nothing.py; .* here are .*avatars'),
    (['--config=configs/emoji.py:blue'], "no variant and no data set 'blue'; variants"),
    (['--config=configs/emoji.py', '--config.model.widht=3'], 'field: .widht. Did you mean "width"'),
    (['--config=configs/emoji.py', '--config.batch_size=x'], 'config.batch_size=x'),
    (['--config=configs/nice.py:cat2dog', '--config.data.path=/nowhere'], "'/nowhere' is not a folder"),
    (['--config=configs/emoji.py', '--config.image_size=32'], 'smallest that works is'),
    (['--config=configs/emoji.py', '--workdir=main.py/x'], 'cannot be written'),
    (['photo.jpg', '--config=configs/emoji.py'], 'photo.jpg is no mode'),
  ],
)  # fmt: skip
def test_a_mistake_gets_one_sentence_and_exit_code_2(tmp_path, arguments, sentence):
  if not any('--workdir' in a for a in arguments) and '--mode=translate' not in arguments:
    arguments = [*arguments, f'--workdir={tmp_path / "run"}']
  code, _, err = finish(command(tmp_path, *arguments))
  errors = [line for line in err.splitlines() if line.startswith('error: ')]
  assert code == 2, err
  assert len(errors) == 1
  assert 'Traceback' not in err
  assert re.search(sentence, errors[0]), errors[0]


def test_another_architecture_is_refused_by_name_and_leaves_the_run_alone(home, straight):
  before = (straight / 'config.json').read_text()
  code, _, err = finish(command(
    home, f'--config={home}/tiny.py', f'--workdir={straight}', '--config.model.width=8',
  ))  # fmt: skip
  assert code == 2
  assert re.search(r'model\.width is [24] there and 8 here', err)
  assert (straight / 'config.json').read_text() == before


@pytest.mark.slow
def test_routes_confirms_a_run_and_paints_the_table(home, straight):
  code, out, err = finish(command(home, '--mode=routes', f'--workdir={straight}'))
  assert code == 0, err
  assert 'no other group moved by one bit' in out
  assert (straight / 'routes.png').exists()
