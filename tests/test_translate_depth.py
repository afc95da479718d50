"""What a translation keeps of its input: 16 bits, transparency, and what a mask spares."""

import io
import shutil
import sys

import jax
import numpy as np
import pytest
import tifffile
from PIL import Image

from decoupled_gan import methods
from decoupled_gan.core import state
from decoupled_gan.data import deep, given, masks
from decoupled_gan.data.decode import decode
from decoupled_gan.errors import UserError
from decoupled_gan.model import Model
from decoupled_gan.modes import translate
from decoupled_gan.modes.translate.kept import Asked
from decoupled_gan.run import experiment, inference

RAMP = np.linspace(0, 65535, 24 * 40).reshape(24, 40)
COLOUR = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], -1).round().astype(np.uint16)
HALF = np.repeat(np.repeat([[0, 255]], 24, 0), 20, 1).astype(np.uint8)  # its left is 0


@pytest.fixture(scope='module')
def opened():
  """The toy with networks that nobody trained: tanh of a linear map of colours."""
  import toy

  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(methods.METHODS, 'toy', toy.METHOD)
    run = experiment.build(toy.get_config(), jax.devices()[:1])
    yield inference.Trained(run, state.inference_variables(run.create_state()), 0)


@pytest.fixture
def command(opened, monkeypatch):
  """translate(source, output, resize, **asked) of that run."""
  monkeypatch.setattr(inference, 'load', lambda *_, **__: opened)

  class Run:
    load_config = staticmethod(lambda: opened.run.config)

  def go(source, output, resize='keep', form='', **asked):
    kept = Asked(**asked)
    translate.translate(
      Run, str(source), str(output), 'a_to_b', resize, None, form, 'float32', False, kept
    )

  return go


def exact(opened, image):
  """What the toy makes of [H, W, 3] in [-1, 1], by numpy."""
  weights = opened.variables['params']['maker']
  return np.tanh(image @ np.asarray(weights['kernel']) + np.asarray(weights['bias']))


def written(path, image):
  path.parent.mkdir(exist_ok=True)
  form = 'TIFF' if path.suffix == '.tif' else 'PNG'
  path.write_bytes(deep.encoded(image, form))
  return path


@pytest.mark.parametrize('name', ['a.png', 'a.tif'])
def test_16_bits_go_in_and_come_out_and_8_bits_would_show_it(opened, command, tmp_path, name):
  command(written(tmp_path / 'in' / name, COLOUR), tmp_path / 'out')
  made = deep.read(tmp_path / 'out' / name, 3, name).image
  wanted = exact(opened, COLOUR / 65535 * 2 - 1) / 2 + 0.5
  assert np.abs(made - wanted).max() * 65535 <= 1.5
  eight = exact(opened, np.round(COLOUR / 257) / 127.5 - 1) / 2 + 0.5
  assert np.abs(made - eight).max() * 65535 > 50  # what rounding the input to 8 bits would cost
  assert len(np.unique(made)) > 900


def test_8_bits_are_written_of_16_where_asked_or_where_the_format_has_no_more(command, tmp_path):
  written(tmp_path / 'in' / 'a.png', COLOUR)
  Image.fromarray((COLOUR >> 8).astype(np.uint8)).save(tmp_path / 'in' / 'b.png')
  for folder, asked, bits in [
    ('auto', {}, (16, 8)), ('eight', {'depth': '8'}, (8, 8)), ('deep', {'depth': '16'}, (16, 16)),
  ]:  # fmt: skip
    command(tmp_path / 'in', tmp_path / folder, **asked)
    found = [(tmp_path / folder / name).read_bytes()[24] for name in ('a.png', 'b.png')]
    assert tuple(found) == bits, folder
  command(tmp_path / 'in', tmp_path / 'jpg', form='jpg')
  assert Image.open(tmp_path / 'jpg' / 'a.jpg').mode == 'RGB'


def test_a_zip_is_read_as_its_files_are(command, tmp_path):
  for name in ('a.png', 'b.tif'):
    written(tmp_path / 'in' / name, COLOUR)
  shutil.make_archive(tmp_path / 'all', 'zip', tmp_path / 'in')
  command(tmp_path / 'in', tmp_path / 'out')
  command(tmp_path / 'all.zip', tmp_path / 'unzipped')
  for name in ('a.png', 'b.tif'):
    assert (tmp_path / 'out' / name).read_bytes() == (tmp_path / 'unzipped' / name).read_bytes()


