"""Official weights as arrays: imported, drawn as the official generate.py draws, reconstructed."""

import subprocess
import sys
import zlib
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from stylegan2_golden import golden_config, tensor

from configs import nice
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.interop import stylegan2_checkpoint
from decoupled_gan.interop.stylegan2_checkpoint import Architecture
from decoupled_gan.interop.stylegan2_official import official_key, official_shape
from decoupled_gan.methods.encode import glead
from decoupled_gan.modes import reconstruct
from decoupled_gan.modes.generate import draw
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

ROOT = Path(__file__).parent.parent


def small_config(variant='mse'):
  config = golden_config(variant)
  config.image_size = 16
  config.batch_size = 4
  config.data.source = 'fake'
  config.model.update(
    {'channel_base': 128, 'channel_max': 16, 'z_dim': 6, 'w_dim': 8, 'mapping_layers': 2}
  )
  config.model.update({'decoder_size': 16, 'rebuild_size': 8, 'noise': 'random'})
  if 'ggdr' in variant:
    config.model.decoder_size = 8
  return config


def official_tensors(config, network):
  """{official key: array} of the network ('generator' or 'discriminator') that a config describes."""
  gan = glead.build(config)
  real = Examples(jax.ShapeDtypeStruct((4, config.image_size, config.image_size, 3), np.float32))
  found = {}
  for tree in jax.eval_shape(gan.init, jax.random.key(0), real).values():
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree.get(network, {}))[0]:
      names = tuple(entry.key for entry in path)
      key = official_key(names)
      found[key] = tensor(key, official_shape(names, leaf.shape))
  return found


def save(path, networks) -> str:
  arrays = {f'{n}/{k}': x for n, tensors in networks.items() for k, x in tensors.items()}
  arrays['G/synthesis.b4.resample_filter'] = np.ones((4, 4), np.float32)
  np.savez(path, **arrays)
  return str(path)


@pytest.fixture(scope='module')
def tensors():
  config = small_config()
  generator = official_tensors(config, 'generator')
  average = {key: 0.9 * x for key, x in generator.items()}
  return {'G': generator, 'G_ema': average, 'D': official_tensors(config, 'discriminator')}


@pytest.fixture(scope='module')
def imported(tensors, tmp_path_factory):
  folder = tmp_path_factory.mktemp('import')
  config = small_config()
  config.image_size = 64  # to be read off the file, as all that shapes tell
  config.model.update({'channel_base': 64, 'z_dim': 3, 'mapping_layers': 1, 'rebuild_size': 32})
  workdir = Workdir(folder / 'run')
  stylegan2_checkpoint.import_checkpoint(save(folder / 'w.npz', tensors), config, workdir)
  return workdir


def test_keys_are_the_official_ones(tensors):
  generator, discriminator = set(tensors['G']), set(tensors['D'])
  layer = {'weight', 'bias', 'noise_strength', 'noise_const', 'affine.weight', 'affine.bias'}
  image = {'weight', 'bias', 'affine.weight', 'affine.bias'}
  expected = {'synthesis.b4.const', 'mapping.w_avg'}
  expected |= {f'mapping.fc{i}.{leaf}' for i in (0, 1) for leaf in ('weight', 'bias')}
  for size in (4, 8, 16):
    layers = ('conv1',) if size == 4 else ('conv0', 'conv1')
    expected |= {f'synthesis.b{size}.{name}.{leaf}' for name in layers for leaf in layer}
    expected |= {f'synthesis.b{size}.torgb.{leaf}' for leaf in image}
  assert generator == expected
  names = ['b16.fromrgb', 'b4.conv', 'b4.fc', 'b4.out', 'b8_dec', 'b16_dec']
  names += ['img_proj', 'feat_proj1', 'feat_proj2']
  names += [f'b{size}.{conv}' for size in (8, 16) for conv in ('conv0', 'conv1')]
  expected = {f'{name}.{leaf}' for name in names for leaf in ('weight', 'bias')}
  assert discriminator == expected | {f'b{size}.skip.weight' for size in (8, 16)}


def test_the_architecture_is_read_off_the_shapes(imported):
  config = imported.load_config()
  assert (config.image_size, config.image_channels, config.method) == (16, 3, 'glead')
  model = config.model
  assert (model.channel_base, model.channel_max, model.mapping_layers) == (128, 16, 2)
  assert (model.z_dim, model.w_dim, model.decoder_size, model.rebuild_size) == (6, 8, 16, 8)


