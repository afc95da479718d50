"""`import decoupled_gan as dg`: what it costs, what a model can do, that the command does the same."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import untrained
from PIL import Image

import decoupled_gan as dg
from decoupled_gan import data, defaults
from decoupled_gan.data import given
from decoupled_gan.model import Model
from decoupled_gan.modes import train as train_mode
from decoupled_gan.modes import translate as translate_mode
from decoupled_gan.modes.generate import edit as edit_mode
from decoupled_gan.run.workdir import Workdir


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A trained run of the toy, and pictures."""
  import toy

  from decoupled_gan import methods

  patch = pytest.MonkeyPatch()
  patch.setitem(methods.METHODS, 'toy', toy.METHOD)
  folder = tmp_path_factory.mktemp('run')
  train_mode.train(toy.get_config(), Workdir(folder / 'toy'))
  draw = np.random.default_rng(0)
  (folder / 'in').mkdir()
  for i in range(3):
    image = Image.fromarray(draw.integers(0, 256, (20 + i, 31, 3), np.uint8))
    image.save(folder / 'in' / f'{i}.png')
  yield folder
  patch.undo()


@pytest.fixture(scope='module')
def model(run):
  return dg.load(run / 'toy')


def test_the_import_costs_milliseconds_and_brings_no_jax():
  code = (
    'import sys, time; t = time.perf_counter()\n'
    'import decoupled_gan as dg; spent = time.perf_counter() - t\n'
    'assert not {"jax", "numpy", "flax", "PIL"} & set(sys.modules), sys.modules.keys()\n'
    'assert {"load", "train", "recipes", "Model", "UserError"} <= set(dir(dg))\n'
    'assert len(dg.recipes()) > 20 and "jax" not in sys.modules\n'
    'print(spent)'
  )
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
  assert float(done.stdout) < 0.3


def test_a_name_that_there_is_not_is_an_attribute_error():
  with pytest.raises(AttributeError, match="has no attribute 'laod'"):
    dg.laod  # noqa: B018


@pytest.mark.parametrize('size', ['square', 'keep'])
def test_what_translate_saves_is_byte_for_byte_what_the_command_writes(run, model, tmp_path, size):
  translate_mode.translate(Workdir(run / 'toy'), str(run / 'in'), str(tmp_path), 'a_to_b', size, None)
  for i in range(3):
    model.translate(run / 'in' / f'{i}.png', size=size).save(tmp_path / 'own.png')
    written = Image.open(tmp_path / f'{i}.png')
    assert (tmp_path / 'own.png').read_bytes() == (tmp_path / f'{i}.png').read_bytes()
    assert written.size == ((16, 16) if size == 'square' else (31, 20 + i))


def test_images_are_cropped_where_those_of_training_were(run, tmp_path):
  shutil.copytree(run / 'toy', tmp_path / 'run')
  config = json.loads((tmp_path / 'run/config.json').read_text())
  config['data']['center_crop'] = True
  (tmp_path / 'run/config.json').write_text(json.dumps(config))
  photo = Image.open(run / 'in' / '0.png')
  (width, height), side = photo.size, min(photo.size)
  left, top = (width - side) // 2, (height - side) // 2
  square = photo.crop((left, top, left + side, top + side))
  made = dg.load(tmp_path / 'run').translate(photo)
  np.testing.assert_array_equal(made, dg.load(run / 'toy').translate(square))
  out = tmp_path / 'out.png'
  translate_mode.translate(
    Workdir(tmp_path / 'run'), str(run / 'in/0.png'), str(out), 'a_to_b', '', None
  )
  np.testing.assert_array_equal(made, Image.open(out))