def test_what_is_written_of_8_bits_does_not_depend_on_deep_neighbours(command, tmp_path):
  written(tmp_path / 'in' / 'a.png', COLOUR)
  Image.fromarray((COLOUR >> 8).astype(np.uint8)).save(tmp_path / 'in' / 'b.png')
  command(tmp_path / 'in', tmp_path / 'both', 'square')
  command(tmp_path / 'in' / 'b.png', tmp_path / 'alone', 'square')
  assert (tmp_path / 'both/b.png').read_bytes() == (tmp_path / 'alone/b.png').read_bytes()


def test_the_command_and_python_agree_on_deep_files(opened, command, tmp_path):
  path = written(tmp_path / 'in' / 'a.png', COLOUR)
  for resize in ('square', 'keep'):
    command(path, tmp_path / f'{resize}.png', resize, depth='8')
    found = Model(opened, 'toy').translate(path, size=resize)
    np.testing.assert_array_equal(found, Image.open(tmp_path / f'{resize}.png'))
    command(path, tmp_path / f'{resize}16.png', resize)
    array = Model(opened, 'toy').translate(COLOUR, size=resize)
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array, deep._samples(Image.open(tmp_path / f'{resize}16.png'))[0])


def test_grey_of_16_bits_becomes_three_equal_channels_and_is_told(opened, command, tmp_path, capsys):
  path = tmp_path / 'in' / 'a.png'
  path.parent.mkdir()
  Image.fromarray(COLOUR[..., 0]).save(path)
  command(path, tmp_path / 'a.png')
  assert capsys.readouterr().out.count('1 image(s) are grey: the run takes colour') == 1
  grey = np.repeat(COLOUR[..., :1], 3, -1)
  made = deep.read(tmp_path / 'a.png', 3, 'a').image
  np.testing.assert_allclose(made, exact(opened, grey / 65535 * 2 - 1) / 2 + 0.5, atol=2e-5)


@pytest.mark.parametrize('name', ['a.png', 'a.tif', 'a.webp'])
def test_alpha_is_put_back_and_colours_are_those_on_white(opened, command, tmp_path, name):
  alpha = np.broadcast_to(np.linspace(0, 255, 40).astype(np.uint8), (24, 40))
  colour = np.full((24, 40, 3), (250, 20, 90), np.uint8)
  (tmp_path / 'in').mkdir()
  Image.fromarray(np.dstack([colour, alpha])).save(tmp_path / 'in' / name, lossless=True)
  command(tmp_path / 'in' / name, tmp_path / 'white', form='png')
  command(tmp_path / 'in' / name, tmp_path / 'keep', alpha='keep', form='png')
  plain, kept = (np.asarray(Image.open(tmp_path / x / 'a.png')) for x in ('white', 'keep'))
  assert plain.shape == (24, 40, 3)
  np.testing.assert_array_equal(kept[..., :3], plain)
  np.testing.assert_array_equal(kept[..., 3], alpha)
  picture = Model(opened, 'toy').translate(tmp_path / 'in' / name, size='keep', alpha='keep')
  np.testing.assert_array_equal(picture, kept)


@pytest.mark.parametrize('fit', ['resize', 'crop', 'pad'])
def test_alpha_goes_where_its_image_goes(opened, fit):
  """Opaque on the right half: so is the result, whatever brings it to the size of training."""
  config = opened.run.config.copy_and_resolve_references()
  config.data.fit = fit
  square = np.where(HALF[..., None] > 0, 1.0, 0.0).astype(np.float32)
  plain = np.zeros((16, 16, 3), np.float32)
  if fit == 'pad':
    plain = plain[:10]
  made = translate.kept.with_alpha(plain, square, config, own_size=False)
  assert made.shape == (*plain.shape[:2], 4)
  assert (made[:, :7, 3] == -1).all() and (made[:, 9:, 3] == 1).all()