def test_seeds_draw_what_the_official_script_draws(imported, tensors, tmp_path):
  draw.draw(imported, str(tmp_path), '3,0-1', '', 0.7, 'const')
  names = ['seed0000.png', 'seed0001.png', 'seed0003.png']
  assert sorted(path.name for path in tmp_path.iterdir()) == names
  assert Image.open(imported.path / 'generated.png').size == (32, 32)
  trained = inference.load(imported)
  z = np.random.RandomState(3).randn(1, 6)
  images = trained.run.gan.apply(
    trained.variables, z, method=lambda gan, z: gan.generator(z, 0.7, 'const')
  )
  expected = np.clip(np.asarray(images[0]) * 127.5 + 128, 0, 255).astype(np.uint8)
  found = np.asarray(Image.open(tmp_path / 'seed0003.png')).astype(int)
  assert np.abs(found - expected).max() <= 1  # batches of other sizes round otherwise


def test_drawing_uses_the_averaged_generator_and_the_live_statistics(imported, tensors):
  variables = inference.load(imported).variables
  generator = variables['params']['generator']
  kernel = tensors['G_ema']['synthesis.b8.conv0.weight'].transpose(2, 3, 1, 0)
  np.testing.assert_array_equal(generator['synthesis']['b8']['conv0']['kernel'], kernel)
  average = variables['averages']['generator']['mapping']['w']
  np.testing.assert_array_equal(average, tensors['G']['mapping.w_avg'])


def test_an_interpolation_is_a_strip_and_an_animation_that_starts_and_ends_at_the_seeds(
  imported, tmp_path
):
  draw.draw(imported, str(tmp_path), '', '0,5,9', 1.0, 'const')
  draw.draw(imported, str(tmp_path), '0,9', '', 1.0, 'const')
  strip = np.asarray(Image.open(imported.path / 'interpolation.png')).astype(int)
  assert strip.shape == (16, 9 * 16, 3)
  for seed, part in ((0, strip[:, :16]), (9, strip[:, -16:])):
    image = np.asarray(Image.open(tmp_path / f'seed{seed:04d}.png')).astype(int)
    assert np.abs(part - image).max() <= 1
  assert Image.open(tmp_path / 'interpolation.gif').n_frames == 33


def test_frames_lie_on_straight_lines():
  points = np.array([[0.0, 0], [4, 8], [4, 0]])
  np.testing.assert_array_equal(draw.between(points, 2), [[0, 0], [2, 4], [4, 8], [4, 4], [4, 0]])


def test_images_are_reconstructed_beside_the_originals(imported, tmp_path):
  (tmp_path / 'in').mkdir()
  for i in range(3):
    pixels = np.random.RandomState(i).randint(0, 256, (20, 30, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'in' / f'{i}.png')
  reconstruct.reconstruct(imported, str(tmp_path / 'in'), str(tmp_path / 'out'))
  names = sorted(path.name for path in (tmp_path / 'out').iterdir())
  assert names == ['0.png', '1.png', '2.png']
  given = Image.open(tmp_path / 'in' / '1.png').crop((5, 0, 25, 20)).resize((16, 16), 2)
  shown = Image.open(imported.path / 'reconstructed.png')
  cell = shown.width // 2
  first = shown.crop((0, 18 + cell, cell - 2, 18 + 2 * cell - 2)).resize((16, 16), 0)
  np.testing.assert_array_equal(first, given)
  trained = inference.load(imported)
  rebuilt = trained.compiled(glead.reconstruct)(np.asarray(given, np.float32)[None] / 127.5 - 1)
  expected = np.clip(np.rint(np.asarray(rebuilt[0]) * 127.5 + 127.5), 0, 255)
  found = np.asarray(Image.open(tmp_path / 'out' / '1.png')).astype(int)
  assert np.abs(found - expected).max() <= 1


def test_a_generator_has_no_directions_to_translate_in(imported):
  with pytest.raises(UserError, match='no run of glead turns images of one domain into another'):
    inference.load(imported).translator('a_to_b')


# Other files.


def imported_from(folder: Path, networks, config) -> Workdir:
  workdir = Workdir(folder / f'run{zlib.crc32(str(sorted(networks)).encode())}')
  stylegan2_checkpoint.import_checkpoint(save(folder / 'w.npz', networks), config, workdir)
  return workdir


def test_a_discriminator_without_decoder_makes_a_stylegan2(tensors, tmp_path):
  plain = {k: x for k, x in tensors['D'].items() if '_dec' not in k and '_proj' not in k}
  workdir = imported_from(tmp_path, {**tensors, 'D': plain}, small_config())
  config = workdir.load_config()
  assert config.method == 'stylegan2'
  assert set(config.routes.discriminate) == {'adversarial'}
  assert set(config.routes.regularise) == {'r1'}


def test_an_averaged_generator_alone_is_enough_to_draw(tensors, tmp_path, capsys):
  workdir = imported_from(tmp_path, {'G_ema': tensors['G_ema']}, small_config())
  assert 'It has no D: the discriminator is new.' in capsys.readouterr().out
  draw.draw(workdir, '', '0', '', 1.0, 'none')
  assert (workdir.path / 'generated' / 'seed0000.png').exists()


def test_a_decoder_without_projections_is_read_as_ggdr(tensors, tmp_path):
  config = small_config('mse,ggdr')
  judge = official_tensors(config, 'discriminator')
  workdir = imported_from(tmp_path, {**tensors, 'D': judge}, config)
  assert workdir.load_config().model.decoder_size == 8
  with pytest.raises(UserError, match=r'read it with a recipe of its kind.*:ggdr'):
    imported_from(tmp_path, {'G': tensors['G'], 'D': judge}, small_config())


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (lambda n: n['G'].pop('synthesis.b8.conv0.bias'), 'G/synthesis.b8.conv0.bias is missing, not'),
    (lambda n: n['D'].update({'b4.out.bias': np.zeros(3)}), r'D/b4.out.bias is \(3,\), not \(1,\)'),
    (lambda n: n['D'].update(extra=np.zeros(3)), 'D/extra has no place'),
    (lambda n: n['G'].update({'mapping.embed.weight': np.zeros(3)}), 'conditional'),
    (lambda n: n['G'].pop('mapping.fc0.weight'), 'This is no StyleGAN2 generator'),
    (lambda n: (n.pop('G'), n.pop('G_ema')), 'has neither G/... nor G_ema/...; it has D'),
    (
      lambda n: n['G'].update({'synthesis.b8.torgb.weight': np.zeros((3, 5, 1, 1))}),
      'has 5 channels at 8 px',
    ),
  ],
)
def test_files_that_do_not_fit_are_told(tensors, tmp_path, change, message):
  networks = {name: dict(content) for name, content in tensors.items()}
  change(networks)
  with pytest.raises(UserError, match=message):
    imported_from(tmp_path, networks, small_config())