@pytest.mark.parametrize('fit', ['crop', 'pad'])
def test_so_it_is_whatever_brings_images_to_the_size_of_training(run, tmp_path, fit):
  shutil.copytree(run / 'toy', tmp_path / 'run')
  config = json.loads((tmp_path / 'run/config.json').read_text())
  config['data']['fit'] = fit
  (tmp_path / 'run/config.json').write_text(json.dumps(config))
  out = tmp_path / 'out'
  translate_mode.translate(Workdir(tmp_path / 'run'), str(run / 'in'), str(out), 'a_to_b', '', None)
  made = dg.load(tmp_path / 'run').translate([run / 'in' / f'{i}.png' for i in range(3)])
  for i, picture in enumerate(made):
    assert picture.size == ((31, 20 + i) if fit == 'crop' else (16, round((20 + i) * 16 / 31)))
    np.testing.assert_array_equal(picture, Image.open(out / f'{i}.png'))


@pytest.mark.parametrize(('recipe', 'times'), [('pix2pix:tiny', 1), ('srgan:mse,tiny', 4)])
def test_networks_that_halve_often_or_enlarge_keep_sizes_too(recipe, times):
  trained = untrained.trained(untrained.config_of(recipe))
  photo = np.random.default_rng(0).integers(0, 256, (18, 35, 3), np.uint8)
  made = Model(trained, recipe).translate(photo, size='keep')
  assert made.shape == (times * 18, times * 35, 3)
  np.testing.assert_array_equal(made, trained.any_size('a_to_b', (), 1)(photo))
  exact = Model(trained, recipe).translate(photo / np.float32(255), size='keep')
  assert np.abs(exact * 255 - made).max() <= 0.5 + 1e-3


@pytest.mark.parametrize('fit', ['resize', 'crop', 'pad'])
def test_floats_are_brought_to_rectangles_as_8_bits_are(fit):
  config = defaults.get_config()
  config.image_size, config.data.fit = (16, 40), fit
  photo = np.random.default_rng(0).integers(0, 256, (37, 23, 3), np.uint8)
  exact = given.brought(photo / np.float32(255), config) / 2 + 0.5
  assert np.abs(exact * 255 - data.test_images([photo], None, config)[0]).max() <= 1


def test_a_picture_is_read_as_its_file_is(run, model):
  from_file = model.translate(run / 'in' / '0.png')
  from_picture = model.translate(Image.open(run / 'in' / '0.png'))
  assert np.array_equal(from_file, from_picture)


def test_what_comes_out_is_of_the_kind_that_went_in(run, model):
  picture = Image.open(run / 'in' / '0.png')
  single = np.asarray(picture.resize((16, 16)))
  assert isinstance(model.translate(picture), Image.Image)
  assert [type(x) for x in model.translate([picture, single])] == [Image.Image, np.ndarray]
  assert model.translate(single).shape == (16, 16, 3)
  assert model.translate(np.stack([single] * 9)).shape == (9, 16, 16, 3)
  for dtype in (np.uint8, np.uint16, np.float32, np.float64):
    given = (single / 255 * (1 if issubclass(dtype, np.floating) else np.iinfo(dtype).max)).astype(dtype)
    assert model.translate(given).dtype == dtype


def test_floats_and_16_bits_agree_with_8_bits_to_half_a_level(run, model):
  eight = np.asarray(Image.open(run / 'in' / '0.png').resize((16, 16)))
  made = model.translate(eight).astype(np.float64)
  assert np.abs(model.translate(eight / np.float32(255)) * 255 - made).max() <= 0.5 + 1e-3
  assert np.abs(model.translate(eight.astype(np.uint16) * 257) / 257 - made).max() <= 0.5 + 1e-2


def test_floats_are_resized_as_8_bits_are_but_not_rounded(run, model):
  eight = np.asarray(Image.open(run / 'in' / '0.png'))
  made, exact = model.translate(eight), model.translate(eight / np.float32(255))
  # rounding moves an input by half a level; the toy's gain is below 4
  assert np.abs(exact * 255 - made.astype(np.float64)).max() <= 2.5
  assert len(np.unique(exact)) > len(np.unique(made))