def test_16_bits_with_alpha_come_back_with_it(command, tmp_path):
  image = np.dstack([COLOUR, COLOUR[..., :1]])
  for name in ('a.png', 'a.tif'):
    command(written(tmp_path / 'in' / name, image), tmp_path / 'out', alpha='keep')
    whole = deep.read(tmp_path / 'out' / name, 3, name)
    np.testing.assert_allclose(whole.alpha[..., 0] * 65535, COLOUR[..., 0], atol=0.6)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_black_of_a_mask_stays_exactly_white_is_translated_and_the_edge_is_even(
  opened, command, tmp_path, dtype
):
  big = np.kron(COLOUR, np.ones((6, 6, 1), np.uint16))  # 144 x 240: an edge of 2 px
  image = big if dtype == np.uint16 else (big >> 8).astype(np.uint8)
  (tmp_path / 'in').mkdir()
  (tmp_path / 'in/a.png').write_bytes(
    deep.encoded(image, 'PNG') if dtype == np.uint16 else _png(image)
  )
  (tmp_path / 'masks').mkdir()
  mask = np.kron(HALF, np.ones((6, 6), np.uint8))
  Image.fromarray(mask).save(tmp_path / 'masks/a.bmp')
  command(tmp_path / 'in', tmp_path / 'plain')
  command(tmp_path / 'in', tmp_path / 'out', mask=str(tmp_path / 'masks'))
  plain, made = (_samples(tmp_path / x / 'a.png').astype(int) for x in ('plain', 'out'))
  np.testing.assert_array_equal(made[:, :120], image[:, :120])
  np.testing.assert_array_equal(made[:, 122:], plain[:, 122:])
  between = np.abs(made[:, 120:122] - image[:, 120:122].astype(int))
  share = between / np.maximum(1, np.abs(plain[:, 120:122] - image[:, 120:122].astype(int)))
  np.testing.assert_allclose(np.median(share, (0, 2)), [1 / 3, 2 / 3], atol=0.05)


def test_a_mask_in_python_is_one_for_all_or_one_for_each(opened):
  model, image = Model(opened, 'toy'), (COLOUR >> 8).astype(np.uint8)
  plain = model.translate(image, size='keep')
  both = model.translate([image, image], size='keep', mask=[np.zeros((24, 40), bool), None])
  np.testing.assert_array_equal(both[0], image)
  np.testing.assert_array_equal(both[1], plain)
  half = model.translate(image, size='keep', mask=Image.fromarray(HALF))
  np.testing.assert_array_equal(half[:, :20], image[:, :20])
  np.testing.assert_array_equal(half[:, 22:], plain[:, 22:])
  small = model.translate(image, size='square', mask=HALF > 0)
  np.testing.assert_array_equal(small[:, 10:], model.translate(image, size='square')[:, 10:])


def test_weights_of_a_mask_are_shares_and_thin_lines_still_count():
  mask = np.zeros((256, 256, 1), np.float32)
  mask[:, 100:] = 0.5
  mask[:, 10] = 1
  found = masks.weights(mask)[0, :, 0]
  np.testing.assert_allclose(found[98:106], [0, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5], rtol=1e-6)
  assert found[10] == pytest.approx(0.2) and found[9] == found[11] == 0
  whole = np.full((8, 8, 1), 0.25, np.float32)
  np.testing.assert_array_equal(masks.weights(whole), whole)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_deep_pictures_are_turned_as_others_are(tmp_path, orientation):
  exif = Image.Exif()
  exif[0x0112] = orientation
  colour = (COLOUR[:4, :6] >> 8).astype(np.uint8)
  Image.fromarray(colour).save(tmp_path / 'a.png', exif=exif)
  tifffile.imwrite(
    tmp_path / 'a.tif', colour.astype(np.uint16) * 257, photometric='rgb',
    extratags=[(274, 'H', 1, orientation, True)],
  )  # fmt: skip
  found = deep.read(tmp_path / 'a.tif', 3, 'a').image
  np.testing.assert_allclose(found * 255, decode(tmp_path / 'a.png', 3, 'a'), atol=1e-3)


@pytest.mark.parametrize('options', [
  {'compression': 'lzw', 'predictor': True}, {'byteorder': '>'}, {'planarconfig': 'separate'},
])  # fmt: skip
def test_tiffs_of_every_kind_are_read_in_full(tmp_path, options):
  image = np.moveaxis(COLOUR, -1, 0) if 'planarconfig' in options else COLOUR
  tifffile.imwrite(tmp_path / 'a.tif', np.ascontiguousarray(image), photometric='rgb', **options)
  found = deep.read(tmp_path / 'a.tif', 3, 'a')
  np.testing.assert_allclose(found.image * 65535, COLOUR, atol=0.01)
  grey = deep.read(tmp_path / 'a.tif', 1, 'a').image
  np.testing.assert_allclose(grey[..., 0] * 65535, COLOUR @ deep.LUMA, atol=0.1)


