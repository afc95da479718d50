"""--mode=generate with attributes: what is asked, what is guessed, what is written."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from test_methods_edgan import small

from configs import utkface
from decoupled_gan import data
from decoupled_gan.core.images import to_uint8
from decoupled_gan.data.sources.labelled import sorted_attributes
from decoupled_gan.errors import UserError
from decoupled_gan.modes.generate import draw, edit
from decoupled_gan.run import experiment, inference
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

ATTRIBUTES = {'beard': ('no', 'yes'), 'hair': ('black', 'blond', 'red')}


def paint(images, labels):
  """Images in [-1, 1] that show their labels: level 100 x beard + 10 x hair."""
  levels = labels @ np.array([100, 10])
  return np.broadcast_to(levels[:, None, None, None], images.shape) / 127.5 - 1


@pytest.mark.parametrize(
  ('asked', 'expected'),
  [
    ('beard=yes', ({'beard': 1}, '')),
    ('hair=red, beard=0', ({'hair': 2, 'beard': 0}, '')),
    ('hair', ({}, 'hair')),
    ('hair,beard=1', ({'beard': 1}, 'hair')),
  ],
)
def test_values_are_given_by_name_or_number_and_a_bare_name_is_a_strip(asked, expected):
  assert edit.parse(asked, ATTRIBUTES) == expected


@pytest.mark.parametrize(
  ('asked', 'message'),
  [
    ('hat=yes', "no attribute 'hat'; there are beard, hair"),
    ('hair=green', "hair='green' is out of range: its values are black, blond, red, or .* 0 to 2"),
    ('hair=3', "hair='3' is out of range"),
    ('', 'says what to change'),
    ('hair,beard', 'shows all values of one attribute'),
  ],
)
def test_mistakes_in_attributes_are_told(asked, message):
  with pytest.raises(UserError, match=message):
    edit.parse(asked, ATTRIBUTES)


def test_what_is_not_asked_for_is_what_rebuilds_the_image_best():
  image = np.full((1, 4, 4, 3), 108, np.uint8)
  np.testing.assert_array_equal(edit.own_labels(paint, image, {}, ATTRIBUTES), [1, 1])
  np.testing.assert_array_equal(edit.own_labels(paint, image, {'beard': 0}, ATTRIBUTES), [0, 1])


def test_too_many_combinations_to_guess_are_told_with_what_to_give(monkeypatch):
  monkeypatch.setattr(edit, 'MOST_GUESSES', 5)
  image = np.zeros((1, 4, 4, 3), np.uint8)
  with pytest.raises(UserError, match=r'hair must be given as well; .* combinations'):
    edit.own_labels(paint, image, {'beard': 1}, ATTRIBUTES)
  found = edit.own_labels(paint, image, {'beard': 1, 'hair': 2}, ATTRIBUTES)
  np.testing.assert_array_equal(found, [1, 2])


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A labelled run that nobody trained, and a face."""
  folder = tmp_path_factory.mktemp('run')
  workdir, config = Workdir(folder), small(utkface.get_config())
  workdir.save_config(config)
  state = experiment.build(config, train=False).create_state()
  with Checkpoints(workdir.checkpoints) as checkpoints:
    checkpoints.save(2, state, config)
  Image.new('RGB', (40, 30), (200, 100, 50)).save(folder / 'face.png')
  return folder


def test_an_image_and_a_strip_are_written(run, tmp_path, capsys):
  workdir, face = Workdir(run), str(run / 'face.png')
  edit.edit(workdir, face, 'age=3,gender=female', str(tmp_path / 'one.png'))
  assert 'step 2: age=16-20, gender=female' in capsys.readouterr().out
  assert Image.open(tmp_path / 'one.png').size == (16, 16)
  edit.edit(workdir, face, 'age,gender=0', str(tmp_path / 'strip.png'))
  assert Image.open(tmp_path / 'strip.png').size == (11 * (64 + 2), 18 + 64 + 2)


def test_a_change_is_added_to_the_image_at_its_own_size(run):
  config = Workdir(run).load_config()
  config.data.stretch = False
  rng = np.random.default_rng(0)
  image, change = rng.integers(0, 256, (37, 52, 3), np.uint8), np.zeros((16, 16, 3), np.float32)
  np.testing.assert_array_equal(to_uint8(edit.added(image, change, config)), image)
  grey = np.full((37, 52, 3), 100, np.uint8)
  np.testing.assert_array_equal(to_uint8(edit.added(grey, change + 0.4, config)), grey + 51)
  config.data.stretch = True
  grey[0, 0], grey[0, 1] = 50, 101  # a fifth of the range: changes of the stretched image shrink to it
  np.testing.assert_array_equal(to_uint8(edit.added(grey, change + 2, config)), grey + 51)


@pytest.mark.parametrize(
  ('fit', 'decode', 'ages', 'sentence'),
  [
    ('resize', None, 10, 'makes images anew: leave difference out'),
    ('crop', 1, 10, 'data.fit=crop: this run sees a part'),
    ('resize', 1, 600, 'of 1,200 combinations that would take too long'),
  ],
)
def test_runs_without_a_difference_are_told(run, fit, decode, ages, sentence):
  found = inference.load(Workdir(run)).run
  found.config.data.fit = fit
  found.config.attributes.age = tuple(map(str, range(ages)))
  method = dataclasses.replace(found.method, decode=decode)
  with pytest.raises(UserError, match=sentence):
    edit.check_difference(dataclasses.replace(found, method=method))


def test_labels_that_are_the_faces_own_leave_it_as_it_is_by_difference(run, tmp_path):
  trained, face = inference.load(Workdir(run)), run / 'face.png'
  attributes = sorted_attributes(trained.run.config)
  x = data.test_images([np.asarray(Image.open(face))], None, trained.run.config)
  own = edit.own_labels(edit.decoder(trained), x, {}, attributes)
  named = [f'{name}={values[n]}' for (name, values), n in zip(attributes.items(), own, strict=True)]
  out = tmp_path / 'same.png'
  edit.edit(Workdir(run), str(face), ','.join(named), str(out), difference=True)
  np.testing.assert_array_equal(Image.open(out), Image.open(face))


def test_a_strip_of_differences_has_the_size_of_the_image(run, tmp_path):
  how = {'difference': True}
  edit.edit(Workdir(run), str(run / 'face.png'), 'gender', str(tmp_path / 'strip.png'), **how)
  edit.edit(Workdir(run), str(run / 'face.png'), 'gender=male', str(tmp_path / 'one.png'), **how)
  assert Image.open(tmp_path / 'one.png').size == (40, 30)
  assert Image.open(tmp_path / 'strip.png').size[0] >= 3 * 40


def test_mistakes_in_files_are_told(run, tmp_path):
  workdir = Workdir(run)
  with pytest.raises(UserError, match=r'--output=<file>.png is missing'):
    edit.edit(workdir, str(run / 'face.png'), 'age', '')
  with pytest.raises(UserError, match=r"--input='nowhere.png' is not an image file"):
    edit.edit(workdir, 'nowhere.png', 'age', str(tmp_path / 'x.png'))


def test_a_method_without_seeds_says_what_it_can_do(toy, tmp_path):
  workdir = Workdir(tmp_path)
  workdir.create()
  workdir.save_config(toy)
  with pytest.raises(UserError, match=r'no run of toy draws images from seeds .* This one turns images'):
    draw.draw(workdir, '', '0', '', 1.0, 'const')