def test_threads_may_use_one_model_at_once(run):
  fresh = dg.load(run / 'toy')
  files = [run / 'in' / f'{i % 3}.png' for i in range(12)]
  with ThreadPoolExecutor(4) as pool:
    made = list(pool.map(lambda file: np.asarray(fresh.translate(file)), files))
  for i, image in enumerate(made):
    assert np.array_equal(image, made[i % 3])
  assert not np.array_equal(made[0], made[1])


def test_a_model_tells_what_it_is(model):
  assert (model.step, model.abilities, model.directions) == (8, ('translate',), ('a_to_b', 'b_to_a'))
  assert model.attributes == {}
  assert model.routes['paint']['match'] == {'maker': 10.0}
  assert 'toy, step 8; translate' in repr(model)


@pytest.mark.parametrize(
  ('call', 'sentence'),
  [
    (lambda m: m.edit('x.png', glasses='yes'), r'has no edit \(changes attributes .*abilities are tran'),
    (lambda m: m.generate(), r'a run of toy has no generate .*; its abilities are translate'),
    (lambda m: m.reconstruct('x.png'), r'has no reconstruct'),
    (lambda m: m.translate('nowhere.png'), r"the image 'nowhere.png' is not there"),
    (lambda m: m.translate(np.zeros((2, 3, 8, 8))), r'shape \[2, 3, 8, 8\] .* channels first'),
    (lambda m: m.translate(np.zeros((8, 8))), r'shape \[8, 8\] is no image of this run'),
    (
      lambda m: m.translate(np.full((8, 8, 3), 200.0)),
      r'float64 with values from 200 to 200: floats are',
    ),
    (lambda m: m.translate(np.full((8, 8, 3), np.nan)), r'values from nan to nan'),
    (lambda m: m.translate(np.zeros((8, 8, 3), np.int64)), r'an array of int64: images are uint8'),
    (lambda m: m.translate([]), r'a list holds single images, and at least one'),
    (
      lambda m: m.translate(np.zeros((8, 8, 3)), size='huge'),
      'size=huge is unknown; there are square',
    ),
    (lambda m: m.translate(np.zeros((8, 8, 3)), 'up'), r'direction=up is unknown'),
    (lambda m: m.translate(np.zeros((8, 8, 3)), batch_size=0), r'batch_size=0 must be at least 1'),
  ],
)
def test_mistakes_are_told(model, call, sentence):
  with pytest.raises(dg.UserError, match=sentence):
    call(model)


def test_a_folder_without_a_run_or_a_checkpoint_is_told(tmp_path, toy):
  with pytest.raises(dg.UserError, match='holds no run'):
    dg.load(tmp_path)
  Workdir(tmp_path).save_config(toy)
  with pytest.raises(dg.UserError, match=r'no complete checkpoint yet: .* \(checkpoint_every_steps\)'):
    dg.load(tmp_path)


def test_training_from_python_resumes_shows_its_grids_and_gives_a_model(tmp_path, toy, capsys):
  seen = []
  toy.num_steps = 4
  dg.train(toy, tmp_path / 'run', on_sample=lambda step, path: seen.append((step, path.name)))
  model = dg.train(toy, tmp_path / 'run', num_steps=8, on_sample=lambda s, p: seen.append((s, p.name)))
  assert 'start     step 4' in capsys.readouterr().out
  assert seen == [(4, '00000004.png'), (8, '00000008.png')]
  assert (model.step, toy.num_steps) == (8, 4), "the caller's config stays as it was"


def test_training_works_in_a_thread_of_its_own(tmp_path, toy):
  with ThreadPoolExecutor(1) as pool:
    assert pool.submit(dg.train, toy, tmp_path / 'run', num_steps=4).result().step == 4