def test_a_premultiplied_tiff_and_a_straight_one_are_the_same_on_white(tmp_path):
  alpha = np.full((4, 4, 1), 0.25)
  for name, kind, colours in [('a', 'unassalpha', 0.8), ('b', 'assocalpha', 0.2)]:
    pixels = np.round(np.dstack([np.full((4, 4, 3), colours), alpha]) * 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / f'{name}.tif', pixels, photometric='rgb', extrasamples=[kind])
    np.testing.assert_allclose(deep.read(tmp_path / f'{name}.tif', 3, name).image, 0.95, atol=1e-4)


def test_a_range_becomes_black_and_white(tmp_path):
  Image.fromarray(np.full((4, 4), 1024, np.uint16)).save(tmp_path / 'a.png')
  assert deep.read(tmp_path / 'a.png', 1, 'a', (0, 4096)).image[0, 0, 0] == 0.25
  written(tmp_path / 'b.png', np.full((4, 4, 3), 1024, np.uint16))
  assert deep.read(tmp_path / 'b.png', 3, 'b', (0, 4096)).image[0, 0, 0] == 0.25


def test_16_bit_colour_without_its_packages_is_refused_with_the_line_that_installs_them(
  command, tmp_path, monkeypatch
):
  path = written(tmp_path / 'in' / 'a.tif', COLOUR)
  grey = tmp_path / 'grey' / 'a.png'
  grey.parent.mkdir()
  Image.fromarray((COLOUR[..., 0] >> 8).astype(np.uint8)).save(grey)
  monkeypatch.setitem(sys.modules, 'tifffile', None)
  for call in (
    lambda: command(path, tmp_path / 'out'),
    lambda: command(grey, tmp_path / 'out', depth='16'),
    lambda: deep.read(path, 3, path),
  ):
    with pytest.raises(UserError, match=r"16-bit colour needs .*pip install 'decoupled_gan\[images\]'"):
      call()
  command(grey, tmp_path / 'out')  # and nothing else needs them


@pytest.mark.parametrize(
  ('asked', 'form', 'sentence'),
  [
    ({'depth': '12'}, '', r'--output_depth=12 is unknown; there are auto, 8, 16'),
    ({'alpha': 'black'}, '', r'--alpha=black is unknown; there are white, keep'),
    ({'depth': '16'}, 'jpg', r'--output_depth=16: \.jpg files hold 8 bits; ask for --format=png or tif'),
    ({'alpha': 'keep'}, 'jpg', r'--alpha=keep: \.jpg files hold no transparency; ask for --format=png'),
    ({'mask': 'nowhere'}, '', r"--mask='nowhere' is neither an image nor a folder of images"),
  ],
)
def test_what_cannot_be_kept_is_told_before_any_work(command, tmp_path, asked, form, sentence):
  image = np.dstack([(COLOUR >> 8), np.full((24, 40), 9)]).astype(np.uint8)
  (tmp_path / 'in').mkdir()
  Image.fromarray(image).save(tmp_path / 'in/a.png')
  with pytest.raises(UserError, match=sentence):
    command(tmp_path / 'in', tmp_path / 'out', form=form, **asked)
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
  ('options', 'sentence'),
  [
    ({'alpha': 'black'}, 'alpha=black is unknown; there are white, keep'),
    ({'mask': np.zeros((3, 5))}, r'the mask of image 0 is of 5 x 3 px, and the image of 40 x 24'),
    ({'mask': [None, None]}, r'there are 2 masks and 1 images: give one for each, or one'),
    ({'mask': np.zeros((2, 3, 4, 5))}, r'a mask of shape \[2, 3, 4, 5\]: it is a path'),
    ({'mask': 'nowhere.png'}, r"the image 'nowhere.png' is not there any more"),
  ],
)
def test_mistakes_in_python_are_told(opened, options, sentence):
  with pytest.raises(UserError, match=sentence):
    Model(opened, 'toy').translate((COLOUR >> 8).astype(np.uint8), **options)


def _png(image):
  buffer = io.BytesIO()
  given.picture(image).save(buffer, 'PNG')
  return buffer.getvalue()


def _samples(path):
  with Image.open(path) as image:
    deep_file = image.format == 'PNG' and ';16' in str(image.tile[0][3])
    return deep._samples(image)[0] if deep_file else np.asarray(image)
