"""Official checkpoints of CycleGAN, pix2pix, CUT, U-GAT-IT and MUNIT: imported, used, exported."""

import importlib

import jax
import numpy as np
import pytest
import untrained
from official import FIXTURES

from decoupled_gan.errors import UserError
from decoupled_gan.interop import translators
from decoupled_gan.machine import pytorch_file
from decoupled_gan.run import experiment, inference
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

pytest.importorskip('torch', reason='the extra `interop` is not installed')

CASES = {
  'cyclegan': ('cyclegan', ('G_A', 'G_B', 'D_A', 'D_B')),
  'pix2pix': ('pix2pix', ('G', 'D')),
  'cut': ('cut', ('G', 'D', 'F')),
  'ugatit_light': ('ugatit', ('genA2B', 'genB2A', 'disGA', 'disGB', 'disLA', 'disLB')),
  'ugatit_full': ('ugatit', ('genA2B', 'genB2A', 'disGA', 'disGB', 'disLA', 'disLB')),
  'munit': ('munit', ('gen_a', 'gen_b', 'dis_a', 'dis_b')),
}


def dicts(name):
  """{network: state dict} of a fixture."""
  with np.load(FIXTURES / f'p10_{name}.npz') as arrays:
    return {
      network: {
        key.removeprefix(f'before/{network}/'): arrays[key]
        for key in arrays
        if key.startswith(f'before/{network}/')
      }
      for network in CASES[name][1]
    }


def filters(taps, gain, channels):
  return np.broadcast_to(np.outer(taps, taps) * np.float32(gain), (channels, 1, len(taps), len(taps)))


def official_files(name, folder):
  """The fixture as the official code would have saved it; what to give to --input."""
  networks, method = dicts(name), CASES[name][0]
  folder.mkdir()
  if method == 'ugatit':
    networks['genA2B']['total_ops'] = np.zeros(1)  # what a profiler leaves
    pytorch_file.write(folder / 'x_params_0000300.pt', networks)
    return folder / 'x_params_0000300.pt'
  if method == 'munit':
    for kind in ('gen', 'dis'):
      pytorch_file.write(
        folder / f'{kind}_00000007.pt', {d: networks[f'{kind}_{d}'] for d in 'ab'}
      )
    return folder
  if name == 'cyclegan':  # as PyTorch 0.3 had it
    networks['G_A']['model.2.running_mean'] = np.zeros(2, np.float32)
  if name == 'cut':
    up, down = (1, 3, 3, 1), (1, 2, 1)
    for key, taps, gain, channels in (
      ('G.model.7', down, 1 / 16, 4), ('G.model.11', down, 1 / 16, 8), ('G.model.17', up, 4 / 64, 8),
      ('G.model.21', up, 4 / 64, 4), ('D.model.2', down, 1 / 16, 2), ('D.model.6', down, 1 / 16, 4),
      ('D.model.10', down, 1 / 16, 8),
    ):  # fmt: skip
      network, _, place = key.partition('.')
      networks[network][f'{place}.filt'] = np.array(filters(taps, gain, channels), np.float32)
  for network, tensors in networks.items():
    pytorch_file.write(folder / f'latest_net_{network}.pth', tensors)
  return folder


def recipe(method):
  config = importlib.import_module(f'configs.{method}').get_config()
  config.image_size = 32
  config.data.source = 'fake'
  if method == 'pix2pix':
    config.model.test_statistics = 'average'
  return config


@pytest.fixture(scope='module', params=CASES)
def imported(request, tmp_path_factory):
  """(name, official files, workdir of the import)."""
  folder = tmp_path_factory.mktemp(request.param)
  files, workdir = official_files(request.param, folder / 'theirs'), Workdir(folder / 'run')
  translators.import_checkpoint(str(files), recipe(CASES[request.param][0]), workdir)
  return request.param, files, workdir


def test_the_architecture_is_read_off_the_shapes(imported):
  name, _, workdir = imported
  config = workdir.load_config()
  model = config.model
  assert (model.width, config.image_channels) == (2, 3)
  expected = {
    'cyclegan': {'blocks': 1, 'd_width': 2, 'd_layers': 3, 'norm': 'instance'},
    'pix2pix': {'downs': 5, 'd_width': 2, 'd_layers': 3, 'norm': 'batch', 'generator': 'unet'},
    'cut': {'blocks': 5, 'antialias': True, 'projection': 8},
    'ugatit_light': {'blocks': 1, 'depths': (5, 4), 'full': False},
    'ugatit_full': {'blocks': 1, 'depths': (5, 4), 'full': True},
    'munit': {'blocks': 1, 'style_size': 3, 'hidden': 4, 'd_layers': 2, 'scales': 3},
  }[name]
  assert {field: model[field] for field in expected} == expected