def test_fields_are_changed_by_name_and_mistakes_are_told(tmp_path):
  from decoupled_gan import training

  config = training.changed(training.config_of('nice:tiny'), {'data.limit': 3, 'num_steps': 7})
  assert (config.data.limit, config.num_steps, config.method) == (3, 7, 'nice')
  with pytest.raises(dg.UserError, match=r"no field 'data.nothing'"):
    dg.train('nice:tiny', tmp_path, {'data.nothing': 1})
  with pytest.raises(dg.UserError, match=r"no field 'data.source.fake'"):
    dg.train('nice:tiny', tmp_path, {'data.source': 'fake', 'data.source.fake': 1})
  with pytest.raises(dg.UserError, match=r"num_steps='many' is of another kind"):
    dg.train('nice:tiny', tmp_path, num_steps='many')
  with pytest.raises(dg.UserError, match=r'no recipe quickstat; did you mean quickstart'):
    dg.train('quickstat', tmp_path)


def test_fields_that_follow_from_others_do_so_in_a_config_that_is_given_too():
  from decoupled_gan import training

  given = training.config_of('nice')
  config = training.changed(training.config_of(given), {'num_steps': 200})
  assert (config.optimizer.decay_start_step, given.optimizer.decay_start_step) == (100, 150_000)


def test_the_recipes_are_those_of_the_command():
  assert dg.recipes()['quickstart'].startswith('The first try')


@pytest.fixture(scope='module')
def drawer():
  return Model(untrained.trained(untrained.config_of('gan:digits,tiny')), 'digits')


def test_a_seed_is_one_picture_and_several_are_a_list(drawer):
  three = drawer.generate([0, 1, 5])
  assert drawer.abilities == ('generate',)
  assert [x.size for x in three] == [(drawer.config.image_size,) * 2] * 3
  assert np.array_equal(drawer.generate(5), three[2])
  with pytest.raises(dg.UserError, match='seeds are whole numbers'):
    drawer.generate([-1])
  with pytest.raises(dg.UserError, match='noise=loud is unknown'):
    drawer.generate(noise='loud')


def test_a_run_of_points_draws_an_array():
  points = Model(untrained.trained(untrained.config_of('wgan_gp:ring8,tiny')), 'ring')
  assert points.generate(range(5)).shape == (5, 2)


def test_the_commands_drawing_is_the_models(tmp_path):
  from decoupled_gan.modes.generate import draw

  config = untrained.config_of('gan:digits,tiny')
  config.num_steps = config.checkpoint_every_steps = config.sample_every_steps = 1
  train_mode.train(config, Workdir(tmp_path / 'run'))
  draw.draw(Workdir(tmp_path / 'run'), str(tmp_path / 'out'), '0-2', '', 0.7, 'const')
  for seed, picture in enumerate(dg.load(tmp_path / 'run').generate(range(3), truncation=0.7)):
    assert np.array_equal(picture, Image.open(tmp_path / 'out' / f'seed000{seed}.png'))


def test_what_edit_saves_is_what_the_command_writes(tmp_path):
  from test_methods_edgan import small

  from configs import utkface

  config = small(utkface.get_config())
  config.num_steps = config.checkpoint_every_steps = config.sample_every_steps = 1
  train_mode.train(config, Workdir(tmp_path / 'run'))
  face = tmp_path / 'face.png'
  Image.new('RGB', (40, 30), (200, 100, 50)).save(face)
  edit_mode.edit(Workdir(tmp_path / 'run'), str(face), 'gender=female', str(tmp_path / 'one.png'))
  model = dg.load(tmp_path / 'run')
  model.edit(face, gender='female').save(tmp_path / 'own.png')
  assert (tmp_path / 'own.png').read_bytes() == (tmp_path / 'one.png').read_bytes()
  asked = 'gender=female', str(tmp_path / 'two.png')
  edit_mode.edit(Workdir(tmp_path / 'run'), str(face), *asked, difference=True)
  model.edit(face, difference=True, gender='female').save(tmp_path / 'own.png')
  assert (tmp_path / 'own.png').read_bytes() == (tmp_path / 'two.png').read_bytes()
  assert 'gender' in model.attributes
  with pytest.raises(dg.UserError, match=r"no attribute 'glasses'; there are age"):
    model.edit(face, glasses='yes')