def test_pickled_arrays_are_never_opened(tmp_path):
  np.savez(tmp_path / 'w.npz', **{'G/x': np.array([print], dtype=object)})
  with pytest.raises(UserError, match=r'no .npz of plain arrays .*pickles are not opened'):
    stylegan2_checkpoint.import_checkpoint(
      str(tmp_path / 'w.npz'), small_config(), Workdir(tmp_path / 'run')
    )


def test_the_published_architectures_are_recognised():
  for rebuild_size, channels in ((32, 512), (64, 256)):
    config = golden_config()
    config.image_size = 256
    config.model.update({'channel_base': 16384, 'channel_max': 512, 'z_dim': 512, 'mapping_layers': 8})
    config.model.update({'w_dim': 512, 'decoder_size': 64, 'rebuild_size': rebuild_size})
    gan = glead.build(config)
    real = Examples(jax.ShapeDtypeStruct((8, 256, 256, 3), np.float32))
    shapes = {}
    for tree in jax.eval_shape(gan.init, jax.random.key(0), real).values():
      for network in ('generator', 'discriminator'):
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree.get(network, {}))[0]:
          names = tuple(entry.key for entry in path)
          shape = official_shape(names, leaf.shape)
          shapes.setdefault(network, {})[official_key(names)] = jax.ShapeDtypeStruct(shape, leaf.dtype)
    found = Architecture.of(shapes['generator'], shapes['discriminator'])
    assert found == Architecture(256, 3, 16384, 512, 512, 512, 8, 64, channels)
    found.apply(config)
    assert config.model.rebuild_size == rebuild_size


# Flags.


def flagged(*flags):
  """The exit code and what main.py printed as its error."""
  command = [sys.executable, 'main.py', *flags]
  done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
  return done.returncode, done.stderr.strip().splitlines()[-1]


def test_a_method_without_seeds_or_reconstruction_is_told_at_the_command_line(tmp_path):
  (tmp_path / 'config.json').write_text(nice.get_config().to_json_best_effort())
  with pytest.raises(UserError, match=r'no run of nice gives an image back .*This one turns images'):
    reconstruct.reconstruct(Workdir(tmp_path), 'in', 'out')
  code, error = flagged('--mode=generate', f'--workdir={tmp_path}')
  assert code == 2
  assert error.startswith('error: no run of nice draws images from seeds')


@pytest.mark.parametrize('text', ['', 'a', '3-', '-1', '1,,2', '5-4'])
def test_seeds_that_are_none_are_told(text):
  with pytest.raises(UserError, match='--seeds='):
    draw.parse_seeds('seeds', text)


def test_wrong_flags_are_told_before_anything_is_loaded(tmp_path):
  workdir = Workdir(tmp_path)
  with pytest.raises(UserError, match='--noise=pink is unknown; there are random, const, none'):
    draw.draw(workdir, '', '0', '', 1.0, 'pink')
  with pytest.raises(UserError, match='--interpolate=4 names one seed; two are needed'):
    draw.draw(workdir, '', '', '4', 1.0, 'const')
