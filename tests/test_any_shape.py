"""Images of any shape: rectangles in training, what data.fit does, many sizes through few programs."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained
from PIL import Image

from decoupled_gan import data
from decoupled_gan.core import state
from decoupled_gan.core.images import to_float
from decoupled_gan.core.types import Pair
from decoupled_gan.data import transforms
from decoupled_gan.data.decode import look
from decoupled_gan.data.sizes import shared
from decoupled_gan.errors import UserError
from decoupled_gan.layers import extent
from decoupled_gan.modes.translate import check_split, translate_at_own_size
from decoupled_gan.run import experiment, inference

TRANSLATORS = ('cyclegan', 'pix2pix', 'cut', 'ugatit', 'munit', 'nice')


def config_of(name, **fields):
  config = importlib.import_module(f'configs.{name}').get_config('tiny')
  config.update_from_flattened_dict(fields)
  return config


def photo(height, width, seed=0):
  return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


# Rectangles.


@pytest.mark.parametrize('name', TRANSLATORS)
def test_every_translator_trains_at_rectangular_sizes(name):
  run = experiment.build(config_of(name, image_size=(64, 96)))
  batch = jax.eval_shape(to_float, run.abstract_batch())
  assert batch[0].shape == (2, 64, 96, 3)
  made = jax.eval_shape(
    lambda variables, images: run.gan.apply(variables, images, 'b', method=run.method.translate),
    run.variables, batch[0],
  )  # fmt: skip
  assert made.shape == (2, 64, 96, 3)


@pytest.mark.parametrize('recipe', ['facades', 'utkface', 'glead'])
def test_networks_of_squares_say_so(recipe):
  with pytest.raises(UserError, match=r'image_size=64,96: networks of method=.* make squares'):
    experiment.build(config_of(recipe, image_size=(64, 96)))


@pytest.mark.parametrize('fit', transforms.FITS)
@pytest.mark.parametrize('augmented', [False, True])
def test_batches_have_the_rectangular_size(fit, augmented):
  fields = {'image_size': (24, 40), 'data.fit': fit, 'data.augment': augmented}
  config = config_of('cyclegan', **fields)
  dataset = data.load(config, Pair)
  batches = data.train_batches(dataset, config)
  assert next(batches).a.shape == (2, 24, 40, 3)
  batches.close()
  assert data.test_batch(dataset, 3, config).b.shape == (3, 24, 40, 3)


# data.fit.


def test_crop_takes_windows_of_a_large_image_at_its_own_scale():
  image, rng = photo(50, 90), np.random.default_rng(0)
  found = set()
  for _ in range(200):
    crop = transforms.augment(image, rng, (48, 80), fit='crop')
    places = [
      (y, x, flipped)
      for y in range(3)
      for x in range(11)
      for flipped in (1, -1)
      if (crop == image[y : y + 48, x : x + 80][:, ::flipped]).all()
    ]
    assert len(places) == 1
    found |= set(places)
  assert len(found) > 60, 'of 3 x 11 places, both ways round: 66'


def test_crop_enlarges_an_image_until_it_covers_the_window_and_keeps_its_aspect():
  image = np.zeros((10, 40, 3), np.uint8)
  assert transforms.covering(image, (20, 30), 'bilinear').shape == (20, 80, 3)
  assert transforms.fitted(image, (20, 30), 'crop').shape == (20, 30, 3)


def test_pad_keeps_the_aspect_and_unframed_takes_the_frame_off_again():
  image = np.full((20, 40, 3), 90, np.uint8)
  image[:, :20] = 10
  found = transforms.fitted(image, (40, 40), 'pad')
  assert found.shape == (40, 40, 3)
  np.testing.assert_array_equal(found[10:30], image)
  np.testing.assert_array_equal(found[:10], image[:10][::-1])
  shape = transforms.inside((20, 40), (40, 40))
  np.testing.assert_array_equal(transforms.unframed(found, shape), image)


def test_an_unknown_fit_is_told_those_that_there_are():
  with pytest.raises(UserError, match=r"data\.fit='stretch' is unknown; there are resize, crop, pad"):
    data.load(config_of('cyclegan', **{'data.fit': 'stretch'}), Pair)


def test_center_crop_goes_by_the_aspect():
  assert transforms.center_crop(photo(50, 100)).shape == (50, 50, 3)
  assert transforms.center_crop(photo(50, 100), (16, 64)).shape == (25, 100, 3)


# Which sizes share a program.


def test_few_sizes_have_a_program_each():
  sizes = [(40, 60), (60, 40), (40, 60)]
  assert shared(sizes, 2) == {(40, 60): (40, 60), (60, 40): (60, 40)}


@pytest.mark.parametrize('count', [100, 1000])
def test_a_hundred_sizes_share_eight_programs_that_are_not_smaller(count):
  rng = np.random.default_rng(0)
  sizes = [tuple(int(4 * x) for x in rng.integers(100, 200, 2)) for _ in range(count)]
  found = shared(sizes, 8)
  assert len(set(found.values())) <= 8
  assert all(p[0] >= s[0] and p[1] >= s[1] for s, p in found.items())


def test_those_are_merged_that_waste_least():
  found = shared([(40, 40), (44, 40), (400, 400), (400, 404)], 2)
  assert set(found.values()) == {(44, 40), (400, 404)}


# What a program computes of an image that does not fill it.


@pytest.mark.parametrize('mode', ['reflect', 'edge', 'constant'])
def test_a_border_is_that_of_the_image_alone(mode):
  own, rest = photo(5, 7) / 255.0, photo(8, 12, 1)[None] / 255.0
  rest[0, :5, :7] = own
  with extent.inside((8, 12), jnp.array([5, 7])):
    found = extent.bordered(jnp.asarray(rest), 2, mode)
  wanted = np.pad(own, ((2, 2), (2, 2), (0, 0)), mode)
  np.testing.assert_allclose(found[0, :9, :11], wanted, rtol=1e-6)


def test_moments_and_pools_are_those_of_the_image_alone():
  own, rest = photo(5, 7) / 255.0, 9 + photo(8, 12, 1)[None] / 255.0
  rest[0, :5, :7] = own
  with extent.inside((8, 12), jnp.array([5, 7])):
    x = jnp.asarray(rest, jnp.float32)
    mean, variance = extent.moments(x, (1, 2), ddof=1)
    whole, _ = extent.moments(x, (1, 2, 3))
    np.testing.assert_allclose(extent.pooled_mean(x)[0], own.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(extent.pooled_maximum(x)[0], own.max((0, 1)), rtol=1e-6)
    assert extent.places(x)[:: x.shape[3]][12] == 7 * 3, 'the second row begins behind 7 pixels'
  np.testing.assert_allclose(mean[0, 0, 0], own.mean((0, 1)), rtol=1e-5)
  np.testing.assert_allclose(variance[0, 0, 0], own.var((0, 1), ddof=1), rtol=1e-5)
  np.testing.assert_allclose(whole.reshape(()), own.mean(), rtol=1e-5)


def trained(name):
  """A translator whose weights are drawn so that no two maps are alike."""
  run = experiment.build(config_of(name), jax.devices()[:1])
  rng = np.random.default_rng(0)
  draw = lambda x: 0.2 * rng.standard_normal(x.shape).astype(np.float32)  # noqa: E731
  drawn = jax.tree.map(draw, run.variables['params'])
  stats = jax.tree.map(jnp.ones_like, {k: x for k, x in run.variables.items() if k != 'params'})
  return inference.Trained(run, {'params': drawn, **stats}, 0)


@pytest.mark.parametrize(
  'name', ['cyclegan', *(pytest.param(x, marks=pytest.mark.slow) for x in TRANSLATORS[1:])]
)
def test_one_program_for_several_sizes_makes_what_their_own_programs_make(name):
  sizes = [(50, 71), (66, 64)]
  opened = trained(name)
  one, own = (opened.any_size('a_to_b', sizes, most) for most in (1, 9))
  assert len(one.programs) == 1
  assert len(own.programs) > 1
  for height, width in sizes:
    image = photo(height, width)
    made, wanted = one(image), own(image)
    assert made.shape == (height, width, 3)
    difference = np.abs(made.astype(int) - wanted)
    assert difference.max() <= 1, 'a level, where a sum of another order rounds over its edge'
    assert difference.mean() < 1e-3
    assert wanted.std() > 10


def test_a_u_net_takes_multiples_of_all_its_halvings():
  assert trained('pix2pix').any_size('a_to_b', [(50, 71)], 8).multiple == 32


def test_networks_that_grow_with_the_size_are_told():
  """At 16 px its deepest maps are one pixel, which is not normalised; larger images would want more."""
  with pytest.raises(UserError, match='translates images of 16 x 16 px only: leave --resize=keep'):
    grown = untrained.trained(untrained.config_of('terrain_pairs:tiny'))
    grown.any_size('a_to_b', [(50, 71)], 8)


def test_a_folder_of_sizes_is_translated_by_few_programs_and_told_before(toy, tmp_path, capsys):
  run = experiment.build(toy, jax.devices()[:1])
  opened = inference.Trained(run, state.inference_variables(run.create_state()), 0)
  (tmp_path / 'in').mkdir()
  sizes = {f'{i:02d}.png': (40 + i, 60 - i) for i in range(20)}
  for name, (height, width) in sizes.items():
    Image.fromarray(photo(height, width)).save(tmp_path / 'in' / name)
  images = data.files.FileImages.below(tmp_path / 'in')
  files = [tmp_path / name for name in images.names]
  assert translate_at_own_size(opened, 'a_to_b', images, files) == 20
  printed = capsys.readouterr().out
  assert '20 image(s) of 20 size(s): 8 programs are compiled; the largest is of' in printed
  for name, shape in sizes.items():
    assert np.asarray(Image.open(tmp_path / name)).shape[:2] == shape


def test_one_device_shares_nothing():
  with pytest.raises(UserError, match=r'an image among the devices .* and there is one: leave it'):
    trained('cyclegan').any_size('a_to_b', [(50, 71)], 8, split=True)


def test_images_that_devices_share_are_of_few_sizes(monkeypatch):
  monkeypatch.setattr(inference.AnySize, 'devices', 2)
  sizes = [(40 + 4 * i, 60) for i in range(9)]
  with pytest.raises(UserError, match=r'these images have 9, where 8 are\s+meant to be the most'):
    trained('cyclegan').any_size('a_to_b', sizes, 8, split=True)


def test_images_at_the_size_of_training_are_not_shared():
  check_split(True, 'keep')
  with pytest.raises(UserError, match=r'too large for one device: .* Add --resize=keep'):
    check_split(True, 'square')


def test_a_lying_portrait_is_looked_at_as_it_will_stand(tmp_path):
  exif = Image.Exif()
  exif[0x0112] = 6
  Image.fromarray(photo(20, 30)).save(tmp_path / 'a.jpg', exif=exif)
  Image.fromarray(photo(20, 30)).save(tmp_path / 'b.png')
  assert look(tmp_path / 'a.jpg').size == (30, 20)
  assert look(tmp_path / 'b.png').size == (20, 30)