def test_the_step_is_told_by_the_files_name_if_by_anything(imported):
  name, _, workdir = imported
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    assert checkpoints.latest == {'munit': 7}.get(name, 300 if 'ugatit' in name else 0)


def test_translations_are_within_one_level_of_the_official_ones(imported):
  name, _, workdir = imported
  if name in ('munit', 'ugatit_full'):
    pytest.skip('munit draws its styles; full differs from light in its first linear layer')
  with np.load(FIXTURES / f'p10_{name}.npz') as arrays:
    images, expected = arrays['a_uint8'], arrays['eval/fake_b' if name == 'pix2pix' else 'eval/a_to_b']
  made = inference.load(workdir).translator('a_to_b')(images).astype(int)
  assert np.abs(made - np.rint((expected.transpose(0, 2, 3, 1) * 0.5 + 0.5) * 255)).max() <= 1


def test_exporting_what_was_imported_is_the_identity_bit_for_bit(imported, tmp_path):
  name, files, workdir = imported
  target = tmp_path / ('back.pt' if 'ugatit' in name else 'back')
  translators.export_checkpoint(workdir, str(target))

  def tensors(path):
    found = [path] if path.is_file() else sorted(path.iterdir())
    flat = jax.tree_util.tree_flatten_with_path({f.stem: pytorch_file.read(f) for f in found})[0]
    return {jax.tree_util.keystr(key): x for key, x in flat}

  before, after = tensors(files), tensors(target)
  if 'ugatit' in name:
    before, after = ({k.split(']', 1)[1]: x for k, x in t.items()} for t in (before, after))
  meaningless = [k for k in before if 'total_ops' in k or (name == 'cyclegan' and 'running' in k)]
  assert set(before) - set(meaningless) == set(after)
  for key, x in after.items():
    np.testing.assert_array_equal(before[key], x, err_msg=key)
    assert before[key].dtype == x.dtype, key


# What is missing, and mistakes.


def test_an_export_goes_over_its_own_files_and_over_no_others(imported, tmp_path):
  name, _, workdir = imported
  if name != 'munit':
    return  # one with several files
  for _ in range(2):
    translators.export_checkpoint(workdir, str(tmp_path))
  gen, dis = sorted(tmp_path.iterdir(), reverse=True)
  dis.write_text('of somebody else')
  gen.unlink()
  with pytest.raises(UserError, match=r'dis_00000007.pt is a file of something else'):
    translators.export_checkpoint(workdir, str(tmp_path))
  assert not gen.exists(), 'all are looked at before one is written'


def test_nothing_is_imported_into_a_folder_that_another_process_writes(tmp_path):
  files, workdir = official_files('cyclegan', tmp_path / 'theirs'), Workdir(tmp_path / 'run')
  workdir.create()
  with workdir.only_writer(), pytest.raises(UserError, match='is in use by another process'):
    translators.import_checkpoint(str(files), recipe(CASES['cyclegan'][0]), workdir)
  assert not workdir.config_file.exists()


def test_a_generator_alone_translates_one_way_and_the_rest_begins_anew(tmp_path, capsys):
  (tmp_path / 'theirs').mkdir()
  pytorch_file.write(tmp_path / 'theirs' / 'latest_net_G.pth', dicts('cyclegan')['G_A'])
  workdir = Workdir(tmp_path / 'run')
  config = recipe('cyclegan')
  config.model.d_width, config.model.pool_size = 2, 2
  translators.import_checkpoint(str(tmp_path / 'theirs'), config, workdir)
  assert 'D_A, D_B, G_B not there, begun anew' in capsys.readouterr().out
  with np.load(FIXTURES / 'p10_cyclegan.npz') as arrays:
    made = inference.load(workdir).translator('a_to_b')(arrays['a_uint8']).astype(int)
    expected = np.rint((arrays['eval/a_to_b'].transpose(0, 2, 3, 1) * 0.5 + 0.5) * 255)
  assert np.abs(made - expected).max() <= 1


def test_one_file_names_the_epoch(tmp_path):
  files = official_files('cyclegan', tmp_path / 'theirs')
  for file in list(files.iterdir()):
    file.rename(file.with_name(file.name.replace('latest', '15')))
  with pytest.raises(UserError, match=r'has no latest_net_<network>\.pth: name a folder'):
    translators.import_checkpoint(str(files), recipe('cyclegan'), Workdir(tmp_path / 'run'))
  config = recipe('cyclegan')
  networks, step = translators.FORMATS['cyclegan'].read_files(files / '15_net_G_B.pth', config)
  assert set(networks) == {'G_A', 'G_B', 'D_A', 'D_B'}
  assert step == 0


def test_missing_surplus_and_misshapen_tensors_are_listed_in_one_error(tmp_path):
  networks = dicts('cut')
  del networks['G']['model.26.bias']
  networks['D']['model.99.weight'] = np.zeros(3, np.float32)
  networks['F']['mlp_4.2.weight'] = np.zeros((2, 2), np.float32)
  (tmp_path / 'theirs').mkdir()
  for network, tensors in networks.items():
    pytorch_file.write(tmp_path / 'theirs' / f'latest_net_{network}.pth', tensors)
  with pytest.raises(UserError) as error:
    translators.import_checkpoint(str(tmp_path / 'theirs'), recipe('cut'), Workdir(tmp_path / 'run'))
  for told in (
    'G.model.26.bias is missing', 'D.model.99.weight is surplus',
    'F.mlp_4.2.weight is (2, 2), not (8, 8)',
  ):  # fmt: skip
    assert told in str(error.value)
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  ('name', 'method', 'told'),
  [
    ('cyclegan', 'cut', 'checkpoint of cut, whose networks are G, D, F: it has D_A, D_B, G_A, G_B'),
    ('cut', 'ugatit', 'is not a file'),
    ('pix2pix', 'munit', r'has no gen_<step>\.pt'),
  ],
)
def test_files_of_another_method_are_told(name, method, told, tmp_path):
  files = official_files(name, tmp_path / 'theirs')
  with pytest.raises(UserError, match=told):
    translators.import_checkpoint(str(files), recipe(method), Workdir(tmp_path / 'run'))


def test_a_file_without_genA2B_is_no_ugatit(tmp_path):
  pytorch_file.write(tmp_path / 'x_params_latest.pt', {'gen2B': {}})
  with pytest.raises(UserError, match=r'U-GAT-IT checkpoint: it has no genA2B; it has gen2B'):
    translators.import_checkpoint(
      str(tmp_path / 'x_params_latest.pt'), recipe('ugatit'), Workdir(tmp_path / 'run')
    )


def test_nothing_at_input_is_told_and_a_run_is_not_overwritten(imported, tmp_path):
  name, files, workdir = imported
  config = recipe(CASES[name][0])
  with pytest.raises(UserError, match='is neither a file nor a folder'):
    translators.import_checkpoint(str(tmp_path / 'none'), config, Workdir(tmp_path / 'run'))
  with pytest.raises(UserError, match='holds a run already: name a new folder'):
    translators.import_checkpoint(str(files), config, workdir)


def test_a_run_of_one_direction_tells_how_the_other_is_had(imported):
  name, _, workdir = imported
  if name not in ('cut', 'pix2pix'):
    pytest.skip('both directions')
  with pytest.raises(UserError, match=r'--direction=b_to_a: this run translates one way only'):
    inference.load(workdir).translator('b_to_a')


def test_a_run_that_was_published_without_its_discriminator_is_not_exported(tmp_path):
  config, workdir = untrained.config_of('cyclegan:terrain,tiny'), Workdir(tmp_path / 'run')
  run = experiment.build(config)
  state = run.create_state()
  blank = jax.tree.map(np.zeros_like, state.params['discriminator'])
  workdir.create()
  workdir.save_config(config)
  with Checkpoints(workdir.checkpoints) as checkpoints:
    checkpoints.save(0, state.replace(params={**state.params, 'discriminator': blank}), config)
  with pytest.raises(UserError, match=r'published without discriminator \(--slim\), and the official'):
    translators.export_checkpoint(workdir, str(tmp_path / 'out'))
